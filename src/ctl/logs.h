/* SPDX-License-Identifier: ISC */
/*
 * logs - the last lines of the pools' log files, merged by time.
 */
#ifndef CTL_LOGS_H
#define CTL_LOGS_H

struct ctl;

int logs_command(struct ctl *c);

#endif
