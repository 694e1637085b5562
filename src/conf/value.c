/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/number.h"
#include "conf/cpus.h"
#include "conf/expand.h"
#include "conf/listen.h"
#include "conf/near.h"
#include "conf/node.h"
#include "conf/reader.h"
#include "conf/objects.h"
#include "conf/topics.h"
#include "conf/value.h"

struct value {
	struct draft *d;
	const struct opt *o;
	struct node *n;
	const char *text; /* of a scalar, else NULL */
	void *field;
};

/* What a value of the type looks like, for error texts. */
static const char *const value_words[OPT_TYPE_COUNT] = {
	[OPT_BOOL] = "true or false",
	[OPT_INT] = "a number",
	[OPT_DURATION] = "a duration (like 500ms, 10s, 5m or 2h)",
	[OPT_SIZE] = "a size (like 64K, 128M or 1G)",
	[OPT_STRING] = "a text",
	[OPT_PATH] = "a path",
	[OPT_ENUM] = "one of",
	[OPT_COUNT] = "\"auto\" or a number",
	[OPT_PERCENT] = "a number or a share (like 50%)",
	[OPT_CPUS] = "\"auto\", \"none\", CPU numbers (like 0-3 or [0, 2]) or "
		     "a list of such lists",
	[OPT_STRINGS] = "a list of texts",
	[OPT_COMMAND] = "a command: a list of words, or one line for the shell",
	[OPT_MAP] = "a map of names to texts",
	[OPT_SIGNAL] = "a signal (like TERM or SIGINT)",
	[OPT_MODE] = "permissions in octal (like \"0660\")",
	[OPT_LISTEN] = "a list of addresses (like 8084, \"0.0.0.0:8084\", "
		       "\"[::1]:80\" or unix:/path)",
	[OPT_PATHS] = "a list of paths",
	[OPT_LIMIT] = "\"unlimited\" or a number (like 4096 or 64M)",
	[OPT_TOPICS] = "a list of topics, or a map of topics to workers",
	[OPT_WEIGHTS] = "a map of topics to numbers",
	[OPT_OBJECTS] = "a list of maps, or a map of names to maps",
};

static void value_print_number(
	const struct opt *o, int64_t number, struct buf *out)
{
	if (o->type == OPT_DURATION)
		number_print_duration(number, out);
	else if (o->type == OPT_SIZE)
		number_print_size(number, out);
	else if (o->type == OPT_MODE)
		buf_printf(out, "0%" PRIo64, (uint64_t)number);
	else
		buf_printf(out, "%" PRId64, number);
}

static void value_print_range(const struct opt *o, struct buf *out)
{
	if (o->unit != NULL && o->type != OPT_DURATION && o->type != OPT_SIZE)
		buf_printf(out, " of %s", o->unit);
	if (o->minimum == 0 && o->maximum == 0)
		return;
	buf_puts(out, " from ");
	value_print_number(o, o->minimum, out);
	buf_puts(out, " to ");
	value_print_number(o, o->maximum, out);
}

/* "stop_timeout" must be a duration (like 5s) from 1ms to 1d, not "x". */
static int value_bad(struct value *v)
{
	const char *const *choice = v->o->choices;
	struct buf text = BUF_INIT;

	buf_printf(&text, "\"%s\" must be %s", v->o->name,
		value_words[v->o->type]);
	for (; v->o->type == OPT_ENUM && *choice != NULL; choice++)
		buf_printf(&text, "%s%s",
			choice == v->o->choices ? " "
			: choice[1] == NULL     ? " or "
						: ", ",
			*choice);
	value_print_range(v->o, &text);
	buf_printf(&text, ", not %s", node_show(v->d, v->n));
	draft_error(v->d, v->n, "%s", buf_str(&text));
	buf_done(&text);
	return -1;
}

static bool value_in_range(const struct opt *o, int64_t number)
{
	if (o->minimum == 0 && o->maximum == 0)
		return number >= 0 || o->type == OPT_INT;
	return number >= o->minimum && number <= o->maximum;
}

static int value_number(struct value *v, bool is_read, int64_t number)
{
	if (!is_read || !value_in_range(v->o, number))
		return value_bad(v);
	*(int64_t *)v->field = number;
	return 0;
}

static int value_bool(struct value *v)
{
	static const char *const words[][2] = { { "true", "false" },
		{ "yes", "no" }, { "on", "off" } };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcasecmp(v->text, words[i][0]) != 0 &&
			strcasecmp(v->text, words[i][1]) != 0)
			continue;
		*(bool *)v->field = strcasecmp(v->text, words[i][0]) == 0;
		return 0;
	}
	return value_bad(v);
}

static int value_int(struct value *v)
{
	int64_t number = 0;
	bool is_read = number_int(v->text, &number);

	return value_number(v, is_read, number);
}

static int value_duration(struct value *v)
{
	int64_t us = 0;
	bool is_read = number_duration(v->text, &us);

	return value_number(v, is_read, us);
}

static int value_size(struct value *v)
{
	int64_t bytes = 0;
	bool is_read = number_size(v->text, &bytes);

	return value_number(v, is_read, bytes);
}

