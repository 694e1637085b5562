/* SPDX-License-Identifier: ISC */
/*
 * push - enqueue tasks: one and wait for it, or many.
 */
#ifndef CTL_PUSH_H
#define CTL_PUSH_H

#include <stdint.h>

struct ctl;

int push_command(struct ctl *c);

/* What is wrong with the words alone; the delay of --delay or --at, which is
 * left as it is without them.  0, or EXIT_USAGE, printed. */
int push_read(
	const struct ctl *c, const char **ret_params, int64_t *ret_delay_ms);

#endif
