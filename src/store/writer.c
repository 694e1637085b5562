/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store.h"
#include "store/writer_own.h"

#define WRITER_ROWS_MAX  1000      /* of a batch */
#define WRITER_BYTES_MAX (4 << 20) /* likewise, of texts */
/* What waits for the server at most, before no more is begun. */
#define WRITER_WAITING_MAX 8192
#define WRITER_PAUSE_MIN   (100 * US_PER_MS)
#define WRITER_PAUSE_MAX   (2 * US_PER_S)

static void writer_poke(struct writer_lane *lane);

static void writer_wait(struct writer_lane *lane, struct writer_run *r)
{
	TAILQ_INSERT_TAIL(&lane->waiting, r, entry);
	lane->count++;
}

static void writer_wait_first(struct writer_lane *lane, struct writer_run *r)
{
	TAILQ_INSERT_HEAD(&lane->waiting, r, entry);
	lane->count++;
}

static void writer_unwait(struct writer_lane *lane, struct writer_run *r)
{
	TAILQ_REMOVE(&lane->waiting, r, entry);
	lane->count--;
}

static struct writer_lane *writer_lane(struct writer_run *r)
{
	return &r->writer->lanes[r->step == WRITER_BEGINNING
					 ? WRITER_LANE_BEGIN
					 : WRITER_LANE_FINISH];
}

static size_t writer_weight(const struct writer_run *r)
{
	if (r->step == WRITER_BEGINNING)
		return r->task->params_len;
	return r->end.result_len + r->end.error_len;
}

