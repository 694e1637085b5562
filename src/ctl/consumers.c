/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/counts.h"
#include "ctl/ask.h"
#include "ctl/client.h"
#include "ctl/consumers.h"
#include "ctl/ctl.h"
#include "ctl/lane.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "task/keys.h"

/* How long a pool may take to get its new size: busy workers finish first. */
#define CONSUMERS_WAIT_US (30 * (int64_t)US_PER_S)
/* A complaint of the governor that is older news is gone after this. */
#define CONSUMERS_NEWS_US (3 * (int64_t)US_PER_S)
#define CONSUMERS_LOOK_MS 100
/* Bytes of a text that are shown; a longer one is of no use anyway. */
#define CONSUMERS_SHOW_MAX 4096
#define CONSUMERS_TRIES    10

/* KEYS: it.  ARGV: the text that was read, "" for none; the new one.  Returns
 * 1, or 0 when somebody else was faster. */
static struct redis_script consumers_swap = {
	.name = "consumers",
	.text = "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then\n"
		"  return 0\n"
		"end\n"
		"redis.call('SET', KEYS[1], ARGV[2])\n"
		"return 1\n",
};

struct consumers {
	struct ctl *ctl;
	struct ask *ask;
	const struct conf *conf;
	char *key, *node_key;
	char *text, *node_text; /* NULL: there is none */
};

static void consumers_on_text(const struct redis_reply *reply, void *arg)
{
	char **where = arg;

	free(*where);
	*where = NULL;
	if (redis_type(reply) == REDIS_STRING)
		*where = xstrdup(redis_text(reply, NULL));
}

static int consumers_read(struct consumers *s)
{
	const char *get[2] = { "GET", s->key };
	const char *get_node[2] = { "GET", s->node_key };
	int rc = ask_command(s->ask, consumers_on_text, &s->text, 2, get, NULL);

	if (rc == EXIT_OK)
		rc = ask_command(s->ask, consumers_on_text, &s->node_text, 2,
			get_node, NULL);
	return rc;
}

static void consumers_close(struct consumers *s)
{
	ask_close(s->ask);
	free(s->key);
	free(s->node_key);
	free(s->text);
	free(s->node_text);
}

static int consumers_open(struct ctl *c, struct consumers *s)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->ctl = c;
	rc = ask_open(c, &s->ask);
	if (rc != EXIT_OK)
		return rc;
	s->conf = ask_conf(s->ask);
	s->key = keys_other(s->conf->redis_prefix, "consumers", "");
	s->node_key = xasprintf("%s:%s", s->key, s->conf->node);
	rc = consumers_read(s);
	if (rc != EXIT_OK)
		consumers_close(s);
	return rc;
}

/* What the key calls the pool: its topic, or its own name.  NULL: the key has
 * no say. */
static const char *consumers_name(
	const struct conf *conf, const struct conf_pool *p)
{
	const char *name = conf_pool_counted_as(p);

	return name != NULL && conf_pool_counted(conf, name) == p ? name : NULL;
}

static json_t *consumers_status(const json_t *doc, const char *name)
{
	const json_t *pools = json_object_get(doc, "pools");
	json_t *pool;
	size_t i;

	json_array_foreach(pools, i, pool)
	{
		if (strcmp(status_text(pool, "name"), name) == 0)
			return pool;
	}
	return NULL;
}

static const struct table_column consumers_columns[] = {
	{ "TOPIC", TABLE_LEFT, TABLE_FIXED },
	{ "POOL", TABLE_LEFT, TABLE_FIXED },
	{ "DESIRED", TABLE_RIGHT, TABLE_FIXED },
	{ "READY", TABLE_RIGHT, TABLE_FIXED },
	{ "RANGE", TABLE_RIGHT, TABLE_FIXED },
	{ "COUNT FROM", TABLE_LEFT, TABLE_ELASTIC },
};

static void consumers_row(struct table *t, const json_t *pool)
{
	table_cell(t, SCREEN_PLAIN, "%s", status_text(pool, "topic"));
	table_cell(t, SCREEN_PLAIN, "%s", status_text(pool, "pool"));
	table_cell(t, SCREEN_PLAIN, "%.0f", status_number(pool, "desired"));
	table_cell(t,
		status_number(pool, "ready") < status_number(pool, "desired")
			? SCREEN_CHANGING
			: SCREEN_GOOD,
		"%.0f", status_number(pool, "ready"));
	if (json_is_integer(json_object_get(pool, "max")))
		table_cell(t, SCREEN_PLAIN, "%.0f-%.0f",
			status_number(pool, "min"), status_number(pool, "max"));
	else
		table_cell(t, SCREEN_PLAIN, "-");
	table_cell(t, SCREEN_PLAIN, "%s", status_text(pool, "source"));
}

