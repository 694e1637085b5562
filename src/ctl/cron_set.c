/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "conf/near.h"
#include "ctl/ask.h"
#include "ctl/cron_columns.h"
#include "ctl/cron_set.h"
#include "ctl/ctl.h"
#include "ctl/definition.h"
#include "ctl/lane.h"
#include "ctl/socket.h"
#include "queue/options.h"
#include "when/iso.h"
#include "when/rule.h"
#include "when/zone.h"

#define CRON_SET_NAME_MAX 100 /* characters */

/* The name of a handler that this one may have been meant to be; NULL. */
static const char *cron_set_near(const struct conf *conf, const char *name)
{
	size_t least = 1 + strlen(name) / 3, distance, i;
	const char *best = NULL;

	for (i = 0; i < conf->handler_count; i++) {
		const char *one = conf->handlers[i].name;

		if (strlen(one) >= NEAR_NAME_MAX ||
			strlen(name) >= NEAR_NAME_MAX)
			continue;
		distance = near_distance(name, one);
		if (distance > least)
			continue;
		least = distance;
		best = one;
	}
	return best;
}

static int cron_set_check_handler(
	const struct ctl *c, const struct conf *conf, const char *name)
{
	const char *best = cron_set_near(conf, name);

	if (conf_handler_find(conf, name) != NULL)
		return EXIT_OK;
	(void)ctl_fail(EXIT_CONFIG, "%s has no handler called \"%s\"%s%s%s",
		conf->path, name, best != NULL ? "; did you mean \"" : "",
		best != NULL ? best : "", best != NULL ? "\"?" : "");
	if (c->force)
		return EXIT_OK;
	return ctl_fail(EXIT_CONFIG,
		"if it is one of another node's, --force takes it");
}

static bool cron_set_is_served(const struct conf *conf, const char *topic)
{
	size_t i, k;

	for (i = 0; i < conf->pool_count; i++) {
		const struct conf_pool *p = &conf->pools[i];
		const struct queue_options *o = p->own;

		if (strcmp(p->kind->name, "queue") != 0)
			continue;
		for (k = 0; k < o->topics.count; k++)
			if (strcmp(o->topics.items[k].name, topic) == 0)
				return true;
	}
	return false;
}

/* The value that is to be written; NULL: none is. */
static const char *cron_set_value(
	const struct cron_columns *k, const char *name)
{
	int i;

	for (i = 0; i < k->count; i++)
		if (strcmp(k->names[i], name) == 0)
			return k->values[i];
	return NULL;
}

/* Does this node have the handler, and a pool for the topic?  Without a file
 * nobody knows. */
static int cron_set_check_conf(
	const struct ctl *c, const struct cron_columns *k)
{
	const char *handler = cron_set_value(k, "task_handler");
	const char *topic = cron_set_value(k, "topic");
	struct conf *conf;
	int rc;

	if (handler == NULL && topic == NULL)
		return EXIT_OK;
	if (c->config == NULL && access(socket_config(c), F_OK) != 0) {
		fprintf(stderr,
			"reevectl: there is no %s to look up handlers and "
			"topics in\n",
			socket_config(c));
		return EXIT_OK;
	}
	rc = ask_read(c, &conf);
	if (rc != EXIT_OK)
		return rc;
	if (handler != NULL)
		rc = cron_set_check_handler(c, conf, handler);
	if (rc == EXIT_OK && topic != NULL && !cron_set_is_served(conf, topic))
		fprintf(stderr,
			"reevectl: no queue pool of %s serves the topic "
			"\"%s\"\n",
			conf->path, topic);
	conf_free(conf);
	return rc;
}

/* Who depends on himself, by whatever way, never runs. */
static int cron_set_check_circle(
	struct db *db, const char *id, const char *on, const char *name)
{
	const char *values[] = { id, on };
	struct db_rows *r;
	int rc = db_query(db, &r,
		"WITH RECURSIVE up (id) AS (SELECT $2::uuid UNION "
		"SELECT d.depends_on FROM up JOIN reeve.task_definitions d "
		"ON d.id = up.id WHERE d.depends_on IS NOT NULL) "
		"SELECT EXISTS (SELECT FROM up WHERE id = $1)",
		2, values);

