/* SPDX-License-Identifier: ISC */
/*
 * proc - one child process: started, ready, drained, killed, reaped.
 */
#ifndef MASTER_PROC_H
#define MASTER_PROC_H

#include <signal.h>

#include "board/msg.h"
#include "master/node.h"

/*
 * Fork the pool's next process into a slot.
 * Returns it in state STARTING, or NULL with err and nothing left behind.
 */
struct proc *proc_start(struct slot *s, struct err *err);
/* Ask it to finish, with a deadline, and kill it after; again with a shorter
 * one is fine.  `why` is shown in status. */
void proc_drain(struct proc *pr, const char *why);
/* No grace: SIGKILL. */
void proc_kill(struct proc *pr, const char *why);
/* It does what none of ours does: kill it and hear it no more. */
void proc_distrust(struct proc *pr, const char *why);
/* Drain with at most grace_us until SIGKILL. */
void proc_hurry(struct proc *pr, int64_t grace_us);
/* Send a signal through the pidfd; a dead one is no error. */
void proc_signal(struct proc *pr, int signo);
/* It said that it serves: checks follow, then READY. */
void proc_said_ready(struct proc *pr);
/* The check said yes. */
void proc_set_ready(struct proc *pr);
/* Stopped or continued by a signal. */
void proc_on_stop(struct proc *pr);
void proc_on_continue(struct proc *pr);
/* Reaped: frees pr. `status` and its peak of memory are as wait4(2) gives
 * them. */
void proc_on_exit(struct proc *pr, int status, int64_t peak_kb);
/* Write its record on the board. */
void proc_publish(struct proc *pr);
/* Watch its channel and streams: also for one adopted. */
void proc_watch(struct proc *pr);
/* Record of a process that an older master forked. */
struct proc *proc_adopt(struct slot *s, pid_t pid, unsigned generation,
	enum board_state state, struct err *err);

/* Its record of an adopted board, or a new one where that has another
 * layout. */
void proc_adopt_record(struct proc *pr, int board_slot);
/* An adopted one is complete: go on with its life where it stood. */
void proc_resume(struct proc *pr);

/* "exit 1", "SIGSEGV (core dumped)" of a wait status. */
const char *proc_exit_text(int status, char *ret_text, size_t size);
/* "SIGTERM" of 15. */
const char *proc_signal_name(int signo, char *ret_text, size_t size);

#endif
