/* SPDX-License-Identifier: ISC */
/*
 * near - the known name that a misspelt one was probably meant to be.
 */
#ifndef CONF_NEAR_H
#define CONF_NEAR_H

#include <stddef.h>

struct draft;

#define NEAR_NAME_MAX 64

struct near {
	struct draft *d;    /* whose budget of comparisons it takes from */
	const char *wanted; /* borrowed */
	size_t distance;
	char best[NEAR_NAME_MAX]; /* "" while there is none */
};

void near_init(struct near *n, struct draft *d, const char *wanted);
void near_try(struct near *n, const char *candidate);
/* "; did you mean "count"?", or "". */
const char *near_hint(const struct near *n);

/* How many letters must be put in, left out, replaced or swapped with their
 * neighbour to make b of a; both shorter than NEAR_NAME_MAX. */
size_t near_distance(const char *a, const char *b);

#endif
