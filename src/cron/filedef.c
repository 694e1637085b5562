/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonr.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/number.h"
#include "conf/conf.h"
#include "cron/filedef.h"
#include "task/keys.h"
#include "task/task.h"
#include "when/rule.h"
#include "when/zone.h"

#define FILEDEF_NAME_MAX  100 /* bytes, as the column */
#define FILEDEF_RETRY_MAX 1000
#define FILEDEF_MISFIRES  100 /* the column's default */
#define FILEDEF_UNSAID    (-1)

struct filedef {
	char *name, *handler, *description, *params, *topic, *misfire;
	char *overlap, *depends_on;
	int64_t priority, timeout_ms, retry_max, misfire_max; /* or UNSAID */
	int64_t is_inline, is_enabled;                        /* likewise */
	struct buf when;     /* the members of the rule */
	const char *problem; /* of the member just read */
	struct rule *rule;
};

typedef bool (*filedef_fn)(
	struct filedef *f, const struct jsonr_value *v, size_t offset);

struct filedef_member {
	const char *name;
	filedef_fn read; /* false: f->problem says what it takes */
	size_t offset;
	const char *rule_name; /* a member of the rule: as it is called there */
};

static bool filedef_text(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	char **field = (char **)((char *)f + offset);

	f->problem = "takes a text";
	if (v->type != JSONR_STRING)
		return false;
	/* Said twice: refused at the end of the object. */
	free(*field);
	*field = jsonr_string(v, NULL);
	return true;
}

/* As it stands in the file; text of JSON. */
static void filedef_raw(const struct jsonr_value *v, struct buf *out)
{
	if (v->type == JSONR_STRING)
		buf_printf(out, "\"%.*s\"", (int)v->len, v->text);
	else
		buf_add(out, v->text, v->len);
}

static bool filedef_params(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	struct buf text = BUF_INIT;

	(void)offset;
	filedef_raw(v, &text);
	free(f->params);
	f->params = buf_take(&text);
	return true;
}

static bool filedef_int(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	int64_t *field = (int64_t *)((char *)f + offset);

	f->problem = "takes a number from 0 on";
	if (v->type != JSONR_INT || v->number < 0)
		return false;
	*field = v->number;
	return true;
}

static bool filedef_bool(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	int64_t *field = (int64_t *)((char *)f + offset);

	f->problem = "takes true or false";
	if (v->type != JSONR_BOOL)
		return false;
	*field = v->number;
	return true;
}

static bool filedef_timeout(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	char *text;
	int64_t us;
	bool is_good;

	(void)offset;
	f->problem = "takes a time like 30s";
	if (v->type != JSONR_STRING)
		return false;
	text = jsonr_string(v, NULL);
	is_good = number_duration(text, &us) && us >= US_PER_MS;
	free(text);
	if (is_good)
		f->timeout_ms = us / US_PER_MS;
	return is_good;
}

static bool filedef_misfire(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	char *colon;

	(void)offset;
	if (!filedef_text(f, v, offsetof(struct filedef, misfire)))
		return false;
	f->problem = "takes skip, once, all or all:N";
	colon = strchr(f->misfire, ':');
	if (colon != NULL) {
		*colon = '\0';
		if (!number_int(colon + 1, &f->misfire_max) ||
			f->misfire_max < 1 || f->misfire_max > 100000 ||
			strcmp(f->misfire, "all") != 0)
			return false;
	}
	return strcmp(f->misfire, "skip") == 0 ||
	       strcmp(f->misfire, "once") == 0 ||
	       strcmp(f->misfire, "all") == 0;
}

static bool filedef_overlap(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	static const char *const words[] = { "allow", "forbid", "queue",
		"replace" };
	size_t i;

	if (!filedef_text(f, v, offset))
		return false;
	f->problem = "takes allow, forbid, queue or replace";
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(f->overlap, words[i]) == 0)
			return true;
	return false;
}

static bool filedef_topic(
	struct filedef *f, const struct jsonr_value *v, size_t offset)
{
	size_t len;

	if (!filedef_text(f, v, offset))
		return false;
	f->problem = "takes 1 to 48 of a-z, 0-9, _ and -";
	len = strlen(f->topic);
	return len > 0 && len <= CONF_TOPIC_MAX &&
	       strspn(f->topic, "abcdefghijklmnopqrstuvwxyz0123456789_-") ==
		       len;
}

