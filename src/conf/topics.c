/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/number.h"
#include "conf/expand.h"
#include "conf/node.h"
#include "conf/section.h"
#include "conf/topics.h"
#include "conf/value.h"

#define TOPIC(field)      .offset = offsetof(struct conf_topic, field)
#define TOPICS_WEIGHT_MAX 1000
#define TOPICS_HOUR_US    3600000000
/* Of `min` and `initial`, while it is not known which of them was given. */
#define TOPICS_UNSET (-1)

/* The figures are those of the contract, S2-3 to S2-6. */
const struct opt conf_topic_options[] = {
	{ .name = "min",
		.type = OPT_INT,
		TOPIC(min),
		.minimum = 0,
		.maximum = CONF_WORKERS_MAX,
		.unit = "workers",
		.reload = OPT_HOT,
		.help = "the fewest workers; default: initial, or 1" },
	{ .name = "max",
		.type = OPT_INT,
		TOPIC(max),
		.minimum = 1,
		.maximum = CONF_WORKERS_MAX,
		.default_text = "50",
		.unit = "workers",
		.reload = OPT_HOT,
		.help = "the most workers" },
	{ .name = "initial",
		.type = OPT_INT,
		TOPIC(initial),
		.minimum = 0,
		.maximum = CONF_WORKERS_MAX,
		.unit = "workers",
		.reload = OPT_HOT,
		.help = "workers at the start and after a rush; default: min" },
	{ .name = "step",
		.type = OPT_INT,
		TOPIC(step),
		.minimum = 1,
		.maximum = CONF_WORKERS_MAX,
		.default_text = "5",
		.unit = "workers",
		.reload = OPT_HOT,
		.help = "workers added or taken away at a time" },
	{ .name = "up_every",
		.type = OPT_DURATION,
		TOPIC(up_every_us),
		.minimum = 100000,
		.maximum = 24 * TOPICS_HOUR_US,
		.default_text = "60s",
		.reload = OPT_HOT,
		.help = "the least time between two steps up" },
	{ .name = "down_every",
		.type = OPT_DURATION,
		TOPIC(down_every_us),
		.minimum = 100000,
		.maximum = 24 * TOPICS_HOUR_US,
		.default_text = "180s",
		.reload = OPT_HOT,
		.help = "the least time between two steps down" },
	{ .name = NULL },
};

bool topics_is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t len = strlen(name);

	return len > 0 && len <= CONF_TOPIC_MAX && strspn(name, letters) == len;
}

const char *topics_alias(const char *name)
{
	return strcmp(name, "normal") == 0 ? "common" : name;
}

/* The name as it is kept; NULL after an error. */
static char *topics_name(
	struct draft *d, const struct node *at, const char *name)
{
	if (topics_is_name(name))
		return arena_strdup(d->keep, topics_alias(name));
	draft_error(d, at,
		"the name of a topic is 1 to %d of the characters a-z, 0-9, "
		"\"_\" and \"-\", not %s",
		CONF_TOPIC_MAX, draft_show(d, name));
	return NULL;
}

/* Make room for `count` topics, at least none. */
static int topics_room(
	struct draft *d, const struct node *n, const char *row, size_t count)
{
	if (count > CONF_TOPICS_MAX)
		return draft_error(d, n, "\"%s\" has more than %d topics", row,
			CONF_TOPICS_MAX);
	return 0;
}

static struct conf_topic *topics_find(
	const struct conf_topics *topics, const char *name)
{
	size_t i;

	for (i = 0; i < topics->count; i++)
		if (strcmp(topics->items[i].name, name) == 0)
			return &topics->items[i];
	return NULL;
}

/* A new topic of that name at the end; NULL after an error. */
static struct conf_topic *topics_add(struct draft *d,
	struct conf_topics *topics, const struct node *at, const char *name)
{
	struct conf_topic *t = &topics->items[topics->count];
	char *kept = topics_name(d, at, name);

	if (kept == NULL)
		return NULL;
	if (topics_find(topics, kept) != NULL) {
		draft_error(d, at, "topic %s is named twice%s",
			draft_show(d, name),
			strcmp(kept, "common") == 0
				? ": \"normal\" and \"common\" are the same"
				: "");
		return NULL;
	}
	t->name = kept;
	topics->count++;
	return t;
}

static int topics_read_bounds(
	struct draft *d, struct node *map, struct conf_topic *t)
{
	struct section s = { .part_count = 1, .owner = SECTION_NODE };

	t->is_scaled = true;
	value_defaults(d, conf_topic_options, t);
	t->min = t->initial = TOPICS_UNSET;
	s.parts[0] = (struct section_part){ conf_topic_options, t, NULL };
	section_read(d, &s, map);
	if (t->min == TOPICS_UNSET)
		t->min = t->initial != TOPICS_UNSET ? t->initial : 1;
	if (t->initial == TOPICS_UNSET)
		t->initial = t->min;
	t->count = t->initial;
	if (t->min > t->max)
		return draft_error(d, map,
			"topic %s: \"min\" is above \"max\", which is %" PRId64,
			t->name, t->max);
	if (t->initial < t->min || t->initial > t->max)
		return draft_error(d, map,
			"topic %s: \"initial\" is not from \"min\" to \"max\", "
			"%" PRId64 " to %" PRId64,
			t->name, t->min, t->max);
	return 0;
}

