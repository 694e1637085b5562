/* SPDX-License-Identifier: ISC */
/*
 * job - one deployment on this node, step by step.
 *
 *	forward	fetch verify unpack prepare gate lower before_switch switch
 *		reload after_switch watch restore prune
 *	share	fetch verify unpack prepare gate before_switch canary lower
 *		switch whole reload after_switch watch restore prune
 *	back	lower switch reload whole restore rollback
 *
 * A step is written down before it begins, and may be begun again by whoever
 * comes after a crash: it finds its work done and goes on.  Every write says
 * the fence of the one who holds the node's row.
 */
#ifndef DEPLOY_JOB_H
#define DEPLOY_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "deploy/command.h"
#include "deploy/control.h"
#include "deploy/options.h"
#include "link/pg.h"
#include "link/redis.h"
#include "loop/loop.h"
#include "worker/worker.h"

#define JOB_VERSION_MAX 100
#define JOB_AGAIN_US    (1000 * (int64_t)1000) /* what failed is tried again */
#define JOB_WORDS_MAX   32                     /* of a command, and its NULL */

struct http_call;
struct http_client;

/* What the deploy worker has. */
struct deploy {
	struct worker *worker;
	struct loop *loop;
	const struct conf *conf;
	const struct conf_pool *pool;
	const struct deploy_options *options;
	char *holder; /* NODE/POOL.INDEX/PID */
	struct pg *pg;
	struct redis *redis; /* NULL: none is configured */
	struct handler_children *children;
	struct http_client *http; /* NULL: not yet needed */
	struct loop_timer *tick;
	bool is_looking, is_draining;
	struct job *job; /* NULL: there is nothing to do */
};

enum step {
	STEP_NONE = 0,
	STEP_FETCH,
	STEP_VERIFY,
	STEP_UNPACK,
	STEP_PREPARE,
	STEP_GATE,
	STEP_LOWER,
	STEP_BEFORE_SWITCH,
	STEP_CANARY,
	STEP_SWITCH,
	STEP_WHOLE,
	STEP_RELOAD,
	STEP_AFTER_SWITCH,
	STEP_WATCH,
	STEP_RESTORE,
	STEP_PRUNE,
	STEP_ROLLBACK,
	STEP_COUNT
};
extern const char *const step_names[STEP_COUNT];

struct job {
	struct deploy *deploy;
	char id[UUID_TEXT_LEN + 1];
	char fence[24];
	bool is_push;
	char version[JOB_VERSION_MAX + 1];
	char from[JOB_VERSION_MAX + 1]; /* "": nothing was current */
	bool is_known;                  /* from is written down */
	char *consumers; /* the key before it was lowered; NULL: none */
	bool is_lowered, is_switched;
	bool is_back;
	bool is_canary;  /* the other nodes wait for how it does here */
	bool is_forced;  /* whatever the gate finds */
	bool is_share;   /* of the consumers first: there is no other node */
	char *canaries;  /* POOL.INDEX of each, a space between; NULL: none */
	bool is_lenient; /* the step goes on when its command fails */
	bool is_over;    /* its end is being told */
	unsigned turn;   /* what was asked in an earlier one is of no use */
	enum step step;  /* under way */
	char step_id[24];
	struct buf output; /* of the step */
	char reason[512];  /* of the step that failed last */
	const char *cause; /* of going back, when no step of this node is */
	char awaits[160];  /* what the step tries again for, told */
	char missed[256];  /* by the step, on the way back: it goes on */
	/* What the step waits for; at most one of them. */
	struct command *command;
	struct control *control;
	struct http_call *call;
	struct loop_timer *timer;
	struct loop_timer *show; /* the output of a command that goes on */
	void (*again)(struct job *job); /* of the timer */
	void (*after)(struct job *job); /* of the command, or the pools */
	char program[64];
	char *words[JOB_WORDS_MAX];
	char **env;       /* of hooks, NULL at the end; NULL: none */
	int64_t shown_us; /* when its output was last written down */
	size_t at;        /* the pool of the step, or the part */
	/* The parts of fetch, verify and unpack. */
	size_t part_end;    /* at the first that is another step's */
	size_t part_output; /* where its output begins in that of the step */
	void (*part_next)(struct job *job); /* when all are done */
	int64_t began_us, until_us;         /* of watch */
	int bad;                            /* looks, or answers, in a row */
};

