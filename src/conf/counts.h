/* SPDX-License-Identifier: ISC */
/*
 * counts - numbers of workers as someone outside says them: `high: 4`.
 */
#ifndef CONF_COUNTS_H
#define CONF_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "conf/opt.h"

struct err;

#define CONF_COUNTS_BYTES_MAX 4096

struct conf_count {
	char topic[CONF_TOPIC_MAX + 1]; /* `normal` comes as `common` */
	int64_t count;                  /* 0 to CONF_WORKERS_MAX */
};

struct conf_counts {
	struct conf_count items[CONF_TOPICS_MAX];
	size_t count;
};

/*
 * Read a YAML map of topics to numbers; no NUL is needed behind it.  Text
 * without a value is an empty map.  The text may be hostile: it has no say
 * beyond its own bytes, and what it costs is bounded.  Whether there are such
 * topics, and whether they may have so many workers, is not looked at.
 * Returns 0, or -1 with err, "line 1, column 7: …", and nothing set.
 */
int conf_read_counts(const char *text, size_t len,
	struct conf_counts *ret_counts, struct err *err)
	__attribute__((warn_unused_result));

#endif