static int value_mode(struct value *v)
{
	int64_t mode = 0;
	bool is_read = number_mode(v->text, &mode);

	return value_number(v, is_read, mode);
}

static int value_count(struct value *v)
{
	if (strcmp(v->text, "auto") != 0)
		return value_int(v);
	*(int64_t *)v->field = CONF_AUTO;
	return 0;
}

static int value_limit(struct value *v)
{
	int64_t number = 0;
	bool is_read;

	if (strcmp(v->text, "unlimited") == 0 ||
		strcmp(v->text, "infinity") == 0) {
		*(int64_t *)v->field = CONF_RLIMIT_INFINITY;
		return 0;
	}
	is_read = number_size(v->text, &number);
	return value_number(v, is_read, number);
}

static int value_percent(struct value *v)
{
	size_t len = strlen(v->text);
	bool is_percent = len > 0 && v->text[len - 1] == '%';
	struct conf_share *share = v->field;
	int64_t number;

	if (!number_int(arena_strndup(v->d->scratch, v->text,
				len - (is_percent ? 1 : 0)),
		    &number) ||
		(is_percent && (number < 1 || number > 100)) ||
		(!is_percent && !value_in_range(v->o, number)))
		return value_bad(v);
	share->value = number;
	share->is_percent = is_percent;
	return 0;
}

static int value_string(struct value *v)
{
	*(const char **)v->field = arena_strdup(v->d->keep, v->text);
	return 0;
}

/* Relative paths stand on the directory of the file they are written in. */
static char *value_absolute(
	struct value *v, const struct node *n, const char *path)
{
	struct arena *keep = v->d->keep;

	if (*path == '/' || n->source == NULL)
		return arena_strdup(keep, path);
	while (strncmp(path, "./", 2) == 0)
		path += 2 + strspn(path + 2, "/");
	if (strcmp(path, ".") == 0 || *path == '\0')
		return arena_strdup(keep, n->source->dir);
	return arena_printf(keep, "%s/%s",
		strcmp(n->source->dir, "/") == 0 ? "" : n->source->dir, path);
}

static int value_path(struct value *v)
{
	if (*v->text == '\0')
		return value_bad(v);
	*(const char **)v->field = value_absolute(v, v->n, v->text);
	return 0;
}

static int value_enum(struct value *v)
{
	const char *const *choice;
	struct near near;

	near_init(&near, v->d, v->text);
	for (choice = v->o->choices; *choice != NULL; choice++) {
		if (strcmp(*choice, v->text) == 0) {
			*(int *)v->field = (int)(choice - v->o->choices);
			return 0;
		}
	}
	return value_bad(v);
}

static int value_signal(struct value *v)
{
	const char *name = v->text;
	int64_t number;
	int i;

	if (number_int(name, &number)) {
		if (number < 1 || number >= 32)
			return value_bad(v);
		*(int *)v->field = (int)number;
		return 0;
	}
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (i = 1; i < 32; i++) {
		if (sigabbrev_np(i) == NULL ||
			strcasecmp(sigabbrev_np(i), name) != 0)
			continue;
		*(int *)v->field = i;
		return 0;
	}
	return value_bad(v);
}

/* The items of a list, or the one that stands alone. */
static size_t value_items(struct value *v, struct node ***ret_items)
{
	if (v->n->type == NODE_LIST) {
		*ret_items = v->n->items;
		return v->n->count;
	}
	*ret_items = &v->n;
	return 1;
}

static int value_strings(struct value *v)
{
	struct conf_strings *list = v->field;
	struct node **items;
	size_t count = value_items(v, &items), i;
	const char *text;

	if (v->n->type == NODE_MAP)
		return value_bad(v);
	if (!draft_spend_entries(v->d, v->n, count))
		return -1;
	list->items =
		arena_alloc(v->d->keep, (count + 1) * sizeof(*list->items));
	list->count = 0;
	for (i = 0; i < count; i++) {
		text = expand_text(v->d, items[i]);
		if (text == NULL)
			return -1;
		v->d->text_bytes += strlen(text);
		if (v->d->text_bytes > DRAFT_TEXT_MAX)
			return draft_error(v->d, v->n, "too many long texts");
		list->items[list->count++] =
			v->o->type == OPT_PATHS
				? value_absolute(v, items[i], text)
				: arena_strdup(v->d->keep, text);
	}
	return 0;
}

static int value_command(struct value *v)
{
	struct conf_strings *list = v->field;
	char **words;

	if (v->n->type == NODE_LIST && v->n->count > 0)
		return value_strings(v);
	if (v->text == NULL || *v->text == '\0')
		return value_bad(v);
	words = arena_alloc(v->d->keep, 4 * sizeof(*words));
	words[0] = arena_strdup(v->d->keep, "/bin/sh");
	words[1] = arena_strdup(v->d->keep, "-c");
	words[2] = arena_strdup(v->d->keep, v->text);
	*list = (struct conf_strings){ words, 3 };
	return 0;
}

