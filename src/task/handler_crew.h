/* SPDX-License-Identifier: ISC */
/*
 * handler_crew - the long-lived children of one `worker` handler.
 *
 * A child is in one state:
 *
 *	IDLE <-> BUSY	one task at a time
 *	LEAVING		asked to end, or mute: TERM and KILL follow in time
 *	DEAD		gone; only its memory is left
 *
 * Only handler_crew.c (one child) and handler_worker.c (who gets which task)
 * include it.
 */
#ifndef TASK_HANDLER_CREW_H
#define TASK_HANDLER_CREW_H

#include <sys/queue.h>

#include "task/handler_child.h"
#include "task/handler_kind.h"
#include "task/handler_lines.h"

enum crew_state {
	CREW_IDLE = 0,
	CREW_BUSY = 1,
	CREW_LEAVING = 2,
	CREW_DEAD = 3,
	CREW_STATE_COUNT
};

struct crew;

struct crew_member {
	TAILQ_ENTRY(crew_member) entry; /* in the list of its state */
	struct crew *crew;
	enum crew_state state;
	struct handler_run *run; /* in hand; NULL: none */
	struct handler_child *child;
	pid_t pid;
	int in_fd, out_fd, log_fd; /* -1: closed */
	struct loop_fd *in_watch, *out_watch, *log_watch;
	struct buf out; /* not yet written */
	struct handler_lines lines, log_lines;
	char last[256];           /* line of its log */
	struct loop_timer *timer; /* until TERM, then until KILL; NULL: never */
	bool is_dismissed;        /* its end is our wish */
	bool is_mute;             /* no answer can come from it */
	bool is_termed;
	int64_t tasks;      /* answered */
	int64_t checked_us; /* when its memory was looked at */
};

TAILQ_HEAD(crew_list, crew_member);

struct crew {
	struct handler *handler;
	struct handler_command *command;
	struct crew_list members[CREW_STATE_COUNT];
	int64_t counts[CREW_STATE_COUNT];
	TAILQ_HEAD(, crew_wait) waiting; /* runs for whom no child was free */
	int64_t wait_count;
	struct loop_timer *timer; /* of the back-off */
	struct loop_timer *watch; /* of memory.hard; NULL: no limit */
	int failures;             /* children that died, since an answer */
	int64_t start_us;         /* no child is started before */
	bool is_giving;           /* tasks are being given out */
};

struct crew_wait {
	TAILQ_ENTRY(crew_wait) entry;
	struct handler_run *run;
};

/* handler_crew.c */
/* NULL with err; ret_is_exec as handler_child_start. */
struct crew_member *crew_member_start(
	struct crew *crew, bool *ret_is_exec, struct err *err);
/* Hand it a task; it is IDLE. */
void crew_member_give(struct crew_member *m, struct handler_run *run);
void crew_member_set_state(struct crew_member *m, enum crew_state state);
/* Let it end by itself, and see to it that it does. */
void crew_member_retire(struct crew_member *m);
/* TERM (or KILL) to all of its group: it is dismissed. */
void crew_member_stop(struct crew_member *m, enum handler_force force);
/* Let go of it: killed if it is BUSY, else told by the end of its input.
 * Nobody hears of its end; its memory is freed by crew_bury. */
void crew_member_kill(struct crew_member *m);
/* Free the dead: never below a callback of one of them. */
void crew_bury(struct crew *crew);

/* handler_worker.c */
/* A child has said that its task is done, and has none now. */
void crew_on_end(struct crew_member *m, struct handler_run *run,
	const struct handler_result *r);
/* A child has ended, with this run in hand (NULL: none). */
void crew_on_exit(struct crew_member *m, struct handler_run *run,
	const struct handler_exit *e);

#endif