/* text NULL: there is none. */
static void consumers_print_key(const char *key, const char *text)
{
	const char *at, *end;
	char *cut, *line, *clean;

	if (text == NULL) {
		printf("%s is not set\n", key);
		return;
	}
	printf("%s is set to\n", key);
	cut = xstrndup(text, CONSUMERS_SHOW_MAX);
	for (at = cut; at != NULL && *at != '\0';
		at = *end != '\0' ? end + 1 : NULL) {
		end = at + strcspn(at, "\n");
		line = xstrndup(at, (size_t)(end - at));
		clean = lane_clean(line);
		printf("    %s\n", clean);
		free(clean);
		free(line);
	}
	if (strlen(text) > strlen(cut))
		printf("    and more, %zu bytes in all\n", strlen(text));
	free(cut);
}

static void consumers_print_keys(const json_t *doc)
{
	static const char *const names[][2] = { { "key", "text" },
		{ "node_key", "node_text" } };
	const char *key, *text;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		key = json_string_value(json_object_get(doc, names[i][0]));
		text = json_string_value(json_object_get(doc, names[i][1]));
		if (key != NULL && (i == 0 || text != NULL))
			consumers_print_key(key, text);
	}
}

static void consumers_print(const json_t *doc)
{
	struct table *t = table_new(consumers_columns,
		sizeof(consumers_columns) / sizeof(*consumers_columns));
	const char *error = status_text(doc, "error");
	struct buf out = BUF_INIT;
	const json_t *pool;
	struct screen screen;
	size_t i;

	consumers_print_keys(doc);
	if (error[0] != '\0')
		printf("The governor has no use for it: %s\n", error);
	json_array_foreach(json_object_get(doc, "pools"), i, pool)
		consumers_row(t, pool);
	if (table_rows(t) > 0) {
		screen_init(&screen);
		table_print(t, &screen, 0, 0, &out);
		printf("%s%s",
			json_is_string(json_object_get(doc, "key")) ? "\n" : "",
			buf_str(&out));
	}
	buf_done(&out);
	table_free(t);
}

void consumers_show(const struct ctl *c, json_t *doc)
{
	if (c->json) {
		lane_print(doc);
		return;
	}
	consumers_print(doc);
	json_decref(doc);
}

static json_t *consumers_json_text(const char *text)
{
	return text != NULL ? lane_json(text, strlen(text)) : json_null();
}

static json_t *consumers_json(const struct consumers *s, const json_t *doc)
{
	json_t *error = json_object_get(doc, "counts_error");
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < s->conf->pool_count; i++) {
		const struct conf_pool *p = &s->conf->pools[i];
		const json_t *pool = consumers_status(doc, p->name);

		if (consumers_name(s->conf, p) == NULL || pool == NULL)
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:O, s:O, s:O, s:I, s:I}",
				      "topic", conf_pool_counted_as(p), "pool",
				      p->name, "desired",
				      json_object_get(pool, "desired"), "ready",
				      json_object_get(pool, "ready"), "source",
				      json_object_get(pool, "source"), "min",
				      (json_int_t)p->min_count, "max",
				      (json_int_t)p->max_count));
	}
	return json_pack("{s:s, s:o, s:s, s:o, s:O?, s:o}", "key", s->key,
		"text", consumers_json_text(s->text), "node_key", s->node_key,
		"node_text", consumers_json_text(s->node_text), "error", error,
		"pools", list);
}

int consumers_get(struct ctl *c)
{
	struct client *cl = client_new(c);
	struct client_answer answer;
	struct consumers s;
	int rc = consumers_open(c, &s);

	if (rc == EXIT_OK) {
		rc = client_status(cl, NULL, &answer);
		if (rc == EXIT_OK) {
			consumers_show(c, consumers_json(&s, answer.json));
			client_answer_done(&answer);
		}
		consumers_close(&s);
	}
	client_free(cl);
	return rc;
}

