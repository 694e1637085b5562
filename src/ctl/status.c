/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/status.h"

#define STATUS_SPAN_MAX 32

static const struct table_column status_pool_columns[] = {
	{ "POOL", TABLE_LEFT, TABLE_FIXED },
	{ "KIND", TABLE_LEFT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "READY", TABLE_RIGHT, TABLE_FIXED },
	{ "GEN", TABLE_RIGHT, TABLE_FIXED },
	{ "COUNT FROM", TABLE_LEFT, TABLE_ELASTIC },
	{ "LISTEN", TABLE_LEFT, TABLE_ELASTIC },
};

static const struct table_column status_worker_columns[] = {
	{ "WORKER", TABLE_LEFT, TABLE_FIXED },
	{ "PID", TABLE_RIGHT, TABLE_FIXED },
	{ "STATE", TABLE_LEFT, TABLE_FIXED },
	{ "GEN", TABLE_RIGHT, TABLE_FIXED },
	{ "CPU", TABLE_LEFT, TABLE_OPTIONAL },
	{ "SINCE", TABLE_RIGHT, TABLE_FIXED },
	{ "RESTARTS", TABLE_RIGHT, TABLE_FIXED },
	{ "PSS", TABLE_RIGHT, TABLE_OPTIONAL },
	{ "TASKS", TABLE_RIGHT, TABLE_OPTIONAL },
	{ "CPU%", TABLE_RIGHT, TABLE_OPTIONAL },
	{ "WHY", TABLE_LEFT, TABLE_ELASTIC },
};

#define STATUS_COLUMNS(list) (list), sizeof(list) / sizeof(*(list))

const char *status_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

double status_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *status_span(double seconds, char ret_text[STATUS_SPAN_MAX])
{
	return clock_span(
		(int64_t)(seconds * US_PER_S), ret_text, STATUS_SPAN_MAX);
}

static void status_put(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		buf_putc(out,
			(c < 0x20 && c != '\n') || c == 0x7f ? '?' : *text);
	}
}

static void status_reload(
	const json_t *doc, const struct screen *s, struct buf *out)
{
	const json_t *last = json_object_get(doc, "last_reload");
	const json_t *good = json_object_get(last, "ok");

	if (!json_is_boolean(good))
		return;
	if (json_is_true(good)) {
		buf_puts(out, ", reloaded ");
		status_put(out, status_text(last, "at"));
		return;
	}
	buf_printf(out, "\n%slast reload failed%s at ",
		screen_on(s, SCREEN_BAD), screen_off(s, SCREEN_BAD));
	status_put(out, status_text(last, "at"));
	buf_puts(out, ", nothing was changed:\n");
	status_put(out, status_text(last, "error"));
	if (out->data[out->len - 1] == '\n')
		out->len--;
}

/* Why the numbers of workers that Redis says are not in effect. */
static void status_counts(
	const json_t *doc, const struct screen *s, struct buf *out)
{
	const char *error = status_text(doc, "counts_error");

	if (error[0] == '\0')
		return;
	buf_printf(out, "%scounts: ", screen_on(s, SCREEN_BAD));
	status_put(out, error);
	buf_printf(out, "%s\n", screen_off(s, SCREEN_BAD));
}

void status_summary(const json_t *doc, const struct screen *s, struct buf *out)
{
	const char *state = status_text(doc, "state");
	enum screen_colour colour = screen_state(state);
	char span[STATUS_SPAN_MAX];

	status_put(out, status_text(doc, "node"));
	buf_printf(out, ": %s", screen_on(s, colour));
	status_put(out, state);
	buf_printf(out, "%s, reeve ", screen_off(s, colour));
	status_put(out, status_text(doc, "version"));
	buf_printf(out, ", pid %.0f, up %s, generation %.0f",
		status_number(doc, "pid"),
		status_span(status_number(doc, "uptime_s"), span),
		status_number(doc, "generation"));
	status_reload(doc, s, out);
	buf_putc(out, '\n');
	status_counts(doc, s, out);
}

static void status_pool(struct table *t, const json_t *pool)
{
	const char *state = status_text(pool, "state");

	table_cell(t, SCREEN_PLAIN, "%s", status_text(pool, "name"));
	table_cell(t, SCREEN_PLAIN, "%s", status_text(pool, "kind"));
	table_cell(t, screen_state(state), "%s", state);
	table_cell(t, SCREEN_PLAIN, "%.0f/%.0f", status_number(pool, "ready"),
		status_number(pool, "desired"));
	table_cell(t, SCREEN_PLAIN, "%.0f", status_number(pool, "generation"));
	table_cell(t, SCREEN_PLAIN, "%s", status_text(pool, "source"));
	table_cell(t, SCREEN_PLAIN, "%s", status_text(pool, "listen"));
}

/* The operator's pools first, then those of the daemon itself. */
static bool status_is_of(const json_t *pool, int pass)
{
	return json_is_true(json_object_get(pool, "internal")) == (pass == 1);
}

struct table *status_pools(const json_t *doc)
{
	struct table *t = table_new(STATUS_COLUMNS(status_pool_columns));
	const json_t *pool;
	size_t i;
	int pass;

	for (pass = 0; pass < 2; pass++) {
		json_array_foreach(json_object_get(doc, "pools"), i, pool)
		{
			if (status_is_of(pool, pass))
				status_pool(t, pool);
		}
	}
	return t;
}