static int writer_compare(const void *a, const void *b)
{
	const struct writer_run *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* Two entries of one task are two transactions. */
static void writer_part_twins(struct writer_batch *b)
{
	size_t i, kept = 0;

	for (i = 0; i < b->count; i++) {
		if (kept > 0 &&
			strcmp(b->runs[kept - 1]->id, b->runs[i]->id) == 0)
			writer_wait_first(b->lane, b->runs[i]);
		else
			b->runs[kept++] = b->runs[i];
	}
	b->count = kept;
}

/* Those of a batch know where they are, so that they can leave it. */
static void writer_batch_seat(struct writer_batch *b)
{
	size_t i;

	for (i = 0; i < b->count; i++) {
		b->runs[i]->batch = b;
		b->runs[i]->place = i;
		b->runs[i]->is_answered = false;
	}
}

static struct writer_batch *writer_batch_new(
	struct writer_lane *lane, size_t room)
{
	struct writer_batch *b =
		xcalloc(1, sizeof(*b) + room * sizeof(b->runs[0]));

	b->lane = lane;
	return b;
}

static struct writer_batch *writer_gather(struct writer_lane *lane)
{
	size_t room = lane->count < lane->limit ? lane->count : lane->limit;
	struct writer_batch *b = writer_batch_new(lane, room);
	size_t bytes = 0;

	while (b->count < room && bytes < WRITER_BYTES_MAX) {
		struct writer_run *r = TAILQ_FIRST(&lane->waiting);

		writer_unwait(lane, r);
		bytes += writer_weight(r);
		b->runs[b->count++] = r;
	}
	qsort(b->runs, b->count, sizeof(b->runs[0]), writer_compare);
	writer_part_twins(b);
	writer_batch_seat(b);
	return b;
}

static void writer_run_drop(struct writer_run *r)
{
	free(r->secret);
	free(r->seen_worker);
	free(r->why);
	free(r->result);
	free(r->error);
	free(r->progress);
	free(r);
}

/* The next run of a batch that is over, which leaves it; NULL: no more. */
static struct writer_run *writer_take(struct writer_batch *b, size_t *place)
{
	struct writer_run *r;

	while (*place < b->count) {
		r = b->runs[(*place)++];
		r->batch = NULL;
		if (!r->is_gone)
			return r;
		writer_run_drop(r);
	}
	return NULL;
}

/* Again, before all others. */
static void writer_put_back(struct writer_batch *b)
{
	size_t i;

	for (i = b->count; i-- > 0;) {
		b->runs[i]->batch = NULL;
		if (b->runs[i]->is_gone)
			writer_run_drop(b->runs[i]);
		else
			writer_wait_first(b->lane, b->runs[i]);
	}
	free(b);
}

static void writer_pause(struct writer_lane *lane)
{
	lane->pause_us *= 2;
	if (lane->pause_us < WRITER_PAUSE_MIN)
		lane->pause_us = WRITER_PAUSE_MIN;
	if (lane->pause_us > WRITER_PAUSE_MAX)
		lane->pause_us = WRITER_PAUSE_MAX;
	loop_timer_start(lane->timer, lane->pause_us);
}

static void writer_tell(struct writer_run *r, enum writer_event event)
{
	r->step = event == WRITER_BEGUN ? WRITER_RUNNING : WRITER_IDLE;
	r->fn(r, event, r->arg);
}

/* One that was asked after, since a statement had left it alone. */
static void writer_judge_begin(struct writer_run *r)
{
	struct writer_lane *lane = writer_lane(r);

	if (!r->is_answered) {
		r->is_missing = true;
		writer_wait(lane, r);
	} else if (r->seen == TASK_PENDING) {
		writer_wait(lane, r);
	} else {
		writer_tell(r, WRITER_LEFT);
	}
}

static void writer_judge_finish(struct writer_run *r, int64_t epoch)
{
	if (r->is_answered && epoch == r->epoch && r->seen != TASK_RUNNING)
		writer_tell(r, WRITER_ENDED); /* by a batch that was lost */
	else
		writer_tell(r, WRITER_FENCED);
}

static void writer_note_row(struct writer_batch *b, const struct pg_result *res,
	int row, int64_t *epochs)
{
	struct writer_run *r = writer_rows_find(b, pg_result_text(res, row, 0));
	const char *worker = pg_result_text(res, row, 3);
	int state = task_state_find(pg_result_text(res, row, 1));

	if (r == NULL)
		return;
	r->is_answered = true;
	r->seen = state >= 0 ? (enum task_state)state : TASK_FAILED;
	free(r->seen_worker);
	r->seen_worker = worker != NULL ? xstrdup(worker) : NULL;
	epochs[r->place] = pg_result_int(res, row, 2, 0);
}

static void writer_on_asked(const struct pg_result *res, void *arg)
{
	struct writer_batch *b = arg;
	struct writer_lane *lane = b->lane;
	int64_t *epochs = xcalloc(b->count, sizeof(*epochs));
	struct writer_run *r;
	size_t i = 0;
	int row;

	if (res == NULL || pg_result_is_error(res)) {
		if (res != NULL)
			writer_pause(lane);
		writer_put_back(b);
	} else {
		for (row = 0; row < pg_result_rows(res); row++)
			writer_note_row(b, res, row, epochs);
		while ((r = writer_take(b, &i)) != NULL)
			if (lane->kind == WRITER_LANE_BEGIN)
				writer_judge_begin(r);
			else
				writer_judge_finish(r, epochs[i - 1]);
		free(b);
	}
	free(epochs);
	writer_poke(lane);
}

/* Those that a committed batch has left alone. */
static void writer_ask(struct writer_lane *lane, struct writer_batch *left)
{
	if (left->count == 0) {
		free(left);
		return;
	}
	writer_batch_seat(left);
	if (writer_rows_ask(left, lane->writer->pg, writer_on_asked) != 0)
		writer_put_back(left);
}

static void writer_committed(struct writer_lane *lane, struct writer_batch *b)
{
	struct writer_batch *left = NULL;
	struct writer_run *r;
	size_t i = 0;

	lane->pause_us = 0;
	lane->limit *= 2;
	if (lane->limit > WRITER_ROWS_MAX)
		lane->limit = WRITER_ROWS_MAX;
	while ((r = writer_take(b, &i)) != NULL) {
		if (r->is_answered) {
			writer_tell(r, lane->kind == WRITER_LANE_BEGIN
					       ? WRITER_BEGUN
					       : WRITER_ENDED);
			continue;
		}
		if (left == NULL)
			left = writer_batch_new(lane, b->count);
		/* Seated at once: who is told meanwhile may free it. */
		r->batch = left;
		r->place = left->count;
		left->runs[left->count++] = r;
	}
	free(b);
	if (left != NULL)
		writer_ask(lane, left);
}

static void writer_refused_row(
	struct writer_run *r, const struct pg_result *error)
{
	log_warn("task %s: PostgreSQL refuses its row: %s", r->id,
		pg_result_error(error));
	if (r->step == WRITER_ENDING && !r->is_bare) {
		r->is_bare = true;
		writer_wait_first(writer_lane(r), r);
		return;
	}
	free(r->why);
	r->why = xasprintf("PostgreSQL refuses it: %s", pg_result_error(error));
	writer_tell(r, WRITER_REFUSED);
}

static void writer_refused(struct writer_lane *lane, struct writer_batch *b,
	const struct pg_result *error)
{
	const char *state = pg_result_sqlstate(error);
	struct writer_run *r;
	size_t i = 0;

	if (store_is_passing(error)) {
		/* Deadlock, serialization: at once. */
		if (strcmp(state, "40P01") != 0 && strcmp(state, "40001") != 0)
			writer_pause(lane);
		log_warn("postgresql: %s of %zu tasks: %s, trying again",
			lane->kind == WRITER_LANE_BEGIN ? "begin" : "end",
			b->count, pg_result_error(error));
		writer_put_back(b);
	} else if (b->count > 1) {
		lane->limit = (b->count + 1) / 2;
		writer_put_back(b);
	} else {
		if ((r = writer_take(b, &i)) != NULL)
			writer_refused_row(r, error);
		free(b);
	}
}

static void writer_on_batch(
	enum pg_verdict verdict, const struct pg_result *error, void *arg)
{
	struct writer_batch *b = arg;
	struct writer_lane *lane = b->lane;

	lane->is_sent = false;
	switch (verdict) {
	case PG_COMMITTED: writer_committed(lane, b); break;
	case PG_REFUSED: writer_refused(lane, b, error); break;
	case PG_LOST: writer_put_back(b); break;
	}
	writer_poke(lane);
}

static void writer_flush(struct writer_lane *lane)
{
	struct pg *pg = lane->writer->pg;
	struct writer_batch *b;
	struct pg_batch *to;

	if (lane->is_sent || lane->count == 0 || !pg_is_up(pg) ||
		loop_timer_is_set(lane->timer))
		return;
	b = writer_gather(lane);
	to = pg_batch_new(pg);
	if (lane->kind == WRITER_LANE_BEGIN)
		writer_rows_begin(b, to);
	else
		writer_rows_finish(b, to);
	if (pg_batch_send(to, writer_on_batch, b) == 0) {
		lane->is_sent = true;
		return;
	}
	writer_put_back(b);
	writer_pause(lane);
}

static void writer_on_turn(void *arg)
{
	struct writer_lane *lane = arg;

	lane->is_deferred = false;
	writer_flush(lane);
}

static void writer_on_pause(void *arg)
{
	writer_poke(arg);
}

static void writer_poke(struct writer_lane *lane)
{
	if (lane->is_deferred || lane->is_sent || lane->count == 0)
		return;
	lane->is_deferred = true;
	loop_defer(lane->writer->loop, writer_on_turn, lane);
}

struct writer *writer_new(struct loop *l, struct pg *pg, const char *name)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	int i;

	w->loop = l;
	w->pg = pg;
	w->name = xstrdup(name);
	w->node = xstrndup(name, strcspn(name, "/"));
	for (i = 0; i < WRITER_LANE_COUNT; i++) {
		struct writer_lane *lane = &w->lanes[i];

		lane->writer = w;
		lane->kind = (enum writer_lanes)i;
		lane->limit = WRITER_ROWS_MAX;
		TAILQ_INIT(&lane->waiting);
		lane->timer = loop_timer_new(l, writer_on_pause, lane);
	}
	w->notes = writer_notes_new(w);
	return w;
}

