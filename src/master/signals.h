/* SPDX-License-Identifier: ISC */
/*
 * signals - what each signal means to the master: one table.
 */
#ifndef MASTER_SIGNALS_H
#define MASTER_SIGNALS_H

#include "loop/loop.h"

struct signal_row {
	int signo;
	const char *name; /* "HUP" */
	const char *word; /* of `reeved -s`; NULL: none */
	const char *what; /* as the man page says it */
	void (*fn)(void);
};

/* signo 0 at the end. */
extern const struct signal_row signal_rows[];
/* The row of a word of `reeved -s`, or NULL. */
const struct signal_row *signals_find(const char *word);
/* Handle them all through the loop. */
void signals_start(struct loop *l);
void signals_stop(void);

#endif
