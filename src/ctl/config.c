/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "ctl/client.h"
#include "ctl/config.h"
#include "ctl/ctl.h"
#include "ctl/socket.h"
#include "ctl/table.h"
#include "kinds.h"

/* Groups of settings besides those of a kind, which have its name. */
#define CONFIG_GLOBAL  "global"
#define CONFIG_POOL    "pool"
#define CONFIG_TOPIC   "topic"
#define CONFIG_HANDLER "handler"

static const char *const config_types[OPT_TYPE_COUNT] = {
	[OPT_BOOL] = "bool",
	[OPT_INT] = "number",
	[OPT_DURATION] = "duration",
	[OPT_SIZE] = "size",
	[OPT_STRING] = "text",
	[OPT_PATH] = "path",
	[OPT_ENUM] = "choice",
	[OPT_COUNT] = "count",
	[OPT_PERCENT] = "share",
	[OPT_CPUS] = "cpus",
	[OPT_STRINGS] = "list",
	[OPT_COMMAND] = "command",
	[OPT_MAP] = "map",
	[OPT_SIGNAL] = "signal",
	[OPT_MODE] = "mode",
	[OPT_LISTEN] = "addresses",
	[OPT_PATHS] = "paths",
	[OPT_LIMIT] = "limit",
	[OPT_TOPICS] = "topics",
	[OPT_WEIGHTS] = "weights",
	[OPT_OBJECTS] = "objects",
};

static const char *const config_reloads[] = {
	[OPT_ROLL] = "roll",
	[OPT_HOT] = "hot",
	[OPT_RESTART] = "restart",
};

int config_show(struct ctl *c)
{
	struct client *cl = client_new(c);
	struct client_answer a;
	struct err err;
	int rc = EXIT_OK;

	if (client_get(cl, "/config", &a, &err) != 0) {
		rc = ctl_fail(EXIT_SYSTEM, "%s", err.text);
	} else {
		if (a.status == 200)
			fwrite(buf_str(&a.body), 1, a.body.len, stdout);
		else
			rc = ctl_fail(EXIT_CONFIG, "%s", client_error(&a));
		client_answer_done(&a);
	}
	client_free(cl);
	return rc;
}

