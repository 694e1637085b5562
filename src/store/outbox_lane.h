/* SPDX-License-Identifier: ISC */
/*
 * outbox_lane - the outbox' connections to Redis: one for each topic, since a
 * Cluster may keep each elsewhere.
 *
 * Opened with the first row of a topic, closed when none came for a minute.
 */
#ifndef STORE_OUTBOX_LANE_H
#define STORE_OUTBOX_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/redis.h"

struct conf;
struct loop;
struct outbox_lanes;

/* A row on its way; the lane fills in what comes of it. */
struct outbox_row {
	int64_t id;
	int64_t delay_ms;   /* 0: at once */
	const char *text;   /* the envelope; borrowed until it is sent */
	const char *unique; /* key of an untracked one, or NULL; likewise */
	const char *task;   /* its id, with unique */
	struct outbox_lanes *lanes;
	struct outbox_lane *lane;
	enum outbox_row_state {
		ROW_LEFT = 0,     /* not sent, or not taken */
		ROW_SENT = 1,     /* to be answered */
		ROW_TAKEN = 2,    /* Redis has it */
		ROW_DUPLICATE = 3 /* it is not wanted: its key is held */
	} state;
};

/* What the lanes tell, each from the loop. */
struct outbox_lanes_events {
	void (*answered)(void *arg); /* no row is unanswered any more */
	void (*usable)(void *arg);   /* a topic that was not can be sent to */
	/* For the log: why rows wait. */
	void (*trouble)(const char *text, void *arg);
};

struct outbox_lanes *outbox_lanes_open(struct loop *l, const struct conf *conf,
	const char *name, const struct outbox_lanes_events *on, void *arg,
	struct err *err);
void outbox_lanes_close(struct outbox_lanes *s);
/* Is Redis there at all? */
bool outbox_lanes_is_up(const struct outbox_lanes *s);
/* One row; its answer comes later.  False: its topic can't be sent to now. */
bool outbox_lanes_send(
	struct outbox_lanes *s, const char *topic, struct outbox_row *row);
/* Rows not answered. */
unsigned outbox_lanes_pending(const struct outbox_lanes *s);
/* Enough waited for: the rows not answered are ROW_LEFT soon. */
void outbox_lanes_give_up(struct outbox_lanes *s);
/* Topics that can't be sent to now, one by one; NULL after the last. */
const char *outbox_lanes_blocked(const struct outbox_lanes *s, size_t i);
/* After a batch: tell who waits for delayed tasks. */
void outbox_lanes_publish(struct outbox_lanes *s);

#endif
