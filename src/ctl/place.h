/* SPDX-License-Identifier: ISC */
/*
 * place - where a task is, found by its id.
 *
 * Nothing in Redis leads from a task's id to its entry, so the topics are
 * searched, on the server's side and up to a limit that is told.
 */
#ifndef CTL_PLACE_H
#define CTL_PLACE_H

#include "ctl/lane.h"
#include "ctl/letter.h"
#include "task/task.h"

/* Entries looked at in each of a topic's three keys. */
#define PLACE_SCAN_MAX 500000

enum place_kind {
	PLACE_WAITING = 0, /* in the stream, not taken yet */
	PLACE_TAKEN = 1,   /* a worker has it */
	PLACE_DELAYED = 2,
	PLACE_DEAD = 3,
	PLACE_KIND_COUNT
};
extern const char *const place_kind_names[PLACE_KIND_COUNT];

struct place {
	enum place_kind kind;
	const char *topic;       /* borrowed from the configuration */
	char entry[LANE_ID_MAX]; /* "" when delayed */
	struct task *task;       /* the letter's, if there is one */
	char *text;              /* owned; the envelope as it stands there */
	size_t len;
	struct letter *letter;       /* owned; of an entry, dead or not */
	int64_t due_ms;              /* DELAYED */
	char *consumer;              /* owned; TAKEN */
	int64_t idle_ms, deliveries; /* TAKEN */
	bool is_paused;              /* WAITING: its topic is */
};

/* What is kept of a task that somebody waits for. */
struct place_record {
	char state[16]; /* "": there is none */
	char *handler, *topic, *worker, *result, *error;
	int64_t attempts, at_ms;
};

struct places {
	struct ask *ask;
	const char *id;
	int64_t now_ms; /* of Redis */
	struct place_record record;
	struct place *items;
	size_t count;
	bool is_cut;       /* not everything was looked at */
	bool is_cancelled; /* it has a mark */
};

/* Look for it everywhere.  0 (places_done), or the exit code, printed. */
int places_find(struct ask *a, const char *id, struct places *ret);
void places_done(struct places *p);
/* The first of that kind, or NULL. */
const struct place *places_of(const struct places *p, enum place_kind kind);
/* Has it come to an end, as far as its record says? */
bool places_is_ended(const struct places *p);

#endif
