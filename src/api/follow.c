/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/db.h"
#include "api/follow.h"
#include "api/instances.h"
#include "api/service.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "loop/loop.h"

#define FOLLOW_LINES      "200" /* of one look */
#define FOLLOW_SOON_US    (200 * US_PER_MS)
#define FOLLOW_PAUSE_US   (2 * US_PER_S) /* between looks, at most */
#define FOLLOW_SILENCE_US (15 * US_PER_S)

struct follow {
	LIST_ENTRY(follow) entry;
	struct call *call;        /* it dies with it */
	struct loop_timer *timer; /* owned: the next look */
	const char *levels;
	char after[UUID_TEXT_LEN + 1]; /* the last line told; "": none */
	int64_t until_us;
	int64_t told_us; /* when something was sent last */
	int64_t pause_us;
	char *state; /* as it was told; on the arena */
	const char *status;
	int lines;       /* of the last look */
	bool is_looking; /* statements are under way */
	bool is_over;    /* the run is, and what it wrote is there to see */
	bool is_full;    /* the client does not take what was said */
	bool is_ending;  /* finish as soon as nothing is under way */
};

/* What was there a moment after a run's end is all there will be. */
static const struct pg_statement follow_state = {
	.name = "api_follow_state",
	.text = "SELECT status, json_build_object('status', status, 'progress',"
		" progress, 'progressText', progress_text, 'retryCount',"
		" retry_count), status NOT IN ('PENDING', 'RUNNING') AND"
		" coalesce(end_time, created_at) < clock_timestamp() -"
		" interval '1 second' FROM reeve.task_instances"
		" WHERE id = $1::uuid AND tenant_id = $2",
	.params = 2,
};

static const struct pg_statement follow_lines = {
	.name = "api_follow_lines",
	.text = "SELECT id, reeve.iso(log_time), log_level, log_message"
		" FROM reeve.task_logs WHERE task_instance_id = $1::uuid"
		" AND tenant_id = $2 AND ($3::uuid IS NULL OR id > $3::uuid)"
		" AND log_level = ANY ($4::text[])"
		" ORDER BY id LIMIT " FOLLOW_LINES,
	.params = 4,
};

static void follow_look(void *arg);

static void follow_end(struct follow *f)
{
	struct call *call = f->call;

	LIST_REMOVE(f, entry);
	loop_timer_free(f->timer);
	call_finish(call);
}

/* Not while statements are under way: they will tell it. */
static void follow_end_soon(struct follow *f)
{
	f->is_ending = true;
	if (!f->is_looking)
		follow_end(f);
}

void follow_stop(struct service *s)
{
	struct follow *f, *next;

	for (f = LIST_FIRST(&s->follows); f != NULL; f = next) {
		next = LIST_NEXT(f, entry);
		follow_end_soon(f);
	}
}

static void follow_on_state(struct call *call, const struct pg_result *r)
{
	struct follow *f = call->own;

	if (pg_result_rows(r) == 0) { /* retention took it */
		f->is_over = true;
		return;
	}
	f->status = arena_strdup(call->arena, pg_result_text(r, 0, 0));
	f->is_over = strcmp(pg_result_text(r, 0, 2), "t") == 0;
	if (f->state != NULL && strcmp(f->state, pg_result_text(r, 0, 1)) == 0)
		return;
	f->state = arena_strdup(call->arena, pg_result_text(r, 0, 1));
	buf_printf(&call->out, "event: state\ndata: %s\n\n", f->state);
}

static void follow_on_lines(struct call *call, const struct pg_result *r)
{
	struct follow *f = call->own;
	struct jsonw j;
	int i;

	f->lines = pg_result_rows(r);
	for (i = 0; i < f->lines; i++) {
		memcpy(f->after, pg_result_text(r, i, 0), UUID_TEXT_LEN);
		buf_printf(&call->out, "id: %s\nevent: log\ndata: ", f->after);
		jsonw_init(&j, &call->out);
		answer_put(&j, NULL, instance_log_fields, r, i, 0);
		buf_puts(&call->out, "\n\n");
	}
}