/* "high=8" into the list; every fault is found before anything is written. */
static int consumers_merge_one(
	const struct consumers *s, struct conf_counts *list, const char *word)
{
	const char *equal = strchr(word, '=');
	const struct conf_pool *pool;
	char *name, *end = NULL;
	const char *topic;
	long count = -1;
	size_t i;
	int rc = EXIT_OK;

	if (equal != NULL && equal[1] >= '0' && equal[1] <= '9')
		count = strtol(equal + 1, &end, 10);
	if (end == NULL || *end != '\0')
		return ctl_fail(
			EXIT_USAGE, "\"%s\" is no TOPIC=N, like high=8", word);
	name = xstrndup(word, (size_t)(equal - word));
	topic = keys_alias(name);
	pool = conf_pool_counted(s->conf, topic);
	if (pool == NULL)
		rc = ctl_fail(EXIT_CONFIG,
			"%s has neither a pool for the topic \"%s\" alone nor a "
			"pool of that name for several",
			s->conf->path, topic);
	else if (count < pool->min_count || count > pool->max_count)
		rc = ctl_fail(EXIT_CONFIG,
			"%s takes from %" PRId64 " to %" PRId64
			" workers, not %ld",
			topic, pool->min_count, pool->max_count, count);
	for (i = 0; rc == EXIT_OK && i < list->count; i++)
		if (strcmp(list->items[i].topic, topic) == 0)
			break;
	if (rc == EXIT_OK && i == CONF_TOPICS_MAX)
		rc = ctl_fail(EXIT_CONFIG, "%s has too many topics", s->key);
	if (rc == EXIT_OK) {
		snprintf(list->items[i].topic, sizeof(list->items[i].topic),
			"%s", topic);
		list->items[i].count = count;
		list->count += i == list->count;
	}
	free(name);
	return rc;
}

static char *consumers_write(const struct conf_counts *list)
{
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; i < list->count; i++)
		buf_printf(&out, "%s: %" PRId64 "\n", list->items[i].topic,
			list->items[i].count);
	return out.data != NULL ? buf_take(&out) : xstrdup("");
}

static void consumers_on_int(const struct redis_reply *reply, void *arg)
{
	*(int64_t *)arg = redis_int(reply, 0);
}

static int consumers_merge(struct consumers *s, int64_t *ret_done)
{
	struct conf_counts *list = xcalloc(1, sizeof(*list));
	const char *old = s->text != NULL ? s->text : "";
	int i, rc = EXIT_OK;
	struct err err;

	if (conf_read_counts(old, strlen(old), list, &err) != 0)
		rc = ctl_fail(EXIT_CONFIG,
			"%s can't be added to: %s; see consumers unset", s->key,
			err.text);
	for (i = 0; rc == EXIT_OK && i < s->ctl->argc; i++)
		rc = consumers_merge_one(s, list, s->ctl->argv[i]);
	if (rc == EXIT_OK) {
		char *text = consumers_write(list);
		const char *argv[3] = { s->key, old, text };

		rc = ask_script(s->ask, consumers_on_int, ret_done,
			&consumers_swap, 1, 3, argv);
		free(text);
	}
	free(list);
	return rc;
}

static int consumers_tell(const struct consumers *s)
{
	char *channel = keys_other(s->conf->redis_prefix, "control", "");
	const char *argv[3] = { "PUBLISH", channel, "consumers" };
	int rc = ask_command(s->ask, NULL, NULL, 3, argv, NULL);

	free(channel);
	return rc;
}

/* What a topic was given on the command line; -1: it is not named there. */
static int64_t consumers_wanted(const struct ctl *c, const char *topic)
{
	int i;

	for (i = c->argc - 1; i >= 0; i--) {
		const char *equal = strchr(c->argv[i], '=');
		char *name = xstrndup(c->argv[i], (size_t)(equal - c->argv[i]));
		bool is_it = strcmp(keys_alias(name), topic) == 0;

		free(name);
		if (is_it)
			return strtol(equal + 1, NULL, 10);
	}
	return -1;
}

/* Has this pool what was asked for?  wanted -1: what it has without the key. */
static bool consumers_is_there(const json_t *pool, int64_t wanted)
{
	double desired = status_number(pool, "desired");
	const char *source = status_text(pool, "source");

	if (status_number(pool, "ready") != desired)
		return false;
	if (wanted >= 0)
		return desired == (double)wanted;
	return strncmp(source, "redis ", 6) != 0;
}