static int topics_read_count(
	struct draft *d, struct node *n, struct conf_topic *t)
{
	const char *text = expand_text(d, n);

	if (n->is_bad)
		return -1;
	if (text == NULL || !number_int(text, &t->count) || t->count < 0 ||
		t->count > TOPICS_COUNT_MAX)
		return draft_error(d, n,
			"topic %s wants a number of workers from 0 to %d, or "
			"a map of min, max, initial, step, up_every and "
			"down_every, not %s",
			t->name, TOPICS_COUNT_MAX, node_show(d, n));
	t->max = TOPICS_COUNT_MAX;
	return 0;
}

static int topics_read_map(
	struct draft *d, struct node *map, struct conf_topics *topics)
{
	struct conf_topic *t;
	struct node *value;
	int rc = 0;
	size_t i;

	topics->is_split = true;
	for (i = 0; i < map->count && !d->is_spent; i++) {
		value = map->pairs[i].value;
		t = topics_add(
			d, topics, map->pairs[i].key, map->pairs[i].key->text);
		if (t == NULL)
			rc = -1;
		else if (value->type == NODE_MAP)
			rc |= topics_read_bounds(d, value, t);
		else
			rc |= topics_read_count(d, value, t);
	}
	return rc;
}

static int topics_read_list(struct draft *d, struct node *const *items,
	size_t count, struct conf_topics *topics)
{
	const char *name;
	int rc = 0;
	size_t i;

	for (i = 0; i < count && !d->is_spent; i++) {
		name = expand_text(d, items[i]);
		if (name == NULL ||
			topics_add(d, topics, items[i], name) == NULL)
			rc = -1;
	}
	return rc;
}

int topics_read(struct draft *d, struct node *n, const char *row,
	struct conf_topics *ret_topics)
{
	size_t count = n->type == NODE_SCALAR ? 1 : n->count;

	if (topics_room(d, n, row, count) != 0)
		return -1;
	*ret_topics = (struct conf_topics){
		.items = arena_alloc(
			d->keep, (count + 1) * sizeof(*ret_topics->items))
	};
	if (n->type == NODE_MAP)
		return topics_read_map(d, n, ret_topics);
	if (n->type == NODE_LIST)
		return topics_read_list(d, n->items, count, ret_topics);
	return topics_read_list(d, &n, 1, ret_topics);
}

static int topics_read_weight(
	struct draft *d, struct node *n, struct conf_weight *w)
{
	const char *text = expand_text(d, n);

	if (n->is_bad)
		return -1;
	if (text == NULL || !number_int(text, &w->value) || w->value < 1 ||
		w->value > TOPICS_WEIGHT_MAX)
		return draft_error(d, n,
			"the weight of topic %s must be a number from 1 to "
			"%d, not %s",
			w->topic, TOPICS_WEIGHT_MAX, node_show(d, n));
	return 0;
}

int topics_read_weights(struct draft *d, struct node *n, const char *row,
	struct conf_weights *ret_weights)
{
	struct conf_weight *w;
	int rc = 0;
	size_t i;

	if (n->type != NODE_MAP)
		return draft_error(d, n,
			"\"%s\" must be a map of topics to numbers, not %s",
			row, node_show(d, n));
	if (topics_room(d, n, row, n->count) != 0)
		return -1;
	*ret_weights = (struct conf_weights){
		.items = arena_alloc(
			d->keep, (n->count + 1) * sizeof(*ret_weights->items))
	};
	for (i = 0; i < n->count && !d->is_spent; i++) {
		w = &ret_weights->items[ret_weights->count];
		w->topic =
			topics_name(d, n->pairs[i].key, n->pairs[i].key->text);
		if (w->topic == NULL ||
			topics_read_weight(d, n->pairs[i].value, w) != 0)
			rc = -1;
		else
			ret_weights->count++;
	}
	return rc;
}

/* In quotes: a name may look like a number or a truth. */
static void topics_print_name(const char *name, size_t index, struct buf *out)
{
	buf_printf(out, "%s\"%s\"", index > 0 ? ", " : "", name);
}

static void topics_print_one(const struct conf_topic *t, struct buf *out)
{
	const struct opt *o;

	if (!t->is_scaled) {
		buf_printf(out, ": %" PRId64, t->count);
		return;
	}
	buf_puts(out, ": {");
	for (o = conf_topic_options; o->name != NULL; o++) {
		buf_printf(out, "%s %s: ", o == conf_topic_options ? "" : ",",
			o->name);
		opt_print(o, t, out);
	}
	buf_puts(out, " }");
}

void topics_print(const struct conf_topics *topics, struct buf *out)
{
	size_t i;

	buf_puts(out, topics->is_split ? "{ " : "[");
	for (i = 0; i < topics->count; i++) {
		topics_print_name(topics->items[i].name, i, out);
		if (topics->is_split)
			topics_print_one(&topics->items[i], out);
	}
	buf_puts(out, topics->is_split ? " }" : "]");
}

void topics_print_weights(const struct conf_weights *weights, struct buf *out)
{
	size_t i;

	buf_puts(out, "{ ");
	for (i = 0; i < weights->count; i++) {
		topics_print_name(weights->items[i].topic, i, out);
		buf_printf(out, ": %" PRId64, weights->items[i].value);
	}
	buf_puts(out, " }");
}