static int value_map(struct value *v)
{
	struct conf_map *map = v->field;
	const struct node *n = v->n;
	const char *text;
	size_t i;

	if (n->type != NODE_MAP)
		return value_bad(v);
	if (!draft_spend_entries(v->d, n, n->count))
		return -1;
	map->count = 0;
	map->items =
		arena_alloc(v->d->keep, (n->count + 1) * sizeof(*map->items));
	for (i = 0; i < n->count; i++) {
		text = expand_is_null(v->d, n->pairs[i].value)
			       ? ""
			       : expand_text(v->d, n->pairs[i].value);
		if (text == NULL)
			continue;
		v->d->text_bytes += strlen(text);
		if (v->d->text_bytes > DRAFT_TEXT_MAX)
			return draft_error(v->d, v->n, "too many long texts");
		map->items[map->count].name =
			arena_strdup(v->d->keep, n->pairs[i].key->text);
		map->items[map->count++].value = arena_strdup(v->d->keep, text);
	}
	return 0;
}

static int value_listens(struct value *v)
{
	struct conf_listens *listens = v->field;
	struct node **items;
	size_t count = value_items(v, &items), i;
	const char *text;

	if (v->n->type == NODE_MAP)
		return value_bad(v);
	if (count > LISTEN_COUNT_MAX)
		return draft_error(v->d, v->n,
			"more than %d addresses of one pool", LISTEN_COUNT_MAX);
	listens->count = 0;
	listens->items =
		arena_alloc(v->d->keep, (count + 1) * sizeof(*listens->items));
	for (i = 0; i < count; i++) {
		text = expand_text(v->d, items[i]);
		if (text != NULL &&
			listen_parse(v->d, items[i], text,
				&listens->items[listens->count]) == 0)
			listens->count++;
	}
	return 0;
}

static int value_cpus(struct value *v)
{
	return cpus_read(v->d, v->n, v->field) != 0 ? value_bad(v) : 0;
}

static int value_topics(struct value *v)
{
	return topics_read(v->d, v->n, v->o->name, v->field);
}

static int value_weights(struct value *v)
{
	return topics_read_weights(v->d, v->n, v->o->name, v->field);
}

static int value_objects(struct value *v)
{
	return objects_read(v->d, v->n, v->o->name, v->field);
}

struct value_reader {
	int (*read)(struct value *v);
	bool takes_text; /* a scalar, and nothing else */
};

static const struct value_reader value_readers[OPT_TYPE_COUNT] = {
	[OPT_BOOL] = { value_bool, true },
	[OPT_INT] = { value_int, true },
	[OPT_DURATION] = { value_duration, true },
	[OPT_SIZE] = { value_size, true },
	[OPT_STRING] = { value_string, true },
	[OPT_PATH] = { value_path, true },
	[OPT_ENUM] = { value_enum, true },
	[OPT_COUNT] = { value_count, true },
	[OPT_PERCENT] = { value_percent, true },
	[OPT_CPUS] = { value_cpus, false },
	[OPT_STRINGS] = { value_strings, false },
	[OPT_COMMAND] = { value_command, false },
	[OPT_MAP] = { value_map, false },
	[OPT_SIGNAL] = { value_signal, true },
	[OPT_MODE] = { value_mode, true },
	[OPT_LISTEN] = { value_listens, false },
	[OPT_PATHS] = { value_strings, false },
	[OPT_LIMIT] = { value_limit, true },
	[OPT_TOPICS] = { value_topics, false },
	[OPT_WEIGHTS] = { value_weights, false },
	[OPT_OBJECTS] = { value_objects, false },
};

int value_read(struct draft *d, const struct opt *o, struct node *n, void *base)
{
	struct value v = {
		.d = d, .o = o, .n = n, .field = (char *)base + o->offset
	};

	if (n->type == NODE_SCALAR) {
		if (expand_is_null(d, n))
			return 0;
		v.text = expand_text(d, n);
		if (v.text == NULL)
			return -1;
	} else if (value_readers[o->type].takes_text) {
		return value_bad(&v);
	}
	return value_readers[o->type].read(&v);
}

/* A default in brackets or braces is YAML; any other is a plain value. */
static struct node *value_default_node(struct draft *d, const char *text)
{
	static const struct source none = { .name = "default", .dir = "/" };
	struct node *n = NULL;

	if (*text != '[' && *text != '{')
		return node_scalar(d, text, NULL);
	if (reader_parse(d, &none, text, strlen(text), &n) != 0)
		return NULL;
	return n;
}

void value_defaults(struct draft *d, const struct opt *rows, void *base)
{
	struct node *n;

	for (; rows != NULL && rows->name != NULL; rows++) {
		if (rows->type == OPT_LIMIT)
			*(int64_t *)((char *)base + rows->offset) =
				CONF_RLIMIT_UNSET;
		if (rows->default_text == NULL)
			continue;
		n = value_default_node(d, rows->default_text);
		if (n == NULL || value_read(d, rows, n, base) != 0)
			draft_error(d, NULL, "the default of %s is bad",
				rows->name);
	}
}