/* Begin with what reeve.deploy_look has told (row 0), or go on with it. */
struct job *job_new(struct deploy *d, const struct pg_result *r);
/* Is it the one that deploy_look has told, and still ours? */
bool job_is_of(const struct job *job, const struct pg_result *r);
/* Let go of it: another has it now. */
void job_lose(struct job *job);
/* What deploy_look tells while the job runs: an abort, another's fault. */
void job_renewed(struct job *job, const struct pg_result *r);
/* Let go of it as it is; the next worker goes on. */
void job_free(struct job *job);

/* For the steps: the end of the one under way.  why: printf's kind; the
 * reason, when it failed. */
void job_step_done(struct job *job);
void job_step_failed(struct job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Add text as the database takes it: no NUL, and UTF-8. */
void job_keep(struct buf *out, const char *text, size_t len);
/* Write down what its command has printed so far, if one runs.  arg: the job. */
void job_show(void *arg);
/* A line for the step's output. */
void job_say(struct job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Change the node's row; $1 deployment, $2 node, $3 fence, $4 the value.  next
 * is called when it is committed; the step begins again when it can't be. */
void job_note(struct job *job, const struct pg_statement *s, const char *value,
	void (*next)(struct job *job));

/* Begin the step again after a while; why is told once. */
void job_retry(struct job *job, const char *why);
/* Is that another reason to wait than the one that was told last? */
bool job_awaits_anew(struct job *job, const char *why);
/* Call fn(job) after so long, instead of what was awaited before. */
void job_wait(struct job *job, int64_t us, loop_fn fn);

/* root/…, heap. */
char *job_path(const struct job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Run a program as this step, or as a part of it: next is called when it ended
 * with 0, any other end fails the step. */
void job_run(struct job *job, const struct conf_strings *argv,
	const char *directory, int64_t timeout_us,
	void (*next)(struct job *job));
/* argv: words, NULL at the end. */
void job_run_words(struct job *job, const char *const *argv, int64_t timeout_us,
	void (*next)(struct job *job));

/* Ask Redis as a part of this step, which begins again when the connection is
 * lost, and fails when Redis says no.  Not without Redis. */
void job_redis(struct job *job, int argc, const char *const *argv,
	void (*next)(struct job *job, const struct redis_reply *reply));
/* The environment of a hook, no longer needed. */
void job_drop_env(struct job *job);

/* A release that went back: the next push of it gets it anew. */
void release_mark_failed(struct job *job);
/* Remove what is in releases/ beside the one that comes and the one before it,
 * but for so many of those that did well; next is called whatever comes of it. */
void release_prune(struct job *job, size_t keep, void (*next)(struct job *job));
/* Remove what looks at releases have left: the end of the step, which it can't
 * make fail. */
void release_sweep(struct job *job);
/* Remove what a fetch has downloaded. */
void release_drop_archive(const struct job *job);

/* Is the governor's answer no verdict?  A daemon that stops refuses all. */
bool switch_is_away(const struct job *job, int status);
/* What is current here, unless that was written down.  0, or -1 with err. */
int switch_read_from(struct job *job, struct err *err);

/* Look at how the new release does, for so long: the end of this step. */
void watch_begin(struct job *job, int64_t us);

/* What begins each step: release.c, lower.c, switch.c, watch.c. */
extern void (*const step_begin[STEP_COUNT])(struct job *job);

void step_fetch(struct job *job);
void step_verify(struct job *job);
void step_unpack(struct job *job);
void step_prepare(struct job *job);
void step_gate(struct job *job);
void step_lower(struct job *job);
void step_before_switch(struct job *job);
void step_canary(struct job *job);
void step_whole(struct job *job);
void step_switch(struct job *job);
void step_reload(struct job *job);
void step_after_switch(struct job *job);
void step_watch(struct job *job);
void step_restore(struct job *job);
void step_prune(struct job *job);
void step_rollback(struct job *job);

#endif
