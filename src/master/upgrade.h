/* SPDX-License-Identifier: ISC */
/*
 * upgrade - a new binary in the place of this one: same pid, same workers.
 *
 * The binary is run with -t first.  Then the state is written into a memfd,
 * the descriptors it names lose close-on-exec, and the binary is exec'ed.  It
 * starts from the configuration that was in force, adopts every process, and
 * then reloads process.yaml with all roles rolled: what fails there leaves
 * the old workers in place, as in any reload.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"

/* Begin; after a reload that is under way. */
void upgrade_request(void);
/* Look whether it can go on. */
void upgrade_step(void);

/* Was this process exec'ed by an older master? */
bool upgrade_is_due(void);
/* The configuration that was in force; NULL when it can't be read: the file
 * is used then. */
struct conf *upgrade_conf(const struct conf_source *src);
/* Take over board, pid file and sockets: before any of them is made. */
int upgrade_adopt(struct err *err);
/* Take over pools' states and processes: after the pools were made. */
void upgrade_adopt_procs(void);

#endif
