/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "board/procfs.h"
#include "board/report.h"
#include "board/view.h"

/* An empty field of the board is "nothing to say". */
static void report_text(struct jsonw *j, const char *key, const char *text)
{
	jsonw_str(j, key, text[0] == '\0' ? NULL : text);
}

static double report_seconds(int64_t us)
{
	return us < 0 ? 0 : (double)us / US_PER_S;
}

static void report_cpus(struct jsonw *j, const struct board_slot *s)
{
	int i;

	jsonw_array(j, "cpus");
	for (i = 0; i < BOARD_CPU_WORDS * 64; i++) {
		if (s->cpus[i / 64] >> (i % 64) & 1)
			jsonw_int(j, NULL, i);
	}
	jsonw_end_array(j);
}

/* Idle is well however long it lasts; busy counts since it began. */
static void report_heartbeat(
	struct jsonw *j, const struct board_live *live, int64_t now)
{
	uint32_t pulse =
		atomic_load_explicit(&live->pulse, memory_order_acquire);
	int64_t at =
		atomic_load_explicit(&live->pulse_at_us, memory_order_relaxed);

	if (pulse == BOARD_PULSE_BUSY && at > 0)
		jsonw_int(j, "heartbeat_age_ms",
			now > at ? (now - at) / US_PER_MS : 0);
	else if (pulse == BOARD_PULSE_IDLE)
		jsonw_int(j, "heartbeat_age_ms", 0);
	else
		jsonw_null(j, "heartbeat_age_ms");
}

static void report_memory(
	struct jsonw *j, int32_t pid, enum report_detail detail)
{
	int64_t pss = -1, rss = -1;

	if (pid > 0 && detail == REPORT_MEMORY)
		pss = procfs_pss_kb(pid);
	if (pss >= 0) {
		jsonw_int(j, "pss_kb", pss);
		return;
	}
	jsonw_null(j, "pss_kb");
	if (pid > 0 && detail == REPORT_MEMORY)
		rss = procfs_rss_kb(pid);
	if (rss >= 0)
		jsonw_int(j, "rss_kb", rss);
}

static void report_counts(struct jsonw *j, const struct board_live *live,
	int32_t pid, int64_t now)
{
	if (pid > 0)
		report_heartbeat(j, live, now);
	else
		jsonw_null(j, "heartbeat_age_ms");
	jsonw_int(j, "tasks",
		(int64_t)atomic_load_explicit(
			&live->tasks, memory_order_relaxed));
	jsonw_int(j, "failed",
		(int64_t)atomic_load_explicit(
			&live->failed, memory_order_relaxed));
	jsonw_int(j, "in_flight",
		atomic_load_explicit(&live->in_flight, memory_order_relaxed));
	jsonw_int(j, "connections",
		atomic_load_explicit(&live->connections, memory_order_relaxed));
}

static void report_worker(struct jsonw *j, const struct board *b, int slot,
	enum report_detail detail, int64_t now)
{
	struct board_slot s;

	(void)board_read_slot(b, slot, &s);
	if (s.state == BOARD_EMPTY || s.state >= BOARD_STATE_COUNT)
		return;
	jsonw_object(j, NULL);
	jsonw_int(j, "slot", s.index);
	if (s.pid > 0)
		jsonw_int(j, "pid", s.pid);
	else
		jsonw_null(j, "pid");
	jsonw_str(j, "state", board_state_names[s.state]);
	jsonw_int(j, "generation", s.generation);
	report_cpus(j, &s);
	jsonw_num(j, "since_s", report_seconds(now - s.since_us));
	jsonw_int(j, "restarts", (int64_t)s.restarts);
	report_counts(j, &b->map->live[slot], s.pid, now);
	report_memory(j, s.pid, detail);
	report_text(j, "why", s.why);
	report_text(j, "last_exit", s.last_exit);
	jsonw_end_object(j);
}

static void report_limit(struct jsonw *j, const char *key, int64_t value)
{
	if (value > 0)
		jsonw_int(j, key, value);
	else
		jsonw_null(j, key);
}

