/* SPDX-License-Identifier: ISC */
/*
 * verify - what no single value shows: settings held against each other and
 * against this machine.  Also resolves what depends on it: users, counts.
 */
#ifndef CONF_VERIFY_H
#define CONF_VERIFY_H

struct conf;
struct draft;

#include <stdbool.h>

struct draft_pool;

/* May a variable of the environment be called so? */
bool verify_is_variable(const char *name);

/* What the kind of the pool says of its own settings. */
void verify_kind(struct draft *d, const struct draft_pool *p);

/* Every problem is reported. */
void verify_all(struct draft *d, struct conf *c);

#endif