void writer_free(struct writer *w)
{
	int i;

	if (w == NULL)
		return;
	writer_notes_free(w->notes);
	for (i = 0; i < WRITER_LANE_COUNT; i++) {
		loop_defer_cancel(w->loop, writer_on_turn, &w->lanes[i]);
		loop_timer_free(w->lanes[i].timer);
	}
	free(w->name);
	free(w->node);
	free(w);
}

void writer_on_pg(struct writer *w)
{
	int i;

	for (i = 0; i < WRITER_LANE_COUNT; i++) {
		loop_timer_stop(w->lanes[i].timer);
		writer_poke(&w->lanes[i]);
	}
	writer_notes_poke(w->notes);
}

bool writer_has_room(const struct writer *w)
{
	return pg_is_up(w->pg) &&
	       w->lanes[WRITER_LANE_BEGIN].count < WRITER_WAITING_MAX &&
	       w->lanes[WRITER_LANE_FINISH].count < WRITER_WAITING_MAX;
}

struct writer_run *writer_run_new(struct writer *w, const struct task *task,
	const char *topic, writer_fn fn, void *arg)
{
	struct writer_run *r = xcalloc(1, sizeof(*r));
	size_t i;

	r->writer = w;
	r->task = task;
	r->topic = topic;
	r->fn = fn;
	r->arg = arg;
	r->percent = -1;
	for (i = 0; i < UUID_TEXT_LEN; i++)
		r->id[i] = (char)tolower((unsigned char)task->id[i]);
	return r;
}

void writer_run_free(struct writer_run *r)
{
	if (r == NULL)
		return;
	writer_notes_forget(r->writer->notes, r);
	if (r->batch != NULL) {
		/* The rest of its batch is found by its place. */
		r->is_gone = true;
		return;
	}
	if (r->step == WRITER_BEGINNING || r->step == WRITER_ENDING)
		writer_unwait(writer_lane(r), r);
	writer_run_drop(r);
}

void writer_begin(struct writer_run *r, bool is_takeover)
{
	struct writer *w = r->writer;

	r->began_us = clock_wall();
	if (r->began_us <= w->last_us)
		r->began_us = w->last_us + 1;
	w->last_us = r->began_us;
	r->is_takeover = is_takeover;
	r->step = WRITER_BEGINNING;
	writer_wait(writer_lane(r), r);
	writer_poke(writer_lane(r));
}

bool writer_is_sent(const struct writer_run *r)
{
	return r->batch != NULL;
}

static char *writer_keep(const char *text, size_t len)
{
	char *kept;

	if (text == NULL)
		return NULL;
	kept = xmalloc(len + 1);
	memcpy(kept, text, len);
	kept[len] = '\0';
	return kept;
}

void writer_finish(struct writer_run *r, const struct writer_end *end)
{
	r->end = *end;
	r->result = writer_keep(end->result, end->result_len);
	r->error = writer_keep(end->error, end->error_len);
	r->end.result = r->result;
	r->end.error = r->error;
	r->ended_us = clock_wall();
	r->step = WRITER_ENDING;
	if (end->is_failure)
		writer_notes_error(r->writer->notes, r, end);
	writer_wait(writer_lane(r), r);
	writer_poke(writer_lane(r));
}
