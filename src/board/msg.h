/* SPDX-License-Identifier: ISC */
/*
 * msg - the fixed-size messages between the master and its children.
 *
 * Each role worker has a SOCK_SEQPACKET pair with the master; a record is
 * exactly sizeof(struct msg) bytes, so neither side ever parses.  The names
 * say who sends what: MSG_<FROM>_<WHAT>.  Numbers are never reused: workers
 * outlive an upgrade of the master.
 *
 *	worker -> master	READY, RETIRE
 *	governor -> master	COMMAND, SUSPECT, COUNT, NOTE
 *	master -> governor	TEXT*, DONE	(answers to one COMMAND; DONE
 *				with a descriptor where the command says so)
 *	master -> logger	STREAM (+ one descriptor), REOPEN
 *	logger -> master	REOPENED
 */
#ifndef BOARD_MSG_H
#define BOARD_MSG_H

#include <stdint.h>

#include "base/err.h"

#define MSG_NAME_MAX 64
#define MSG_TEXT_MAX 416

enum msg_type {
	MSG_NONE = 0,
	/* The worker serves: value is 0. */
	MSG_WORKER_READY = 1,
	/* Replace me, I finish what I have: text is the reason. */
	MSG_WORKER_RETIRE = 2,
	/* value is a enum msg_command, name the pool, token the governor's. */
	MSG_GOVERN_COMMAND = 3,
	/* value is a scoreboard slot, token a enum msg_suspicion. */
	MSG_GOVERN_SUSPECT = 4,
	/* A piece of the answer to command `token`, to be put together. */
	MSG_MASTER_TEXT = 5,
	/* The end of that answer: value 0 done, else failed; text the last
	 * piece. */
	MSG_MASTER_DONE = 6,
	/* A stream of a child to write down: comes with one descriptor (the
	 * read end of a pipe); name the pool, value the slot's index, token a
	 * enum msg_stream, text the child's pid in decimal; of ACCESS the
	 * file's path. */
	MSG_MASTER_STREAM = 7,
	/* Open the log files anew. */
	MSG_MASTER_REOPEN = 8,
	/* The files are open: answers REOPEN. */
	MSG_LOGGER_REOPENED = 9,
	/* The count that a pool should have: name the pool, value the count
	 * or -1 for the file's own, text where it comes from. */
	MSG_GOVERN_COUNT = 10,
	/* What is wrong with the source of the counts: text; "" is well. */
	MSG_GOVERN_NOTE = 11,
	MSG_COUNT
};

enum msg_command {
	MSG_COMMAND_NONE = 0,
	MSG_COMMAND_RELOAD = 1,
	MSG_COMMAND_PLAN = 2,
	MSG_COMMAND_START = 3,
	MSG_COMMAND_STOP = 4,
	MSG_COMMAND_RESTART = 5,
	MSG_COMMAND_SCALE = 6, /* text is the count in decimal, or "file" */
	MSG_COMMAND_REOPEN = 7,
	MSG_COMMAND_UPGRADE = 8,
	MSG_COMMAND_SHUTDOWN = 9,
	MSG_COMMAND_SHUTDOWN_NOW = 10,
	/* The effective configuration: DONE comes with one descriptor (a
	 * memfd) that holds it as YAML. */
	MSG_COMMAND_CONFIG = 11,
	MSG_COMMAND_COUNT
};

enum msg_suspicion {
	MSG_SUSPECT_HUNG = 1,        /* busy beyond hang_timeout */
	MSG_SUSPECT_MEMORY_SOFT = 2, /* above memory.soft */
	MSG_SUSPECT_MEMORY_HARD = 3  /* above memory.hard */
};

enum msg_stream {
	MSG_STREAM_STDOUT = 1,
	MSG_STREAM_STDERR = 2,
	MSG_STREAM_LOG = 3,   /* stderr of a role worker: lines of base/log */
	MSG_STREAM_ACCESS = 4 /* its stdout: lines as they are, for a file */
};

struct msg {
	uint32_t type;  /* enum msg_type */
	uint32_t token; /* what a request and its answers share */
	int64_t value;
	char name[MSG_NAME_MAX]; /* NUL-terminated: msg_recv sees to it */
	char text[MSG_TEXT_MAX]; /* likewise */
};

/* Make a non-blocking, close-on-exec pair.  0, or -1 with errno. */
int msg_pair(int ret_fds[2]) __attribute__((warn_unused_result));

/*
 * Send one message, never blocking.  `pass_fd` goes along unless it is -1
 * (the caller keeps its own copy).
 * Returns 0; -1 with errno: EAGAIN the peer does not read, EPIPE it is gone.
 */
int msg_send(int fd, const struct msg *m, int pass_fd)
	__attribute__((warn_unused_result));

/*
 * Receive one message.  ret_fd gets a passed descriptor (close-on-exec) or
 * -1; with ret_fd NULL a passed descriptor is closed.
 * Returns 1 with a message, 0 when there is none now, -1 when the peer is
 * gone.  A record of another size or type is dropped with a warning: what
 * comes out is an empty MSG_NONE, so that the caller can count.
 */
int msg_recv(int fd, struct msg *ret_msg, int *ret_fd);

#endif