/* Returns whether all that was to be said is on its way. */
static bool follow_tell(struct follow *f)
{
	struct call *call = f->call;
	int rc;

	if (call->out.len == 0)
		return true;
	rc = http_reply_chunk(call->req, call->out.data, call->out.len);
	f->is_full = rc == 1;
	if (rc == -1)
		f->is_ending = true;
	if (rc == 0) {
		buf_reset(&call->out);
		f->told_us = clock_now();
	}
	return rc == 0;
}

/* Soon after something was said, later and later while nothing is. */
static void follow_again(struct follow *f)
{
	int64_t left_us = f->until_us - clock_now();

	if (f->lines > 0)
		f->pause_us = FOLLOW_SOON_US;
	loop_timer_start(
		f->timer, left_us < f->pause_us ? left_us : f->pause_us);
	f->pause_us += f->pause_us / 4;
	if (f->pause_us > FOLLOW_PAUSE_US)
		f->pause_us = FOLLOW_PAUSE_US;
}

static void follow_step(struct follow *f)
{
	bool is_last = f->is_over && f->lines == 0;

	if (is_last && !f->is_ending)
		buf_printf(&f->call->out,
			"event: end\ndata: {\"status\":\"%s\"}\n\n",
			f->status != NULL ? f->status : "");
	else if (clock_now() - f->told_us > FOLLOW_SILENCE_US)
		buf_puts(&f->call->out, ":\n\n");
	if (is_last || clock_now() >= f->until_us)
		f->is_ending = true;
	if (!follow_tell(f) && f->is_full)
		return; /* until there is room */
	if (f->is_ending)
		follow_end(f);
	else
		follow_again(f);
}

static void follow_on_looked(struct call *call, bool is_done)
{
	struct follow *f = call->own;

	f->is_looking = false;
	if (!is_done)
		f->lines = 0;
	if (f->is_ending)
		follow_end(f);
	else
		follow_step(f);
}

/* The database may be away for a while: the stream waits for it. */
static void follow_look(void *arg)
{
	struct follow *f = arg;
	struct call *call = f->call;
	const char *after = f->after[0] != '\0' ? f->after : NULL;

	f->lines = 0;
	db_begin(call);
	db_add(call, &follow_state,
		(const char *[]){ call->name, call->access.tenant },
		follow_on_state);
	db_add(call, &follow_lines,
		(const char *[]){
			call->name, call->access.tenant, after, f->levels },
		follow_on_lines);
	f->is_looking = db_send_quietly(call, follow_on_looked) == 0;
	if (!f->is_looking)
		follow_step(f);
}

static void follow_on_event(
	struct http_request *req, enum http_stream_event event, void *arg)
{
	struct follow *f = arg;

	(void)req;
	if (event != HTTP_STREAM_ROOM)
		follow_end_soon(f);
	else if (f->is_full && !f->is_looking)
		follow_step(f);
}

static bool follow_has_room(const struct call *call)
{
	const struct follow *f;
	int all = 0, own = 0;

	LIST_FOREACH(f, &call->service->follows, entry) {
		all++;
		own += strcmp(f->call->access.tenant, call->access.tenant) == 0;
	}
	return all < FOLLOW_MAX && own < FOLLOW_TENANT_MAX;
}

void follow_start(struct call *call, const char *levels, const char *after)
{
	struct follow *f;

	if (!follow_has_room(call)) {
		call_reply_later(
			call, 429, "too many logs are followed already", 5);
		return;
	}
	f = arena_alloc(call->arena, sizeof(*f));
	f->call = call;
	f->levels = levels;
	f->told_us = clock_now();
	f->until_us = f->told_us + FOLLOW_LIFE_S * US_PER_S;
	if (f->until_us > call->access.until_us)
		f->until_us = call->access.until_us;
	f->pause_us = FOLLOW_SOON_US;
	if (after != NULL)
		memcpy(f->after, after, UUID_TEXT_LEN);
	f->timer = loop_timer_new(
		worker_loop(call->service->worker), follow_look, f);
	call->own = f;
	LIST_INSERT_HEAD(&call->service->follows, f, entry);
	(void)http_reply_header(call->req, "Cache-Control", "no-store");
	/* Or nginx would keep what is said until there is more of it. */
	(void)http_reply_header(call->req, "X-Accel-Buffering", "no");
	call_begin_stream(call, "text/event-stream");
	http_reply_on_event(call->req, follow_on_event, f);
	loop_timer_start(f->timer, 0);
}
