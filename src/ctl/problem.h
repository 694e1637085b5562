/* SPDX-License-Identifier: ISC */
/*
 * problem - why the API of another node did not do it, as one line.
 */
#ifndef CTL_PROBLEM_H
#define CTL_PROBLEM_H

#include <stddef.h>

struct buf;
struct client_answer;
struct url;

/* The title, the detail and each wrong field of an answer that is not 2xx, and
 * what to do about it. */
void problem_put(
	const struct url *u, const struct client_answer *a, struct buf *out);
/* The same on standard error, after `about` (NULL: nothing).  Returns the exit
 * code: EXIT_SYSTEM where something cannot be reached, else EXIT_CONFIG. */
int problem_print(
	const struct url *u, const struct client_answer *a, const char *about);

#endif