	if (rc != EXIT_OK)
		return rc;
	if (db_bool(r, 0, 0))
		rc = ctl_fail(EXIT_CONFIG,
			"--depends-on \"%s\": it depends on this one itself",
			name);
	db_free(r);
	return rc;
}

/* id: of the definition that is changed; NULL: it is new. */
static int cron_set_depends(const struct ctl *c, struct db *db, const char *id,
	struct cron_columns *k)
{
	const char *name = c->cron.depends_on;
	const char *values[] = { definition_tenant(c), name };
	struct db_rows *r;
	int rc;

	if (name == NULL)
		return EXIT_OK;
	if (strcmp(name, "none") == 0) {
		cron_columns_add(k, "depends_on", "uuid", NULL);
		return EXIT_OK;
	}
	rc = db_query(db, &r,
		"SELECT id FROM reeve.task_definitions "
		"WHERE tenant_id = $1 AND task_name = $2",
		2, values);
	if (rc != EXIT_OK)
		return rc;
	if (db_count(r) == 0)
		rc = ctl_fail(EXIT_CONFIG,
			"--depends-on: the tenant \"%s\" has no definition "
			"called \"%s\"",
			values[0], name);
	else if (id != NULL)
		rc = cron_set_check_circle(db, id, db_text(r, 0, 0), name);
	if (rc == EXIT_OK)
		cron_columns_add(k, "depends_on", "uuid", db_text(r, 0, 0));
	db_free(r);
	return rc;
}

void cron_set_tell(const struct ctl *c, const char *done, const char *id,
	const struct rule *r, int64_t next_us)
{
	const char *name = c->argv[0];
	char text[ISO_MAX];

	if (c->json) {
		lane_print(json_pack("{s:b, s:s, s:s, s:o}", "ok", true, "id",
			id, "name", name, "next_fire",
			next_us == RULE_NEVER
				? json_null()
				: json_string(clock_iso(next_us, text))));
		return;
	}
	printf("%s %s (%s)", done, name, id);
	if (next_us != RULE_NEVER)
		printf(", fires at %s", iso_print(next_us, rule_zone(r), text));
	putchar('\n');
}

static int cron_set_check_name(const char *name)
{
	size_t len = strlen(name), count = 0, at;

	if (len == 0)
		return ctl_fail(EXIT_USAGE, "the name is empty");
	if (utf8_valid(name, len) != len)
		return ctl_fail(EXIT_USAGE, "the name is not UTF-8");
	for (at = 0; at < len; at += utf8_length(name + at, len - at)) {
		count++;
		if ((unsigned char)name[at] < ' ' || name[at] == 0x7f)
			return ctl_fail(EXIT_USAGE,
				"the name has a control character in it");
	}
	if (count > CRON_SET_NAME_MAX)
		return ctl_fail(EXIT_USAGE,
			"the name is longer than %d characters",
			CRON_SET_NAME_MAX);
	return EXIT_OK;
}

static const char *cron_set_user(void)
{
	const char *sudo = getenv("SUDO_USER"), *user = getenv("USER");

	if (sudo != NULL && utf8_valid(sudo, strlen(sudo)) == strlen(sudo))
		return sudo;
	if (user != NULL && utf8_valid(user, strlen(user)) == strlen(user))
		return user;
	return "";
}

/* It is refused by a constraint: say which in our own words. */
static int cron_set_refused(
	const struct ctl *c, struct db *db, const struct db_fault *fault)
{
	if (strcmp(fault->sqlstate, "23505") == 0)
		return ctl_fail(EXIT_CONFIG,
			"the tenant \"%s\" has a definition called \"%s\" "
			"already: `cron edit` changes it",
			definition_tenant(c), c->argv[0]);
	if (strcmp(fault->sqlstate, "23503") == 0)
		return ctl_fail(EXIT_CONFIG, "there is no tenant \"%s\"",
			definition_tenant(c));
	return db_fail(db, fault);
}

