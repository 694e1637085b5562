/* SPDX-License-Identifier: ISC */
/*
 * steps - the steps of one deployment, printed as they come.
 */
#ifndef CTL_STEPS_H
#define CTL_STEPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct db;
struct steps_open;

struct steps {
	const char *id;  /* of the deployment; borrowed */
	bool is_live;    /* will be looked at again; set it behind init */
	struct buf over; /* what was printed to its end: "1,2,3" */
	struct steps_open *open; /* what goes on */
	size_t count;
	char last[24]; /* the step whose output was printed last */
};

void steps_init(struct steps *s, const char *id);
void steps_done(struct steps *s);
/* Print what is new of them; nothing, when they are not to be printed.  Returns
 * EXIT_OK or what the program ends with, printed. */
int steps_look(struct steps *s, struct db *db, bool print);
/* Print what is new of one that was not yet printed to its end: "id", "node",
 * "step", "state", "output", "started", and "seconds" when it is over. */
void steps_print(struct steps *s, const json_t *step);

#endif