static void config_check_json(
	const struct conf_report *r, const struct conf *conf)
{
	json_t *list = json_pack("[]"), *doc;
	size_t i;

	for (i = 0; i < r->count; i++) {
		const struct conf_problem *p = &r->problems[i];

		json_array_append_new(list,
			json_pack("{s:s, s:s?, s:i, s:i, s:s}", "severity",
				p->severity == CONF_ERROR ? "error" : "warning",
				"file", p->mark.file, "line", p->mark.line,
				"column", p->mark.column, "text", p->text));
	}
	doc = json_pack("{s:b, s:o}", "ok", conf != NULL, "problems", list);
	json_dumpf(doc, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(doc);
}

static void config_check_text(
	const struct conf_report *r, const struct conf *conf, const char *file)
{
	struct buf out = BUF_INIT;
	int64_t workers = 0;
	size_t i;

	conf_report_print(r, &out);
	fputs(buf_str(&out), stderr);
	buf_done(&out);
	if (conf == NULL)
		return;
	for (i = 0; i < conf->pool_count; i++)
		workers += conf->pools[i].workers;
	printf("%s: well, %zu pool%s, %" PRId64 " worker%s\n", file,
		conf->pool_count, conf->pool_count == 1 ? "" : "s", workers,
		workers == 1 ? "" : "s");
}

int config_check(struct ctl *c)
{
	const char *file = c->argc > 0 ? c->argv[0] : socket_config(c);
	struct conf_source source = { .path = file, .kinds = kinds };
	struct conf_report report;
	struct conf *conf = conf_read(&source, &report);
	int rc = conf != NULL ? EXIT_OK : EXIT_CONFIG;

	if (c->json)
		config_check_json(&report, conf);
	else
		config_check_text(&report, conf, file);
	conf_free(conf);
	conf_report_done(&report);
	return rc;
}

/* A number as the setting is written: 5m, 64K, 0660. */
static void config_number(const struct opt *o, int64_t value, struct buf *out)
{
	struct opt row = *o;

	row.offset = 0;
	if (row.type == OPT_COUNT || row.type == OPT_PERCENT)
		row.type = OPT_INT;
	opt_print(&row, &value, out);
}

static bool config_has_range(const struct opt *o)
{
	switch (o->type) {
	case OPT_INT:
	case OPT_DURATION:
	case OPT_SIZE:
	case OPT_COUNT:
	case OPT_PERCENT:
	case OPT_MODE: return o->minimum != 0 || o->maximum != 0;
	default: return false;
	}
}

static void config_range(const struct opt *o, struct buf *out)
{
	size_t i;

	for (i = 0; o->choices != NULL && o->choices[i] != NULL; i++)
		buf_printf(out, "%s%s", i > 0 ? "|" : "", o->choices[i]);
	if (!config_has_range(o))
		return;
	config_number(o, o->minimum, out);
	if (o->maximum == INT64_MAX) {
		buf_puts(out, " or more");
	} else {
		buf_puts(out, "..");
		config_number(o, o->maximum, out);
	}
	if (o->type == OPT_COUNT)
		buf_puts(out, " or auto");
}

/* What one listing does with a row of a group. */
typedef void (*config_row_fn)(
	const char *group, const struct opt *o, void *arg);

static void config_rows(
	const char *group, const struct opt *rows, config_row_fn fn, void *arg)
{
	for (; rows != NULL && rows->name != NULL; rows++)
		fn(group, rows, arg);
}

static bool config_has_topics(const struct conf_kind *kind)
{
	const struct opt *o = kind->options;

	for (; o != NULL && o->name != NULL; o++)
		if (o->type == OPT_TOPICS)
			return true;
	return false;
}

/* All but those of handlers. */
static void config_groups(config_row_fn fn, void *arg)
{
	size_t i;

	config_rows(CONFIG_GLOBAL, conf_global_options, fn, arg);
	config_rows(CONFIG_POOL, conf_pool_options, fn, arg);
	for (i = 0; kinds[i] != NULL; i++) {
		if (!kinds[i]->is_internal)
			config_rows(kinds[i]->name, kinds[i]->options, fn, arg);
		if (config_has_topics(kinds[i]))
			config_rows(CONFIG_TOPIC, conf_topic_options, fn, arg);
	}
}

static json_t *config_limit(const struct opt *o, int64_t value)
{
	struct buf text = BUF_INIT;
	json_t *result;

	if (config_has_range(o))
		config_number(o, value, &text);
	result = json_pack("s?", text.data);
	buf_done(&text);
	return result;
}

static json_t *config_handler_kinds(const struct opt *o)
{
	json_t *list = json_pack("[]");
	int i;

	for (i = 0; i < CONF_HANDLER_KIND_COUNT; i++)
		if (conf_handler_applies(o, (enum conf_handler_kind)i))
			json_array_append_new(list,
				json_pack("s", conf_handler_kind_names[i]));
	return list;
}

/* The kinds whose pools, or handlers, have the setting; none for the node's
 * own. */
static json_t *config_kinds(const char *group, const struct opt *o)
{
	bool is_common = strcmp(group, CONFIG_POOL) == 0;
	json_t *list;
	size_t i;

	if (strcmp(group, CONFIG_HANDLER) == 0)
		return config_handler_kinds(o);
	list = json_pack("[]");

	for (i = 0; kinds[i] != NULL; i++) {
		if (kinds[i]->is_internal)
			continue;
		if (is_common ? conf_opt_applies(o, kinds[i])
			      : strcmp(group, kinds[i]->name) == 0)
			json_array_append_new(
				list, json_pack("s", kinds[i]->name));
	}
	return list;
}

static void config_add_json(const char *group, const struct opt *o, void *arg)
{
	json_t *choices = json_pack("[]");
	size_t i;

	for (i = 0; o->choices != NULL && o->choices[i] != NULL; i++)
		json_array_append_new(choices, json_pack("s", o->choices[i]));
	json_array_append_new(arg,
		json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:s?, s:o, s:s, "
			  "s:o, s:s?}",
			"group", group, "name", o->name, "type",
			config_types[o->type], "default", o->default_text,
			"minimum", config_limit(o, o->minimum), "maximum",
			config_limit(o, o->maximum), "unit", o->unit, "choices",
			choices, "reload", config_reloads[o->reload], "kinds",
			config_kinds(group, o), "help", o->help));
}