static int cron_set_insert(const struct ctl *c, struct db *db,
	const struct cron_columns *k, char ret_id[UUID_TEXT_LEN + 1])
{
	struct buf sql = BUF_INIT;
	struct db_fault fault;
	struct db_rows *r;
	int rc = EXIT_OK;

	buf_puts(&sql, "INSERT INTO reeve.task_definitions ");
	cron_columns_insert(k, &sql);
	buf_puts(&sql, " RETURNING id");
	if (db_try(db, &r, buf_str(&sql), k->count,
		    (const char *const *)k->values, &fault) != 0) {
		rc = cron_set_refused(c, db, &fault);
	} else {
		snprintf(ret_id, UUID_TEXT_LEN + 1, "%s", db_text(r, 0, 0));
		db_free(r);
	}
	buf_done(&sql);
	return rc;
}

static int cron_set_new(const struct ctl *c, struct db *db,
	const struct rule *rule, struct cron_columns *k)
{
	int64_t now_us, next_us;
	char id[UUID_TEXT_LEN + 1];
	int rc = definition_now(db, &now_us);

	if (rc == EXIT_OK)
		rc = cron_set_depends(c, db, NULL, k);
	if (rc != EXIT_OK)
		return rc;
	next_us = rule_next(rule, now_us, RULE_NO_END);
	if (next_us == RULE_NEVER)
		return ctl_fail(EXIT_USAGE,
			"\"%s\" would never fire: its times are over, or "
			"there is none",
			c->argv[0]);
	cron_columns_add(k, "task_name", "text", c->argv[0]);
	cron_columns_add(k, "tenant_id", "text", definition_tenant(c));
	cron_columns_add(k, "source", "text", "cli");
	cron_columns_add(k, "creator", "text", cron_set_user());
	cron_columns_add(
		k, "status", "text", c->cron.disabled ? "DISABLED" : "ENABLED");
	if (c->cron.disabled)
		next_us = RULE_NEVER;
	cron_columns_add_time(k, "next_fire", next_us);
	rc = cron_set_insert(c, db, k, id);
	if (rc == EXIT_OK)
		cron_set_tell(c, "added", id, rule, next_us);
	return rc;
}

int cron_set_read_add(
	const struct ctl *c, struct cron_columns *k, struct rule **ret_rule)
{
	int rc = cron_set_check_name(c->argv[0]);

	if (rc == EXIT_OK)
		rc = cron_columns_read(c, k);
	if (rc == EXIT_OK && c->cron.handler == NULL)
		rc = ctl_fail(EXIT_USAGE, "cron add needs a --handler");
	if (rc == EXIT_OK && c->cron.exprs.count == 0 &&
		c->cron.every == NULL && c->delay == NULL && c->at == NULL)
		rc = ctl_fail(EXIT_USAGE,
			"cron add needs one of --cron, --every, --delay and "
			"--at");
	return rc == EXIT_OK ? cron_columns_rule(c, NULL, ret_rule) : rc;
}

int cron_set_add(struct ctl *c)
{
	struct cron_columns k = { .count = 0 };
	struct rule *rule = NULL;
	struct db *db = NULL;
	int rc = cron_set_read_add(c, &k, &rule);

	if (rc == EXIT_OK) {
		cron_columns_add_rule(&k, rule);
		rc = cron_set_check_conf(c, &k);
	}
	if (rc == EXIT_OK)
		rc = db_open(c, &db);
	if (rc == EXIT_OK)
		rc = cron_set_new(c, db, rule, &k);
	db_close(db);
	rule_free(rule);
	cron_columns_done(&k);
	return rc;
}

