/* SPDX-License-Identifier: ISC */
/*
 * store - a worker's way to PostgreSQL.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "link/pg.h"

struct conf;

/* Connect to the database of the configuration, which must have one; as
 * pg_open.  name: of this worker, shown in pg_stat_activity. */
struct pg *store_open(struct loop *l, const struct conf *conf, const char *name,
	pg_state_fn fn, void *arg, struct err *err);

/* Add a text of any bytes: what PostgreSQL would not take (bytes that are not
 * UTF-8, and NUL) becomes U+FFFD. */
void store_add_text(struct pg_array *a, const char *text, size_t len);

/* Can a statement that was refused with this pass if it comes again as it is?
 * False for what is wrong with its values. */
bool store_is_passing(const struct pg_result *error);

#endif