static void report_pool_fields(struct jsonw *j, const struct board_pool *p)
{
	jsonw_str(j, "name", p->name);
	jsonw_str(j, "kind", p->kind);
	jsonw_str(j, "state", board_pool_state_names[p->state]);
	jsonw_int(j, "desired", p->desired);
	jsonw_int(j, "ready", p->ready);
	report_text(j, "source", p->source);
	jsonw_int(j, "generation", p->generation);
	jsonw_bool(j, "internal", p->is_internal != 0);
	report_text(j, "log", p->log_path);
	report_text(j, "listen", p->listen);
	jsonw_object(j, "memory");
	report_limit(j, "soft", p->memory_soft);
	report_limit(j, "hard", p->memory_hard);
	jsonw_end_object(j);
}

static void report_pool(struct jsonw *j, const struct view *v, int pool,
	const struct board_pool *p, enum report_detail detail, int64_t now)
{
	const struct view_entry *e;
	size_t count;

	jsonw_object(j, NULL);
	report_pool_fields(j, p);
	jsonw_array(j, "workers");
	for (e = view_entries(v, pool, &count); count > 0; count--, e++)
		report_worker(j, v->board, e->slot, detail, now);
	jsonw_end_array(j);
	jsonw_end_object(j);
}

static void report_reload(struct jsonw *j, const struct board_header *h)
{
	char iso[CLOCK_ISO_MAX];

	jsonw_object(j, "last_reload");
	if (h->reload_at_wall == 0) {
		jsonw_null(j, "ok");
		jsonw_null(j, "at");
		jsonw_null(j, "error");
	} else {
		jsonw_bool(j, "ok", h->reload_ok != 0);
		jsonw_str(j, "at", clock_iso(h->reload_at_wall, iso));
		if (h->reload_ok != 0)
			jsonw_null(j, "error");
		else
			report_text(j, "error", h->reload_error);
	}
	jsonw_end_object(j);
}

static void report_header(struct jsonw *j, const struct board *b, int64_t now)
{
	struct board_header h;
	char iso[CLOCK_ISO_MAX];

	(void)board_read_header(b, &h);
	jsonw_str(j, "node", h.node);
	jsonw_str(j, "version", h.software);
	jsonw_int(j, "pid", h.pid);
	jsonw_num(j, "uptime_s", report_seconds(now - h.started_us));
	jsonw_str(j, "started_at", clock_iso(h.started_wall, iso));
	jsonw_int(j, "generation", h.generation);
	jsonw_str(j, "state",
		h.state < BOARD_NODE_STATE_COUNT
			? board_node_state_names[h.state]
			: "unknown");
	report_text(j, "config", h.config);
	jsonw_int(j, "reloads", (int64_t)h.reloads);
	jsonw_int(j, "reloads_failed", (int64_t)h.reloads_failed);
	jsonw_int(j, "upgrades", (int64_t)h.upgrades);
	report_text(j, "counts_error", h.counts_error);
	report_reload(j, &h);
}

/* NULL is all; "queue" is "queue.high" too. */
static bool report_is_asked_for(const struct board_pool *p, const char *pool)
{
	size_t len = pool != NULL ? strlen(pool) : 0;

	return pool == NULL || strcmp(p->name, pool) == 0 ||
	       (strncmp(p->name, pool, len) == 0 && p->name[len] == '.');
}

int report_status(const struct board *b, const char *pool,
	enum report_detail detail, struct buf *out)
{
	int64_t now = clock_now();
	struct board_pool p;
	bool found = pool == NULL;
	struct jsonw j;
	struct view v;
	int i;

	view_init(&v, b);
	for (i = 0; i < v.pool_limit && !found; i++)
		found = view_pool(&v, i, &p) && report_is_asked_for(&p, pool);
	if (!found) {
		view_done(&v);
		return -1;
	}
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	report_header(&j, b, now);
	jsonw_array(&j, "pools");
	for (i = 0; i < v.pool_limit; i++) {
		if (view_pool(&v, i, &p) && report_is_asked_for(&p, pool))
			report_pool(&j, &v, i, &p, detail, now);
	}
	jsonw_end_array(&j);
	jsonw_end_object(&j);
	view_done(&v);
	return 0;
}