static int cron_set_update(
	struct db *db, const char *id, const struct cron_columns *k)
{
	const char *values[CRON_COLUMNS_MAX + 1];
	struct buf sql = BUF_INIT;
	int rc, i;

	for (i = 0; i < k->count; i++)
		values[i] = k->values[i];
	values[k->count] = id;
	buf_puts(&sql, "UPDATE reeve.task_definitions SET ");
	cron_columns_update(k, &sql);
	buf_printf(&sql, " WHERE id = $%d", k->count + 1);
	rc = db_query(db, NULL, buf_str(&sql), k->count + 1, values);
	buf_done(&sql);
	return rc;
}

/* The new rule, and the next time by it: one that does not fire now has
 * none. */
static int cron_set_retime(const struct ctl *c, struct db *db,
	const struct definition *d, struct cron_columns *k,
	struct rule **ret_rule, int64_t *ret_next_us)
{
	int64_t now_us;
	int rc = cron_columns_rule(c, d->rule_text, ret_rule);

	if (rc == EXIT_OK)
		rc = definition_now(db, &now_us);
	if (rc != EXIT_OK)
		return rc;
	cron_columns_add_rule(k, *ret_rule);
	if (d->is_enabled)
		*ret_next_us = definition_next(d, *ret_rule, now_us);
	if (d->is_enabled && *ret_next_us == RULE_NEVER &&
		!definition_waits(d, *ret_rule))
		return ctl_fail(EXIT_USAGE,
			"\"%s\" would never fire: its times are over, or "
			"there is none",
			c->argv[0]);
	cron_columns_add_time(k, "next_fire", *ret_next_us);
	return EXIT_OK;
}

static int cron_set_change(
	const struct ctl *c, struct db *db, struct cron_columns *k)
{
	struct definition d;
	struct rule *rule = NULL;
	int64_t next_us = RULE_NEVER;
	int rc = definition_find(c, db, c->argv[0], &d);

	if (rc == EXIT_OK && strncmp(d.source, "file:", 5) == 0 && !c->force)
		rc = ctl_fail(EXIT_CONFIG,
			"\"%s\" comes from the process.yaml of %s: edit it "
			"there, or use --force",
			c->argv[0], d.source + 5);
	if (rc == EXIT_OK)
		rc = cron_set_depends(c, db, d.id, k);
	if (rc == EXIT_OK && cron_columns_has_rule(c))
		rc = cron_set_retime(c, db, &d, k, &rule, &next_us);
	if (rc == EXIT_OK)
		rc = cron_set_update(db, d.id, k);
	if (rc == EXIT_OK)
		rc = db_run(db, "COMMIT");
	if (rc == EXIT_OK)
		cron_set_tell(c, "changed", d.id, rule != NULL ? rule : d.rule,
			next_us);
	rule_free(rule);
	definition_done(&d);
	return rc;
}

int cron_set_read_edit(const struct ctl *c, struct cron_columns *k)
{
	int rc = cron_columns_read(c, k);

	if (rc == EXIT_OK && c->cron.disabled)
		rc = ctl_fail(EXIT_USAGE, "`cron disable` does that");
	if (rc == EXIT_OK && k->count == 0 && !cron_columns_has_rule(c) &&
		c->cron.depends_on == NULL)
		rc = ctl_fail(EXIT_USAGE, "cron edit needs an option that says "
					  "what to change");
	return rc;
}

int cron_set_edit(struct ctl *c)
{
	struct cron_columns k = { .count = 0 };
	struct db *db = NULL;
	int rc = cron_set_read_edit(c, &k);

	if (rc == EXIT_OK)
		rc = cron_set_check_conf(c, &k);
	if (rc == EXIT_OK)
		rc = db_open(c, &db);
	if (rc == EXIT_OK)
		rc = db_run(db, "BEGIN");
	if (rc == EXIT_OK)
		rc = cron_set_change(c, db, &k);
	db_close(db);
	cron_columns_done(&k);
	return rc;
}
