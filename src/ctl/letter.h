/* SPDX-License-Identifier: ISC */
/*
 * letter - one dead letter: the task that failed for good, and why.
 */
#ifndef CTL_LETTER_H
#define CTL_LETTER_H

#include <jansson.h>

#include "ctl/lane.h"
#include "task/task.h"

struct letter {
	char entry[LANE_ID_MAX];
	char *text; /* the envelope as it came */
	size_t len;
	char *reason, *worker;
	int64_t at_ms, deliveries;
	struct task *task; /* NULL: the envelope can't be read */
	struct err err;    /* why not */
};

/* Copies an entry of the dead letters; letter_free. */
struct letter *letter_read(const char *id, const struct redis_reply *fields);
void letter_free(struct letter *l);
/* "-" where the envelope can't be read. */
const char *letter_task_id(const struct letter *l);
const char *letter_handler(const struct letter *l);
json_t *letter_json(const struct letter *l, int64_t now_ms);

/*
 * Back into its topic as if it had never been tried: attempts and crashes
 * begin at 0, its errors are kept.  The dead letter goes in the same step.
 * ret_entry  the id of the new entry
 * Returns 0; or the exit code with err, of which nothing was printed: it would
 * die at once again, another task holds its unique key, it is gone.
 */
int letter_revive(const struct lane *lane, const struct letter *l,
	char ret_entry[LANE_ID_MAX], struct err *err);

/* Out of the dead letters.  0, or the exit code, printed. */
int letter_drop(const struct lane *lane, const struct letter *l);
/* A cancel mark of former times would end it at once.  0, or the exit code,
 * printed. */
int letter_unmark(struct ask *a, const char *id);

#endif