/* The first pool that has not, or NULL. */
static const struct conf_pool *consumers_lags(
	const struct consumers *s, const json_t *doc, bool is_unset)
{
	size_t i;

	for (i = 0; i < s->conf->pool_count; i++) {
		const struct conf_pool *p = &s->conf->pools[i];
		int64_t wanted;
		const json_t *pool;

		if (consumers_name(s->conf, p) == NULL)
			continue;
		wanted = is_unset ? -1
				  : consumers_wanted(
					    s->ctl, consumers_name(s->conf, p));
		pool = consumers_status(doc, p->name);
		if (!is_unset && wanted < 0)
			continue;
		if (pool == NULL || !consumers_is_there(pool, wanted))
			return p;
	}
	return NULL;
}

static int consumers_late(const json_t *doc, const struct conf_pool *p)
{
	const json_t *pool = consumers_status(doc, p->name);

	if (pool == NULL)
		return ctl_fail(EXIT_CONFIG,
			"the daemon has no pool %s: reload it", p->name);
	return ctl_fail(EXIT_CONFIG,
		"%s has %.0f of %.0f workers ready after 30 s, by %s; it goes "
		"on",
		p->name, status_number(pool, "ready"),
		status_number(pool, "desired"), status_text(pool, "source"));
}

static int consumers_arrived(const struct consumers *s, const json_t *doc)
{
	consumers_show(s->ctl, consumers_json(s, doc));
	return EXIT_OK;
}

/* Until all pools are as said; interrupted, what was written stays. */
static int consumers_wait(struct consumers *s, bool is_unset)
{
	struct client *cl = client_new(s->ctl);
	int64_t began = clock_now(), spent = 0;
	const struct conf_pool *lags = NULL;
	struct client_answer answer;
	const char *error;
	bool is_over = false;
	int rc = EXIT_OK;

	while (rc == EXIT_OK && !is_over) {
		rc = client_status(cl, NULL, &answer);
		if (rc != EXIT_OK)
			break;
		spent = clock_now() - began;
		error = status_text(answer.json, "counts_error");
		lags = consumers_lags(s, answer.json, is_unset);
		is_over = lags == NULL || spent > CONSUMERS_WAIT_US;
		if (lags == NULL)
			rc = consumers_arrived(s, answer.json);
		else if (error[0] != '\0' && spent > CONSUMERS_NEWS_US)
			rc = ctl_fail(EXIT_CONFIG, "%s", error);
		else if (is_over)
			rc = consumers_late(answer.json, lags);
		client_answer_done(&answer);
		if (rc == EXIT_OK && !is_over)
			ask_pause(s->ask, CONSUMERS_LOOK_MS);
	}
	client_free(cl);
	return rc;
}

static int consumers_store(struct consumers *s)
{
	int64_t is_done = 0;
	int tries, rc = EXIT_OK;

	if (s->node_text != NULL)
		return ctl_fail(EXIT_CONFIG,
			"%s is set and goes before %s on this node; delete it "
			"first",
			s->node_key, s->key);
	for (tries = 0; rc == EXIT_OK && !is_done; tries++) {
		if (tries == CONSUMERS_TRIES)
			return ctl_fail(EXIT_CONFIG,
				"%s is being changed by others", s->key);
		if (tries > 0)
			rc = consumers_read(s);
		if (rc == EXIT_OK)
			rc = consumers_merge(s, &is_done);
	}
	if (rc == EXIT_OK)
		rc = consumers_tell(s);
	if (rc == EXIT_OK)
		rc = consumers_read(s);
	return rc;
}

int consumers_set(struct ctl *c)
{
	struct consumers s;
	int rc = consumers_open(c, &s);

	if (rc != EXIT_OK)
		return rc;
	rc = consumers_store(&s);
	if (rc == EXIT_OK)
		rc = consumers_wait(&s, false);
	consumers_close(&s);
	return rc;
}

int consumers_unset(struct ctl *c)
{
	struct consumers s;
	int rc = consumers_open(c, &s);

	if (rc != EXIT_OK)
		return rc;
	if (s.node_text != NULL) {
		rc = ctl_fail(EXIT_CONFIG,
			"%s is set and goes on after %s is gone; delete it "
			"first",
			s.node_key, s.key);
	} else {
		const char *argv[2] = { "DEL", s.key };

		rc = ask_command(s.ask, NULL, NULL, 2, argv, NULL);
	}
	if (rc == EXIT_OK)
		rc = consumers_tell(&s);
	if (rc == EXIT_OK)
		rc = consumers_read(&s);
	if (rc == EXIT_OK)
		rc = consumers_wait(&s, true);
	consumers_close(&s);
	return rc;
}
