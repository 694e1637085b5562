/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "queue/options.h"

#define QUEUE(field)    .offset = offsetof(struct queue_options, field)
#define OPTIONS_HOUR_US (3600 * (int64_t)US_PER_S)
#define OPTIONS_DAY_US  (24 * OPTIONS_HOUR_US)

static const char *const options_orders[] = {
	[QUEUE_STRICT] = "strict",
	[QUEUE_WEIGHTED] = "weighted",
	NULL,
};

static const struct opt queue_options[] = {
	{ .name = "topics",
		.type = OPT_TOPICS,
		QUEUE(topics),
		.help = "topics it serves: a list, the most urgent first; or "
			"a map to workers, which makes a pool of each" },
	{ .name = "order",
		.type = OPT_ENUM,
		QUEUE(order),
		.default_text = "strict",
		.choices = options_orders,
		.help = "how one worker chooses among several topics" },
	{ .name = "weights",
		.type = OPT_WEIGHTS,
		QUEUE(weights),
		.help = "shares of the topics in weighted order; default: 1 "
			"each" },
	{ .name = "max_wait",
		.type = OPT_DURATION,
		QUEUE(max_wait_us),
		.minimum = 0,
		.maximum = OPTIONS_DAY_US,
		.default_text = "30s",
		.help = "a task that waited so long is served next, whatever "
			"its topic; 0s: never" },
	{ .name = "concurrency",
		.type = OPT_INT,
		QUEUE(concurrency),
		.minimum = 1,
		.maximum = 10000,
		.default_text = "64",
		.unit = "tasks",
		.help = "tasks that one worker holds at a time" },
	{ .name = "lease",
		.type = OPT_DURATION,
		QUEUE(lease_us),
		.minimum = 500 * US_PER_MS,
		.maximum = OPTIONS_HOUR_US,
		.default_text = "30s",
		.help = "how long a task is its worker's own without renewal" },
	{ .name = "renew_every",
		.type = OPT_DURATION,
		QUEUE(renew_us),
		.minimum = 100 * US_PER_MS,
		.maximum = OPTIONS_HOUR_US,
		.default_text = "10s",
		.help = "time between two renewals; at most half of lease" },
	{ .name = "claim_after",
		.type = OPT_DURATION,
		QUEUE(claim_us),
		.minimum = 500 * US_PER_MS,
		.maximum = OPTIONS_DAY_US,
		.default_text = "45s",
		.help = "a task not renewed for so long is anyone's; more "
			"than lease" },
	{ .name = "node_timeout",
		.type = OPT_DURATION,
		QUEUE(node_timeout_us),
		.minimum = US_PER_S,
		.maximum = OPTIONS_HOUR_US,
		.default_text = "20s",
		.help = "a node silent for so long loses its tasks to others" },
	{ .name = "crashes_max",
		.type = OPT_INT,
		QUEUE(crashes_max),
		.minimum = 1,
		.maximum = 100,
		.default_text = "3",
		.unit = "crashes",
		.help = "a task that took so many workers with it is a dead "
			"letter" },
	{ .name = NULL },
};

static bool options_has_topic(const struct queue_options *o, const char *topic)
{
	size_t i;

	for (i = 0; i < o->topics.count; i++)
		if (strcmp(o->topics.items[i].name, topic) == 0)
			return true;
	return false;
}

static int options_check_weights(const struct queue_options *o,
	const char **ret_setting, struct err *err)
{
	size_t i;

	*ret_setting = "weights";
	if (o->weights.count == 0)
		return 0;
	if (o->topics.is_split)
		return err_set(err, 0,
			"\"weights\" is for a list of topics: with a map, "
			"each has workers of its own");
	if (o->order != QUEUE_WEIGHTED)
		return err_set(err, 0, "\"weights\" wants \"order: weighted\"");
	for (i = 0; i < o->weights.count; i++)
		if (!options_has_topic(o, o->weights.items[i].topic))
			return err_set(err, 0,
				"\"weights\" names topic \"%s\", and "
				"\"topics\" does not",
				o->weights.items[i].topic);
	return 0;
}

static int options_check(
	const struct conf_pool *pool, const char **ret_setting, struct err *err)
{
	const struct queue_options *o = pool->own;

	*ret_setting = "topics";
	if (o->topics.count == 0)
		return err_set(err, 0,
			"pool %s has no \"topics\": say which it serves",
			pool->name);
	*ret_setting = "renew_every";
	if (o->renew_us > o->lease_us / 2)
		return err_set(err, 0,
			"\"renew_every\" is more than half of \"lease\"");
	*ret_setting = "claim_after";
	if (o->claim_us <= o->lease_us)
		return err_set(
			err, 0, "\"claim_after\" is not more than \"lease\"");
	return options_check_weights(o, ret_setting, err);
}

int64_t queue_options_weight(const struct queue_options *o, const char *topic)
{
	size_t i;

	for (i = 0; i < o->weights.count; i++)
		if (strcmp(o->weights.items[i].topic, topic) == 0)
			return o->weights.items[i].value;
	return 1;
}

const struct conf_kind conf_kind_queue = {
	.name = "queue",
	.options = queue_options,
	.size = sizeof(struct queue_options),
	.uses_handlers = true,
	.check = options_check,
};
