/* SPDX-License-Identifier: ISC */
/*
 * internal - the two pools that no file names: logger and governor.
 */
#ifndef MASTER_INTERNAL_H
#define MASTER_INTERNAL_H

#include "master/node.h"

/* Their settings in a configuration, made on first call. */
const struct conf_pool *internal_governor(struct conf *c);
const struct conf_pool *internal_logger(struct conf *c);
/* Make both pools at start. */
int internal_start(struct err *err);
/* A reload was committed: replace those whose settings it touches, or (a new
 * binary) anyway. */
void internal_take(
	struct pool *p, struct conf *c, unsigned generation, bool anyway);
/* Mode and group of the control socket, after it was opened. */
int internal_guard(const struct conf *c, struct err *err);

#endif
