/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"
#include "cron/filedef.h"
#include "cron/options.h"
#include "store/outbox.h"

#define CRONTAB(field) .offset = offsetof(struct crontab_options, field)
#define CRONTAB_MINUTE (60 * (int64_t)US_PER_S)
#define CRONTAB_HOUR   (60 * CRONTAB_MINUTE)
#define CRONTAB_DAY    (24 * CRONTAB_HOUR)

static const struct opt crontab_rows[] = {
	{ .name = "preload",
		.type = OPT_DURATION,
		CRONTAB(preload_us),
		.minimum = US_PER_S,
		.maximum = CRONTAB_HOUR,
		.default_text = "15s",
		.help = "definitions due within this time are held ready; "
			"more than scan_interval" },
	{ .name = "scan_interval",
		.type = OPT_DURATION,
		CRONTAB(scan_us),
		.minimum = 500 * US_PER_MS,
		.maximum = CRONTAB_HOUR,
		.default_text = "10s",
		.help = "time between two looks at what is due and what has "
			"changed, beside what PostgreSQL tells at once" },
	{ .name = "batch_size",
		.type = OPT_INT,
		CRONTAB(batch_size),
		.minimum = 1,
		.maximum = 1000,
		.default_text = "100",
		.unit = "definitions",
		.help = "definitions fired in one transaction; up to ten "
			"times as many while more are due" },
	{ .name = "concurrent_limit",
		.type = OPT_INT,
		CRONTAB(concurrent_limit),
		.minimum = 1,
		.maximum = 1000,
		.default_text = "20",
		.unit = "runs",
		.help = "inline runs of one worker at a time" },
	{ .name = "misfire_after",
		.type = OPT_DURATION,
		CRONTAB(misfire_us),
		.minimum = US_PER_S,
		.maximum = CRONTAB_DAY,
		.default_text = "1m",
		.help = "a run so late is a misfire: the definition's policy "
			"says what becomes of it" },
	{ .name = "clock_tolerance",
		.type = OPT_DURATION,
		CRONTAB(clock_tolerance_us),
		.minimum = 10 * US_PER_MS,
		.maximum = CRONTAB_MINUTE,
		.default_text = "500ms",
		.help = "a worker whose clock is off PostgreSQL's by more "
			"leaves what is due to others" },
	{ .name = "lock_prefix",
		.type = OPT_STRING,
		CRONTAB(lock_prefix),
		.default_text = "task:lock:",
		.help = "what the names of the locks in Redis begin with, "
			"behind redis.prefix" },
	{ .name = "lock_expire",
		.type = OPT_DURATION,
		CRONTAB(lock_expire_us),
		.minimum = US_PER_S,
		.maximum = CRONTAB_DAY,
		.default_text = "5m",
		.help = "how long a lock stays in Redis" },
	{ .name = "outbox_batch",
		.type = OPT_INT,
		CRONTAB(outbox_batch),
		.minimum = 1,
		.maximum = OUTBOX_BATCH_MAX,
		.default_text = "1000",
		.unit = "rows",
		.help = "rows taken from the outbox to Redis in one "
			"transaction at most" },
	{ .name = "reconcile_every",
		.type = OPT_DURATION,
		CRONTAB(reconcile_us),
		.minimum = US_PER_S,
		.maximum = CRONTAB_DAY,
		.default_text = "30s",
		.help = "how often the leader looks for tasks that PostgreSQL "
			"has and Redis has not" },
	{ .name = "statistics_every",
		.type = OPT_DURATION,
		CRONTAB(statistics_us),
		.minimum = US_PER_S,
		.maximum = CRONTAB_DAY,
		.default_text = "1m",
		.help = "how often the leader brings the figures of the day up "
			"to date" },
	{ .name = "retention",
		.type = OPT_DURATION,
		CRONTAB(retention_us),
		.minimum = CRONTAB_DAY,
		.maximum = 3650 * CRONTAB_DAY,
		.default_text = "30d",
		.help = "how long runs and their logs are kept, in whole "
			"days" },
	{ .name = "node_timeout",
		.type = OPT_DURATION,
		CRONTAB(node_timeout_us),
		.minimum = 2 * US_PER_S,
		.maximum = CRONTAB_HOUR,
		.default_text = "20s",
		.help = "a node silent for so long is offline, and its tasks "
			"are anyone's" },
	{ .name = NULL },
};

static int options_check(
	const struct conf_pool *pool, const char **ret_setting, struct err *err)
{
	const struct crontab_options *o = pool->own;

	*ret_setting = "definitions";
	if (filedef_check_all(pool->conf, err) != 0)
		return -1;
	*ret_setting = "preload";
	if (o->preload_us <= o->scan_us)
		return err_set(err, 0,
			"\"preload\" is not more than \"scan_interval\"");
	return 0;
}

const struct conf_kind conf_kind_crontab = {
	.name = "crontab",
	.options = crontab_rows,
	.size = sizeof(struct crontab_options),
	.uses_handlers = true,
	.uses_database = true,
	.section = "crontab.",
	.check = options_check,
};
