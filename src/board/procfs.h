/* SPDX-License-Identifier: ISC */
/*
 * procfs - what the kernel says of a process's memory.
 *
 * Numbers in KiB; -1 when the process is gone or its file may not be read
 * (smaps_rollup of a process under another user needs CAP_SYS_PTRACE).
 */
#ifndef BOARD_PROCFS_H
#define BOARD_PROCFS_H

#include <stdint.h>
#include <sys/types.h>

/* Proportional set size: shared pages count by their share.  Walks the page
 * tables of the process, so it is for people, not for a timer. */
int64_t procfs_pss_kb(pid_t pid);
/* Resident pages, shared ones included in full. */
int64_t procfs_rss_kb(pid_t pid);
/* Resident anonymous memory: what the process itself has used. */
int64_t procfs_anon_kb(pid_t pid);

#endif