#define FILEDEF(field) .offset = offsetof(struct filedef, field)

static const struct filedef_member filedef_members[] = {
	{ .name = "name", .read = filedef_text, FILEDEF(name) },
	{ .name = "handler", .read = filedef_text, FILEDEF(handler) },
	{ .name = "description", .read = filedef_text, FILEDEF(description) },
	{ .name = "params", .read = filedef_params, FILEDEF(params) },
	{ .name = "topic", .read = filedef_topic, FILEDEF(topic) },
	{ .name = "priority", .read = filedef_int, FILEDEF(priority) },
	{ .name = "timeout", .read = filedef_timeout, FILEDEF(timeout_ms) },
	{ .name = "retry", .read = filedef_int, FILEDEF(retry_max) },
	{ .name = "misfire", .read = filedef_misfire, FILEDEF(misfire) },
	{ .name = "overlap", .read = filedef_overlap, FILEDEF(overlap) },
	{ .name = "depends_on", .read = filedef_text, FILEDEF(depends_on) },
	{ .name = "inline", .read = filedef_bool, FILEDEF(is_inline) },
	{ .name = "enabled", .read = filedef_bool, FILEDEF(is_enabled) },
	{ .name = "cron", .rule_name = "cron" },
	{ .name = "every", .rule_name = "every" },
	{ .name = "delay", .rule_name = "delay" },
	{ .name = "at", .rule_name = "at" },
	{ .name = "dialect", .rule_name = "dialect" },
	{ .name = "start", .rule_name = "start" },
	{ .name = "end", .rule_name = "end" },
	{ .name = "timezone", .rule_name = "timeZone" },
};

#define FILEDEF_MEMBERS (sizeof(filedef_members) / sizeof(*filedef_members))

const char *filedef_name(const struct filedef *f)
{
	return f->name;
}

void filedef_free(struct filedef *f)
{
	if (f == NULL)
		return;
	free(f->name);
	free(f->handler);
	free(f->description);
	free(f->params);
	free(f->topic);
	free(f->misfire);
	free(f->overlap);
	free(f->depends_on);
	buf_done(&f->when);
	rule_free(f->rule);
	free(f);
}

static const struct filedef_member *filedef_find(const struct jsonr_value *name)
{
	size_t i;

	for (i = 0; i < FILEDEF_MEMBERS; i++)
		if (jsonr_is(name, filedef_members[i].name))
			return &filedef_members[i];
	return NULL;
}

static int filedef_member(struct filedef *f, const struct jsonr_value *name,
	const struct jsonr_value *value, struct err *err)
{
	const struct filedef_member *m = filedef_find(name);

	if (m == NULL)
		return err_set(err, 0, "there is no \"%.*s\"", (int)name->len,
			name->text);
	if (value->type == JSONR_NULL)
		return 0;
	if (m->rule_name != NULL) {
		buf_printf(&f->when, "%s\"%s\":", f->when.len > 0 ? "," : "{",
			m->rule_name);
		filedef_raw(value, &f->when);
		return 0;
	}
	if (m->read(f, value, m->offset))
		return 0;
	return err_set(err, 0, "\"%s\" %s", m->name, f->problem);
}

static int filedef_members_of(
	struct filedef *f, const char *json, size_t len, struct err *err)
{
	struct jsonr_value name, value;
	struct jsonr r;
	int rc;

	if (jsonr_object(&r, json, len, TASK_DEPTH_MAX, err) != 0)
		return -1;
	while ((rc = jsonr_member(&r, &name, &value)) == 1)
		if (filedef_member(f, &name, &value, err) != 0) {
			rc = -1;
			break;
		}
	jsonr_done(&r);
	return rc;
}

static int filedef_judge(
	struct filedef *f, const struct conf *conf, struct err *err)
{
	if (f->name == NULL || f->name[0] == '\0' ||
		strlen(f->name) > FILEDEF_NAME_MAX)
		return err_set(err, 0, "\"name\" takes 1 to %d bytes",
			FILEDEF_NAME_MAX);
	if (f->handler == NULL)
		return err_set(err, 0, "\"handler\" is missing");
	if (conf != NULL && conf_handler_find(conf, f->handler) == NULL)
		return err_set(
			err, 0, "there is no handler \"%s\"", f->handler);
	if (f->retry_max > FILEDEF_RETRY_MAX)
		return err_set(err, 0, "\"retry\" takes a number up to %d",
			FILEDEF_RETRY_MAX);
	if (f->when.len == 0)
		return err_set(err, 0,
			"it does not say when: cron, every, delay or at");
	buf_putc(&f->when, '}');
	f->rule = rule_parse(buf_str(&f->when), f->when.len, err);
	return f->rule != NULL ? 0 : -1;
}

