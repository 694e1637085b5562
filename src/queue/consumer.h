/* SPDX-License-Identifier: ISC */
/*
 * consumer - what the parts of a queue worker share.
 */
#ifndef QUEUE_CONSUMER_H
#define QUEUE_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/clock.h"
#include "board/series.h"
#include "link/redis.h"
#include "queue/options.h"
#include "task/handler.h"
#include "task/keys.h"
#include "worker/worker.h"

#define CONSUMER_GROUP    KEYS_GROUP
#define CONSUMER_NAME_MAX 160
/* Bytes of a stream entry's id: two 64-bit numbers and a dash. */
#define CONSUMER_ID_MAX 42
/* Entries of one read. */
#define CONSUMER_BATCH 256
/* So many in hand at a time are a burst.  What it took is given back when no
 * task has come for a while. */
#define CONSUMER_BURST   16
#define CONSUMER_REST_US (2 * US_PER_S)

struct consumer;
struct pg;
struct secret;
struct topic;
struct writer;
struct writer_run;

enum flight_state {
	FLIGHT_WAITING = 0,   /* for room at its handler, or its unique key */
	FLIGHT_RUNNING = 1,   /* in its handler */
	FLIGHT_FINISHING = 2, /* its outcome is on the way to Redis */
	FLIGHT_UNSTORED = 3,  /* that failed: sent again when Redis is back */
	FLIGHT_BEGINNING = 4, /* tracked: PostgreSQL is told that it runs */
	FLIGHT_STORING = 5,   /* tracked: PostgreSQL is told its outcome */
	FLIGHT_STATE_COUNT
};

/* What is to be stored; the word goes to the script. */
enum flight_end {
	END_SUCCESS = 0,
	END_RETRY = 1,
	END_DEAD = 2,
	END_CANCELLED = 3,
	END_DUPLICATE = 4,
	END_FENCED = 5, /* another has it, as PostgreSQL says */
	END_COUNT
};

/* A question about a flight that is under way, and that may outlive it. */
struct flight_ask {
	struct flight *flight; /* NULL: gone */
	struct consumer *consumer;
	void (*judged)(struct flight *f, bool is_live); /* lease_ask_worker */
};

/* One task in hand. */
struct flight {
	TAILQ_ENTRY(flight) entry;  /* in consumer.flights */
	TAILQ_ENTRY(flight) ending; /* in its topic's landing or ending */
	struct topic *topic;
	char id[CONSUMER_ID_MAX]; /* of the stream entry */
	struct task *task;        /* NULL: the envelope can't be read */
	const struct conf_handler *handler;
	struct handler_run *run; /* RUNNING only; NULL while it starts */
	struct flight_ask *ask;  /* what must be known before it can start */
	enum flight_state state;
	int64_t taken_at_us;   /* read or claimed, clock_now */
	int64_t renewed_at_us; /* the last time it was known to be ours */
	int64_t started_at_us; /* its handler; 0: not begun */
	int64_t ended_at_us;   /* likewise; 0: not over */
	struct series *series; /* its counters */
	bool is_suspect;       /* one death more, and it is poison */
	bool is_cancelled;
	bool is_lost;   /* its entry is another's, or may be */
	bool is_resent; /* its outcome may have been stored already */
	/* Tracked only. */
	struct writer_run *tracked; /* its way to PostgreSQL; NULL: not */
	bool is_takeover;           /* it may have been begun before */
	bool is_reserved;           /* room at its handler is kept for it */
	bool is_begun;              /* PostgreSQL knows that it runs */
	bool is_ended;              /* its outcome is there before its begin */
	bool is_kept;               /* PostgreSQL has its outcome */
	bool is_over;               /* it was over before it came */
	bool is_late;               /* its deadline is over */
	/* Its outcome, from FINISHING on. */
	enum flight_end end;
	char *payload; /* envelope for delayed and dead; NULL: none */
	size_t payload_len;
	char *reason;
	int64_t pause_ms;
	const struct handler_result *result; /* only while it is told */
	/* Of a task with `reply`: what is told once the above is stored. */
	const char *answer_state;
	char *answer; /* NULL: the reason */
	size_t answer_len;
};

TAILQ_HEAD(flights, flight);

