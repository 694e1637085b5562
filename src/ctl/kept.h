/* SPDX-License-Identifier: ISC */
/*
 * kept - what PostgreSQL keeps of a task, where it is tracked.
 */
#ifndef CTL_KEPT_H
#define CTL_KEPT_H

#include <jansson.h>
#include <stdbool.h>

struct conf;
struct ctl;
struct kept;

/* Is there a PostgreSQL to ask? */
bool kept_is_named(const struct ctl *c, const struct conf *conf);
/*
 * Look for its row.  *ret_kept is NULL where there is none: no database is
 * named, the id is none of a tracked task, or no row has it.
 * Returns 0, or the exit code, printed: PostgreSQL does not answer.
 */
int kept_find(const struct ctl *c, const struct conf *conf, const char *id,
	struct kept **ret_kept);
/* The same from process.yaml alone. */
int kept_open(const struct ctl *c, const char *id, struct kept **ret_kept);
/* What another node keeps of it; takes the row. */
struct kept *kept_of(const char *id, json_t *row);
/* NULL is a no-op. */
void kept_free(struct kept *k);
/* Look again; 0, or the exit code, printed. */
int kept_refresh(struct kept *k);

/* "PENDING", …; "" for NULL. */
const char *kept_state(const struct kept *k);
/* It will not change any more by itself. */
bool kept_is_over(const struct kept *k);
/* The row; borrowed. */
const json_t *kept_json(const struct kept *k);
void kept_show(const struct kept *k);

/* Cancel what has not begun; ret_was: the state it was in, as kept_state. */
int kept_cancel(struct kept *k, const char **ret_was);
/* Run it once more; the same. */
int kept_retry(struct kept *k, const char **ret_was);

/* Lines of its handlers: the last c->lines, and with --follow those that come
 * until it is over. */
int kept_logs(struct ctl *c);
/* One of them. */
void kept_print_line(const struct ctl *c, const char *at, const char *level,
	const char *text);

/* Enqueue through the outbox, and tell the id; what queue push --track does. */
int kept_push(struct ctl *c, const char *topic, const char *handler,
	const char *params);
/* That it was enqueued, or all of --count. */
void kept_tell_pushed(const struct ctl *c, const char *id, const char *topic);
/* How it ended: EXIT_OK for success, else EXIT_CONFIG. */
int kept_tell_end(const struct ctl *c, const struct kept *k);

#endif
