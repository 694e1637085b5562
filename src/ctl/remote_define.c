/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/cron_columns.h"
#include "ctl/cron_set.h"
#include "ctl/ctl.h"
#include "ctl/remote_cron.h"
#include "ctl/remote_define.h"
#include "ctl/status.h"
#include "when/rule.h"

/* How a column's text is written in a body. */
enum remote_define_type {
	REMOTE_DEFINE_TEXT = 0,
	REMOTE_DEFINE_NUMBER = 1,
	REMOTE_DEFINE_BOOL = 2
};

static const struct {
	const char *column, *field;
	enum remote_define_type type;
} remote_define_columns[] = {
	{ "task_handler", "taskHandler", REMOTE_DEFINE_TEXT },
	/* As text, in which every number stays what it is. */
	{ "task_params", "taskParams", REMOTE_DEFINE_TEXT },
	{ "topic", "topic", REMOTE_DEFINE_TEXT },
	{ "description", "description", REMOTE_DEFINE_TEXT },
	{ "priority", "priority", REMOTE_DEFINE_NUMBER },
	{ "timeout_ms", "timeout", REMOTE_DEFINE_NUMBER },
	{ "retry_max", "retry", REMOTE_DEFINE_NUMBER },
	{ "misfire", "misfire", REMOTE_DEFINE_TEXT },
	{ "misfire_max", "misfireMax", REMOTE_DEFINE_NUMBER },
	{ "overlap", "overlap", REMOTE_DEFINE_TEXT },
	{ "inline", "inline", REMOTE_DEFINE_BOOL },
};

/* The members of a rule and the fields that say the same. */
static const char *const remote_define_rule[][2] = {
	{ "cron", "cronExpressions" },
	{ "every", "interval" },
	{ "delay", "interval" },
	{ "at", "runAt" },
	{ "dialect", "dialect" },
	{ "start", "startTime" },
	{ "end", "endTime" },
	{ "timeZone", "timeZone" },
};

/* What a definition has besides its rule and its params. */
static const char *const remote_define_fields[] = { "taskName", "taskHandler",
	"description", "topic", "priority", "timeout", "retry", "misfire",
	"misfireMax", "overlap", "inline", "dependsOn", "enabled" };

static json_t *remote_define_value(
	enum remote_define_type type, const char *text)
{
	switch (type) {
	case REMOTE_DEFINE_NUMBER: return json_integer(strtoll(text, NULL, 10));
	case REMOTE_DEFINE_BOOL: return json_boolean(strcmp(text, "t") == 0);
	case REMOTE_DEFINE_TEXT: break;
	}
	return json_string(text);
}

/* What is not in it is as the API has it by default: "none" takes away. */
static void remote_define_put(
	json_t *body, const char *column, const char *text)
{
	size_t i, n = sizeof(remote_define_columns) /
		      sizeof(*remote_define_columns);

	for (i = 0; i < n; i++) {
		if (strcmp(remote_define_columns[i].column, column) != 0)
			continue;
		if (text == NULL)
			json_object_del(body, remote_define_columns[i].field);
		else
			json_object_set_new(body,
				remote_define_columns[i].field,
				remote_define_value(
					remote_define_columns[i].type, text));
	}
}

static void remote_define_put_columns(
	json_t *body, const struct cron_columns *k)
{
	int i;

	for (i = 0; i < k->count; i++)
		remote_define_put(body, k->names[i], k->values[i]);
}

static void remote_define_put_rule(json_t *body, const struct rule *rule)
{
	char *text = rule_print(rule);
	json_t *doc = json_loads(text, 0, NULL), *value;
	size_t i, n = sizeof(remote_define_rule) / sizeof(*remote_define_rule);

	json_object_set_new(body, "scheduleType",
		json_string(rule_type_names[rule_type(rule)]));
	for (i = 0; i < n; i++) {
		value = json_object_get(doc, remote_define_rule[i][0]);
		if (value != NULL)
			json_object_set(body, remote_define_rule[i][1], value);
	}
	json_decref(doc);
	free(text);
}

/* own: its id; NULL: it is new. */
static int remote_define_depends(
	struct remote *r, json_t *body, const char *own)
{
	const char *name = r->ctl->cron.depends_on;
	json_t *other;
	int rc;

	if (name == NULL)
		return EXIT_OK;
	if (strcmp(name, "none") == 0) {
		json_object_del(body, "dependsOn");
		return EXIT_OK;
	}
	rc = remote_cron_find(r, name, &other);
	if (rc != EXIT_OK)
		return rc;
	if (own != NULL && strcmp(own, status_text(other, "id")) == 0)
		rc = ctl_fail(EXIT_CONFIG,
			"--depends-on \"%s\": it depends on this one itself",
			name);
	json_object_set(body, "dependsOn", json_object_get(other, "id"));
	json_decref(other);
	return rc;
}

