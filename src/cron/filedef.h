/* SPDX-License-Identifier: ISC */
/*
 * filedef - a definition as process.yaml says it: checked, and as the row that
 * PostgreSQL keeps.
 *
 *	name, handler, description, params, topic, priority
 *	cron, every, delay, at, dialect, start, end, timezone	see when/rule.h
 *	timeout, retry, misfire (skip, once, all, all:N), overlap, depends_on,
 *	inline, enabled
 */
#ifndef CRON_FILEDEF_H
#define CRON_FILEDEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct conf;
struct filedef;
struct jsonw;

/* conf: its handlers are known; NULL: whatever it names will do.  NULL with
 * err, which names the definition. */
struct filedef *filedef_parse(
	const char *json, size_t len, const struct conf *conf, struct err *err);
void filedef_free(struct filedef *f);
const char *filedef_name(const struct filedef *f);
/* As an object of reeve.definitions_sync; now_us: by PostgreSQL's clock. */
void filedef_write(const struct filedef *f, int64_t now_us, struct jsonw *j);

/* Are all definitions of the configuration well? */
int filedef_check_all(const struct conf *conf, struct err *err);

#endif