static const struct table_column config_columns[] = {
	{ "SETTING", TABLE_LEFT, TABLE_FIXED },
	{ "TYPE", TABLE_LEFT, TABLE_FIXED },
	{ "DEFAULT", TABLE_LEFT, TABLE_FIXED },
	{ "RANGE", TABLE_LEFT, TABLE_FIXED },
	{ "RELOAD", TABLE_LEFT, TABLE_FIXED },
	{ "WHAT", TABLE_LEFT, TABLE_ELASTIC },
};

struct config_listing {
	const char *group;    /* of the table begun; NULL */
	const char *handlers; /* their kind, in the tables of handlers */
	struct table *table;
	struct screen screen;
	struct buf out;
};

static void config_end_group(struct config_listing *l)
{
	if (l->table == NULL)
		return;
	table_print(l->table, &l->screen, 0, 0, &l->out);
	table_free(l->table);
	l->table = NULL;
	buf_putc(&l->out, '\n');
}

static void config_begin_group(struct config_listing *l, const char *group)
{
	config_end_group(l);
	buf_puts(&l->out, screen_on(&l->screen, SCREEN_HEAD));
	if (strcmp(group, CONFIG_GLOBAL) == 0)
		buf_puts(&l->out, "The node");
	else if (strcmp(group, CONFIG_POOL) == 0)
		buf_puts(&l->out, "Every pool");
	else if (strcmp(group, CONFIG_TOPIC) == 0)
		buf_puts(&l->out, "A topic with bounds");
	else if (strcmp(group, CONFIG_HANDLER) == 0)
		buf_printf(&l->out, "Handlers of kind %s", l->handlers);
	else
		buf_printf(&l->out, "Pools of kind %s", group);
	buf_printf(&l->out, "%s\n", screen_off(&l->screen, SCREEN_HEAD));
	l->group = group;
	l->table = table_new(config_columns, 6);
}

static void config_add_row(const char *group, const struct opt *o, void *arg)
{
	struct config_listing *l = arg;
	struct buf range = BUF_INIT;

	if (l->group == NULL || strcmp(group, l->group) != 0)
		config_begin_group(l, group);
	config_range(o, &range);
	table_cell(l->table, SCREEN_PLAIN, "%s", o->name);
	table_cell(l->table, SCREEN_PLAIN, "%s", config_types[o->type]);
	table_cell(l->table, SCREEN_PLAIN, "%s",
		o->default_text != NULL ? o->default_text : "-");
	table_cell(l->table, SCREEN_PLAIN, "%s", buf_str(&range));
	table_cell(l->table, SCREEN_PLAIN, "%s", config_reloads[o->reload]);
	table_cell(l->table, SCREEN_PLAIN, "%s", o->help);
	buf_done(&range);
}

/* A table for each kind: some settings differ in their defaults. */
static void config_handlers(struct config_listing *l)
{
	const struct opt *o;
	int kind;

	for (kind = 0; kind < CONF_HANDLER_KIND_COUNT; kind++) {
		l->handlers = conf_handler_kind_names[kind];
		l->group = NULL;
		for (o = conf_handler_options; o->name != NULL; o++)
			if (conf_handler_applies(
				    o, (enum conf_handler_kind)kind))
				config_add_row(CONFIG_HANDLER, o, l);
	}
}

int config_options(struct ctl *c)
{
	struct config_listing l = { 0 };
	json_t *list;

	if (c->json) {
		list = json_pack("[]");
		config_groups(config_add_json, list);
		config_rows(CONFIG_HANDLER, conf_handler_options,
			config_add_json, list);
		json_dumpf(list, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(list);
		return EXIT_OK;
	}
	screen_init(&l.screen);
	config_groups(config_add_row, &l);
	config_handlers(&l);
	config_end_group(&l);
	fwrite(l.out.data, 1, l.out.len, stdout);
	buf_done(&l.out);
	return EXIT_OK;
}