enum topic_state {
	TOPIC_DOWN = 0,    /* no connection, or the group is not there yet */
	TOPIC_IDLE = 1,    /* nothing asked */
	TOPIC_ASKING = 2,  /* a read that answers at once is under way */
	TOPIC_BLOCKED = 3, /* a read waits for entries */
	TOPIC_LOOKING = 4  /* no read before it is known what is ours */
};

/* One stream that this worker reads. */
struct topic {
	struct consumer *consumer;
	const char *name;
	char *stream, *delayed, *dead, *stats, *paused; /* keys */
	struct redis *reader; /* reads, and the acks that go with them */
	enum topic_state state;
	bool is_paused;
	bool is_held;           /* too much of it is put aside: for a moment */
	bool look_due;          /* something may be ours unknown to us */
	bool is_looking;        /* that was asked */
	bool is_empty;          /* the last read brought less than asked */
	int64_t client_id;      /* of the reader's connection; 0: unknown */
	int64_t weight, credit; /* order: weighted */
	int64_t head_ms; /* when the oldest that waits came; 0: unknown */
	struct flights landing; /* plain successes, to be acked together */
	struct flights ending;  /* all other outcomes, for the script */
	unsigned landing_count, ending_count;
	int64_t due_ms; /* score of the delayed set's head; 0: none known */
	struct loop_timer *due;   /* moves what is due */
	struct loop_timer *mend;  /* tries again after an error */
	struct loop_timer *nudge; /* ends a waiting read */
	int nudges;
	int64_t asked_at_us; /* the last read, clock_now */
};

struct consumer {
	struct worker *worker;
	struct loop *loop;
	const struct conf *conf;
	const struct conf_pool *pool;
	const struct queue_options *options;
	struct handlers *handlers;
	char name[CONSUMER_NAME_MAX]; /* NODE/POOL.INDEX/PID */
	struct redis *commands;       /* all that must not wait behind a read */
	struct redis *events;         /* subscribed to <prefix>control */
	struct topic *topics;
	size_t topic_count, next_topic;
	struct flights flights; /* in hand, the oldest first */
	unsigned flight_count;  /* all */
	unsigned active_count;  /* of these WAITING, BEGINNING or RUNNING */
	unsigned waiting_count; /* of these WAITING */
	unsigned suspect_count; /* of the active ones */
	unsigned beginning_count, storing_count;
	int64_t quiet_until_us; /* others wait for a suspect till then */
	bool look_due;          /* one is through: for the next */
	struct pg *pg;          /* NULL: nothing tracked has come yet */
	struct writer *writer;  /* likewise */
	struct secret *secret;  /* NULL: no key is configured */
	bool is_warned;         /* that there is no database */
	unsigned aside_count;   /* put aside since the timer was set */
	struct loop_timer *aside;
	bool draining;
	bool pump_due;            /* a turn's work is deferred */
	int64_t skew_ms;          /* Redis' TIME less our wall clock */
	int64_t arrived_at_us;    /* the entries that are taken now */
	int64_t wall_ahead_us;    /* of clock_now, as they arrived */
	int64_t heartbeat_us;     /* the last one sent */
	int64_t twin_until_us;    /* another daemon is called as this node */
	unsigned twin_seen;       /* its heartbeats */
	const char *victim;       /* whose tasks are being taken over; NULL */
	struct loop_timer *lease; /* renewals, while there are flights */
	struct loop_timer *sweep; /* takeover and marks */
	struct loop_timer *room;  /* a handler's rate limit */
	struct loop_timer *heads; /* ageing between topics, under backlog */
	struct loop_timer *rest;  /* gives memory back after a burst */
	bool is_grown;            /* there was one, and the timer runs */
	char **cancelled;         /* task ids with a cancel mark, sorted */
	size_t cancelled_count;
	/* Counters by topic and handler, made on first use: the handler's
	 * index, and one more for no handler at all. */
	struct series **series;
};

/* Look at everything on the next turn: fetch, flush, drain. */
void consumer_poke(struct consumer *c);
/* Tasks that take up room: in hand, less those that are parked. */
unsigned consumer_busy(const struct consumer *c);
/* Tasks that may be taken now. */
int64_t consumer_room(const struct consumer *c);
/* Wall clock of Redis as far as known, ms. */
int64_t consumer_now_ms(const struct consumer *c);

#endif
