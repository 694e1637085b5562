/* SPDX-License-Identifier: ISC */
/*
 * lane - the keys of one topic, and walks over what is in them.
 */
#ifndef CTL_LANE_H
#define CTL_LANE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/redis.h"

struct ask;

#define LANE_ID_MAX 42 /* bytes of an entry's id: two numbers and a dash */

struct lane {
	struct ask *ask;
	const char *topic;
	char *stream, *delayed, *dead, *stats, *paused; /* owned */
};

void lane_init(struct lane *l, struct ask *a, const char *topic);
void lane_done(struct lane *l);

/* One entry of a stream: its id, and the flat array of its fields. */
typedef void (*lane_entry_fn)(
	const char *id, const struct redis_reply *fields, void *arg);
/*
 * Call fn for the entries of a stream from `first` ("-": the oldest) to `last`
 * ("+": the newest), at most `most` of them, in pages.  fn may send nothing
 * itself.
 * ret_seen  how many there were; may be NULL
 * Returns 0, or the exit code, printed.
 */
int lane_walk(struct ask *a, const char *key, const char *first,
	const char *last, int64_t most, lane_entry_fn fn, void *arg,
	int64_t *ret_seen);
/* The newest id of a stream, "" when it is empty. */
int lane_newest(struct ask *a, const char *key, char ret_id[LANE_ID_MAX]);
/* One entry by its id: 0 also when there is none, fn is not called then. */
int lane_entry(struct ask *a, const char *key, const char *id, lane_entry_fn fn,
	void *arg);

/* Is it the id of an entry, "1763800000000-0"? */
bool lane_is_entry(const char *text);
/* When it came, ms, by its id. */
int64_t lane_entry_ms(const char *id);
/* Redis' clock, ms since 1970. */
int lane_now(struct ask *a, int64_t *ret_ms);
/* The next id after this one, for a range that begins behind it. */
void lane_after(const char *id, char ret_id[LANE_ID_MAX + 1]);

/* `text` without what moves a terminal's cursor or is no UTF-8; heap. */
char *lane_clean(const char *text);
/* The value of a field, "" when it has none; borrowed. */
const char *lane_field(
	const struct redis_reply *fields, const char *name, size_t *ret_len);
/* A string of any bytes: those that are not UTF-8 become "?". */
json_t *lane_json(const char *text, size_t len);
/* An envelope as the JSON it is, or as a string when it is none. */
json_t *lane_envelope(const char *text, size_t len);
/* Print it and let go of it. */
void lane_print(json_t *doc);

#endif