struct filedef *filedef_parse(
	const char *json, size_t len, const struct conf *conf, struct err *err)
{
	struct filedef *f = xcalloc(1, sizeof(*f));
	struct err why = { 0 };

	f->priority = f->timeout_ms = f->retry_max = f->misfire_max =
		FILEDEF_UNSAID;
	f->is_inline = f->is_enabled = FILEDEF_UNSAID;
	if (filedef_members_of(f, json, len, &why) == 0 &&
		filedef_judge(f, conf, &why) == 0)
		return f;
	(void)err_set(err, 0, "definition %s: %s",
		f->name != NULL ? f->name : "without a name", why.text);
	filedef_free(f);
	return NULL;
}

static void filedef_write_time(struct jsonw *j, const char *name, int64_t us)
{
	if (us == RULE_NEVER || us == INT64_MIN)
		jsonw_null(j, name);
	else
		jsonw_int(j, name, us);
}

static void filedef_write_int(struct jsonw *j, const char *name, int64_t value)
{
	if (value != FILEDEF_UNSAID)
		jsonw_int(j, name, value);
}

static const char *filedef_or(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

static void filedef_write_rule(
	const struct filedef *f, int64_t now_us, struct jsonw *j)
{
	char *text = rule_print(f->rule);

	jsonw_str(j, "schedule_type", rule_type_names[rule_type(f->rule)]);
	jsonw_raw(j, "rule", text, strlen(text));
	jsonw_str(j, "time_zone", zone_name(rule_zone(f->rule)));
	filedef_write_time(j, "start_us", rule_start(f->rule));
	filedef_write_time(j, "end_us", rule_end(f->rule));
	filedef_write_time(
		j, "next_us", rule_next(f->rule, now_us, RULE_NO_END));
	free(text);
}

void filedef_write(const struct filedef *f, int64_t now_us, struct jsonw *j)
{
	jsonw_object(j, NULL);
	jsonw_str(j, "task_name", f->name);
	jsonw_str(j, "task_handler", f->handler);
	jsonw_str(j, "description", filedef_or(f->description, ""));
	jsonw_str(j, "task_params", filedef_or(f->params, "{}"));
	jsonw_str(j, "topic", keys_alias(filedef_or(f->topic, "common")));
	jsonw_int(j, "priority", f->priority >= 0 ? f->priority : 1);
	filedef_write_int(j, "timeout_ms", f->timeout_ms);
	filedef_write_int(j, "retry_max", f->retry_max);
	jsonw_str(j, "misfire", filedef_or(f->misfire, "once"));
	jsonw_int(j, "misfire_max",
		f->misfire_max > 0 ? f->misfire_max : FILEDEF_MISFIRES);
	jsonw_str(j, "overlap", filedef_or(f->overlap, "forbid"));
	jsonw_bool(j, "inline", f->is_inline == 1);
	jsonw_str(j, "depends_on", f->depends_on);
	if (f->is_enabled != FILEDEF_UNSAID)
		jsonw_bool(j, "enabled", f->is_enabled == 1);
	filedef_write_rule(f, now_us, j);
	jsonw_end_object(j);
}

static bool filedef_is_known(const struct conf_strings *all, char **names,
	size_t count, const char *name)
{
	size_t i;

	(void)all;
	for (i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

int filedef_check_all(const struct conf *conf, struct err *err)
{
	const struct conf_strings *all = &conf->crontab_definitions;
	char **names = xcalloc(all->count + 1, sizeof(*names));
	struct filedef *f;
	size_t i;
	int rc = 0;

	for (i = 0; i < all->count && rc == 0; i++) {
		f = filedef_parse(
			all->items[i], strlen(all->items[i]), conf, err);
		if (f == NULL)
			rc = -1;
		else if (filedef_is_known(all, names, i, f->name))
			rc = err_set(err, 0, "there are two definitions %s",
				f->name);
		names[i] = f != NULL ? xstrdup(f->name) : NULL;
		filedef_free(f);
	}
	while (i-- > 0)
		free(names[i]);
	free(names);
	return rc;
}