/* Sends the body, which is taken, and tells what became of it. */
static int remote_define_send(struct remote *r, const char *path,
	const char *header, json_t *body, const struct rule *rule,
	const char *done)
{
	char *text = json_dumps(body, JSON_COMPACT);
	const struct client_request q = { .method = r->how->method,
		.path = path,
		.body = text,
		.header = header };
	struct client_answer a;
	int64_t next_ms;
	int rc = remote_send(r, &q, NULL, &a);

	free(text);
	json_decref(body);
	if (rc != EXIT_OK)
		return rc;
	if (!json_is_object(a.json)) {
		client_answer_done(&a);
		return remote_not_ours(r);
	}
	next_ms = remote_ms(json_object_get(a.json, "nextFire"));
	cron_set_tell(r->ctl, done, status_text(a.json, "id"), rule,
		next_ms < 0 ? RULE_NEVER : next_ms * US_PER_MS);
	client_answer_done(&a);
	return EXIT_OK;
}

static int remote_define_check_rule(
	const struct ctl *c, const struct rule *rule)
{
	if (rule_next(rule, clock_wall(), RULE_NO_END) != RULE_NEVER)
		return EXIT_OK;
	return ctl_fail(EXIT_USAGE,
		"\"%s\" would never fire: its times are over, or there is none",
		c->argv[0]);
}

int remote_define_add(struct remote *r)
{
	struct cron_columns k = { .count = 0 };
	struct rule *rule = NULL;
	struct ctl *c = r->ctl;
	json_t *body = json_object();
	int rc = cron_set_read_add(c, &k, &rule);

	if (rc == EXIT_OK)
		rc = remote_define_check_rule(c, rule);
	if (rc == EXIT_OK)
		rc = remote_define_depends(r, body, NULL);
	if (rc == EXIT_OK) {
		json_object_set_new(body, "taskName", json_string(c->argv[0]));
		json_object_set_new(
			body, "enabled", json_boolean(!c->cron.disabled));
		remote_define_put_columns(body, &k);
		remote_define_put_rule(body, rule);
		rc = remote_define_send(r, r->how->path, NULL,
			json_incref(body), rule, "added");
	}
	json_decref(body);
	rule_free(rule);
	cron_columns_done(&k);
	return rc;
}

/* A definition is read whole, so that its params stay to the letter. */
static int remote_define_read(
	struct remote *r, const char *id, struct client_answer *ret_answer)
{
	char *path = remote_path(r, id);
	int rc = remote_send(r,
		&(struct client_request){ .method = "GET", .path = path }, NULL,
		ret_answer);

	free(path);
	return rc;
}

/* The body that would leave it as it is, but for the rule. */
static json_t *remote_define_body(const struct client_answer *a)
{
	size_t i, n = sizeof(remote_define_fields) /
		      sizeof(*remote_define_fields);
	json_t *body = json_object(), *value;
	char *text;

	for (i = 0; i < n; i++) {
		value = json_object_get(a->json, remote_define_fields[i]);
		if (value != NULL && !json_is_null(value))
			json_object_set(body, remote_define_fields[i], value);
	}
	text = remote_raw(a, "taskParams");
	json_object_set_new(body, "taskParams", json_string(text));
	free(text);
	return body;
}

/* The rule there was, with what the options say. */
static int remote_define_rerule(
	const struct ctl *c, const json_t *doc, struct rule **ret_rule)
{
	char *old = json_dumps(json_object_get(doc, "rule"), JSON_COMPACT);
	int rc;

	if (old == NULL)
		return ctl_fail(EXIT_SYSTEM, "it has no rule that can be read");
	rc = cron_columns_rule(c, old, ret_rule);
	free(old);
	if (rc == EXIT_OK && cron_columns_has_rule(c) &&
		json_is_true(json_object_get(doc, "enabled")))
		rc = remote_define_check_rule(c, *ret_rule);
	return rc;
}

static int remote_define_change(struct remote *r, const struct client_answer *a,
	const struct cron_columns *k)
{
	const char *id = status_text(a->json, "id");
	char *path = remote_path(r, id);
	char *match = xasprintf("If-Match: \"%lld\"",
		(long long)json_integer_value(
			json_object_get(a->json, "version")));
	json_t *body = remote_define_body(a);
	struct rule *rule = NULL;
	int rc = remote_define_rerule(r->ctl, a->json, &rule);

	if (rc == EXIT_OK)
		rc = remote_define_depends(r, body, id);
	if (rc == EXIT_OK) {
		remote_define_put_columns(body, k);
		remote_define_put_rule(body, rule);
		rc = remote_define_send(
			r, path, match, json_incref(body), rule, "changed");
	}
	rule_free(rule);
	json_decref(body);
	free(match);
	free(path);
	return rc;
}

int remote_define_edit(struct remote *r)
{
	struct cron_columns k = { .count = 0 };
	struct client_answer a;
	json_t *doc = NULL;
	int rc = cron_set_read_edit(r->ctl, &k);

	if (rc == EXIT_OK)
		rc = remote_cron_find(r, r->ctl->argv[0], &doc);
	if (rc == EXIT_OK)
		rc = remote_cron_check_source(r, doc, "edit");
	if (rc == EXIT_OK)
		rc = remote_define_read(r, status_text(doc, "id"), &a);
	if (rc == EXIT_OK) {
		rc = remote_define_change(r, &a, &k);
		client_answer_done(&a);
	}
	json_decref(doc);
	cron_columns_done(&k);
	return rc;
}
