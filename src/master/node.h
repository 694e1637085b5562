/* SPDX-License-Identifier: ISC */
/*
 * node - what the master knows: pools, their slots, the processes in them.
 *
 *	node -> pools -> slots -> procs
 *
 * A slot is a place in a pool and stays; the processes in it come and go, and
 * during a roll there are two.  Everything that happens only changes what is
 * desired (or what is) and calls pool_reconcile, which takes the next safe
 * step.
 */
#ifndef MASTER_NODE_H
#define MASTER_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "board/board.h"
#include "board/role.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "master/master.h"

#define NODE_WHY_MAX 128

/*
 * One child process.
 *
 *	STARTING --ready, checked--> READY --drain--> DRAINING --> gone
 *	    \----------- drain, deadline -------------/
 */
struct proc {
	TAILQ_ENTRY(proc) in_slot, in_node;
	LIST_ENTRY(proc) same_hash; /* of the pid */
	struct pool *pool;
	struct slot *slot;
	enum board_state state; /* STARTING, READY or DRAINING */
	unsigned generation;
	pid_t pid;
	int pidfd;
	int board_slot;
	int channel; /* to a role worker; -1 for a program */
	struct loop_fd *channel_watch;
	int streams[2];   /* read ends of its output; -1 */
	int stream_count; /* 2: stdout and stderr; 1: both in one; 0: none */
	struct loop_timer *timer; /* deadline of the state; READY: none */
	int64_t started_at_us, ready_at_us;
	bool said_ready; /* READY message, READY=1 or old enough */
	bool retiring;   /* replace it, then drain it */
	bool killed;     /* SIGKILL was sent */
	bool wished;     /* its death is what we want */
	bool stopped;    /* by SIGSTOP: the hang timer runs */
	bool adopted;    /* from an older master */
	int stop_signal;
	char token[96];           /* REEVE_INSTANCE; "" for an adopted one */
	int64_t suspect_stamp_us; /* pulse that was reported as hung; 0 */
	char why[NODE_WHY_MAX];   /* why it is draining or was killed */
	int streamed;             /* how many of its streams the logger has */
	bool probing;             /* the second of its two checks runs */
	bool doomed;              /* missed a deadline or hung */
	struct check *check;      /* the check under way; NULL */
	int64_t msg_since_us;     /* begin of the second that is counted */
	int msg_count;            /* messages in it */
};

TAILQ_HEAD(proc_list, proc);

struct slot {
	struct pool *pool;
	int index;
	struct proc_list procs;   /* the newest first */
	enum board_state rest;    /* what it is without a process: BACKOFF,
				   FAILED, STOPPED, WAITING, DONE or EMPTY */
	int board_slot;           /* record while there is no process; -1 */
	struct loop_timer *timer; /* end of the back-off */
	unsigned deaths;          /* in a row, unwished */
	int64_t *death_times;     /* ring of give_up_deaths; NULL */
	unsigned death_at, death_size;
	uint64_t restarts;
	char why[NODE_WHY_MAX];
	char last_exit[NODE_WHY_MAX];
	int64_t last_peak_kb;     /* memory of the process that ended so */
	unsigned done_generation; /* settings it was DONE with; 0 */
};

struct pool {
	TAILQ_ENTRY(pool) entry;
	char name[CONF_NAME_MAX + 1];
	const struct conf_pool *conf; /* what new processes get */
	const struct conf *owner;     /* the configuration conf lies in */
	const struct role *role;      /* NULL for programs */
	unsigned generation;          /* of conf */
	bool is_internal;             /* governor, logger */
	bool is_removed; /* not in the file any more: stop, forget */
	bool is_stopped; /* on an operator's word */
	bool is_new;     /* came with the reload under way */
	bool in_reload;  /* rolled by the reload under way */
	bool reconciling, again;
	bool room_known, has_room;       /* of generations, in this pass */
	int by_state[BOARD_STATE_COUNT]; /* its processes */
	/* What a failed reload gives back; NULL outside of one. */
	const struct conf_pool *old_conf;
	const struct conf *old_owner;
	unsigned old_generation;
	int old_override;
	bool old_removed;
	int desired;
	int override; /* count set by an operator; -1: the file's */
	char source[96];
	int board_pool;
	struct slot **slots; /* grown as needed, never shrunk while in use */
	int slot_count;
	int *listeners; /* borrowed from the node's table */
	size_t listener_count;
	struct filewatch *watch; /* inotify of `watch:`; NULL */
};

TAILQ_HEAD(pool_list, pool);

enum node_phase {
	NODE_RUNNING = 0,
	NODE_STOPPING = 1,     /* gracefully, in order */
	NODE_STOPPING_FAST = 2 /* all at once */
};

struct node {
	const struct master_params *params;
	struct loop *loop;
	struct board board;
	struct conf *conf;        /* the committed one; owned */
	unsigned generation;      /* of conf */
	unsigned last_generation; /* ever handed out */
	struct pool_list pools;   /* in file order, internal ones first */
	struct proc_list procs;
	struct pool *governor, *logger;
	enum node_phase phase;
	bool drained; /* SIGWINCH: no role workers */
	bool settled; /* told systemd READY=1 */
	bool upgrade_wanted;
	pid_t pid;
	const char *pid_path;
	int null_fd;
	int64_t nofile; /* soft limit that we were started with; 0: unknown */
	int exit_code;
	int64_t stop_deadline_us; /* of the whole shutdown; 0: none */
	struct loop_timer *stop_timer;
	struct reload *reload; /* under way; NULL */
	struct upgrade *upgrade;
};

/* The one node of this process, for signal-free convenience of the room. */
extern struct node node;

struct pool *node_pool(const char *name);
/* A process joins the node's list, and leaves it once it is reaped. */
void node_join(struct proc *pr);
void node_leave(struct proc *pr);
struct proc *node_proc(pid_t pid);
/* The process with this record on the board, or NULL. */
struct proc *node_proc_at(int board_slot);
int node_proc_count(void);
/* Log level and log file of the committed configuration. */
void node_apply_conf(void);
/* After an adoption: drop the records that nothing here stands for. */
void node_clear_board(void);
/* Put the node's state and configuration on the board. */
void node_publish(void);
/* Something changed that other pools, a reload or a shutdown may wait for:
 * look at all of it on the next turn. */
void node_poke(void);
/* Reconcile every pool. */
void node_reconcile(void);
/* Open the log files anew, the logger's too. */
void node_reopen(void);
/* Free configurations that nothing refers to any more, and close addresses. */
void node_release(void);
/* Keep a configuration until node_release finds it unused; takes it. */
void node_retire_conf(struct conf *c);

#endif