/* "0-3,7" of [0,1,2,3,7]. */
static void status_cpus(struct table *t, const json_t *list)
{
	struct buf out = BUF_INIT;
	size_t i, n = json_array_size(list), first;

	for (i = 0; i < n; i++) {
		json_int_t cpu = json_integer_value(json_array_get(list, i));

		for (first = i;
			i + 1 < n &&
			json_integer_value(json_array_get(list, i + 1)) ==
				cpu + (json_int_t)(i + 1 - first);)
			i++;
		buf_printf(
			&out, "%s%lld", out.len > 0 ? "," : "", (long long)cpu);
		if (i > first)
			buf_printf(&out, "-%lld",
				(long long)cpu + (long long)(i - first));
	}
	table_cell(t, SCREEN_PLAIN, "%s", buf_str(&out));
	buf_done(&out);
}

static void status_memory(struct table *t, const json_t *worker)
{
	const json_t *pss = json_object_get(worker, "pss_kb");
	const json_t *rss = json_object_get(worker, "rss_kb");
	const json_t *kb = json_is_integer(pss) ? pss : rss;
	double value = json_number_value(kb);

	if (!json_is_integer(kb))
		table_cell(t, SCREEN_PLAIN, "-");
	else if (value < 1024)
		table_cell(t, SCREEN_PLAIN, "%.0fK%s", value,
			kb == rss ? " rss" : "");
	else
		table_cell(t, SCREEN_PLAIN, "%.1fM%s", value / 1024,
			kb == rss ? " rss" : "");
}

static void status_why(struct table *t, const json_t *worker)
{
	const char *why = status_text(worker, "why");
	const char *last = status_text(worker, "last_exit");

	if (*last != '\0' && strstr(why, last) != NULL)
		last = "";
	if (*why != '\0' && *last != '\0')
		table_cell(t, SCREEN_PLAIN, "%s (last exit: %s)", why, last);
	else if (*last != '\0')
		table_cell(t, SCREEN_PLAIN, "last exit: %s", last);
	else
		table_cell(t, SCREEN_PLAIN, "%s", why);
}

/* Programs are pulse-less: they have no tasks to tell. */
static void status_tasks(struct table *t, const json_t *worker)
{
	double tasks = status_number(worker, "tasks");

	if (json_is_null(json_object_get(worker, "heartbeat_age_ms")) &&
		tasks == 0)
		table_cell(t, SCREEN_PLAIN, "-");
	else
		table_cell(t, SCREEN_PLAIN, "%.0f", tasks);
}

static void status_worker(struct table *t, const json_t *pool,
	const json_t *worker, const struct status_extra *x)
{
	const char *state = status_text(worker, "state");
	char span[STATUS_SPAN_MAX];

	table_cell(t, SCREEN_PLAIN, "%s.%.0f", status_text(pool, "name"),
		status_number(worker, "slot"));
	if (json_is_integer(json_object_get(worker, "pid")))
		table_cell(
			t, SCREEN_PLAIN, "%.0f", status_number(worker, "pid"));
	else
		table_cell(t, SCREEN_PLAIN, "-");
	table_cell(t, screen_state(state), "%s", state);
	table_cell(
		t, SCREEN_PLAIN, "%.0f", status_number(worker, "generation"));
	status_cpus(t, json_object_get(worker, "cpus"));
	table_cell(t, SCREEN_PLAIN, "%s",
		status_span(status_number(worker, "since_s"), span));
	table_cell(t, SCREEN_PLAIN, "%.0f", status_number(worker, "restarts"));
	status_memory(t, worker);
	status_tasks(t, worker);
	if (x != NULL)
		x->cell(t, worker, x->arg);
	else
		table_cell(t, SCREEN_PLAIN, "-");
	status_why(t, worker);
}

static void status_pool_workers(
	struct table *t, const json_t *pool, const struct status_extra *x)
{
	const json_t *worker;
	size_t i;

	json_array_foreach(json_object_get(pool, "workers"), i, worker)
	{
		status_worker(t, pool, worker, x);
	}
}

struct table *status_workers(const json_t *doc, const struct status_extra *x)
{
	struct table *t = table_new(STATUS_COLUMNS(status_worker_columns));
	const json_t *pool;
	size_t i;
	int pass;

	for (pass = 0; pass < 2; pass++) {
		json_array_foreach(json_object_get(doc, "pools"), i, pool)
		{
			if (status_is_of(pool, pass))
				status_pool_workers(t, pool, x);
		}
	}
	return t;
}

static void status_print(const json_t *doc)
{
	struct table *pools = status_pools(doc);
	struct table *workers = status_workers(doc, NULL);
	struct buf out = BUF_INIT;
	struct screen s;

	screen_init(&s);
	status_summary(doc, &s, &out);
	buf_putc(&out, '\n');
	table_print(pools, &s, 0, 0, &out);
	if (table_rows(workers) > 0) {
		buf_putc(&out, '\n');
		table_print(workers, &s, 0, 0, &out);
	}
	fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	table_free(workers);
	table_free(pools);
}

int status_command(struct ctl *c)
{
	struct client *cl = client_new(c);
	struct client_answer a;
	int rc = client_status(cl, c->argc > 0 ? c->argv[0] : NULL, &a);

	if (rc == EXIT_OK) {
		if (c->json)
			fwrite(a.body.data, 1, a.body.len, stdout);
		else
			status_print(a.json);
		client_answer_done(&a);
	}
	client_free(cl);
	return rc;
}
