/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/fire.h"

#define FIRE_COLUMNS 8
#define FIRE_PARAMS  (FIRE_COLUMNS + 2)
#define FIRE_STEPS   (FIRE_VERSIONS + 1) /* columns of a step */

enum fire_column {
	FIRE_IDS,
	FIRE_OLDS,
	FIRE_NEWS,
	FIRE_VERSIONS,
	FIRE_RUNS,
	FIRE_TIMES,
	FIRE_KINDS,
	FIRE_NOTES
};

struct fire {
	struct pg_array columns[FIRE_COLUMNS];
	size_t steps;
};

static const struct pg_statement fire_statement = {
	.name = "fire",
	.text = "SELECT what, definition_id, instance_id, number, envelope "
		"FROM reeve.fire($1::uuid[], $2::bigint[], $3::bigint[],"
		" $4::bigint[], $5::int[], $6::bigint[], $7::text[],"
		" $8::text[], $9::bigint * interval '1 microsecond',"
		" $10::boolean)",
	.params = FIRE_PARAMS,
};
static const struct pg_statement fire_steps_statement = {
	.name = "fire_steps",
	.text = "SELECT reeve.step($1::uuid[], $2::bigint[], $3::bigint[],"
		" $4::bigint[])",
	.params = 4,
};

/* The words of reeve.fire. */
static const char *const fire_kinds[] = {
	[FIRE_RUN] = "fire",
	[FIRE_HOLD] = "hold",
	[FIRE_SKIP] = "skip",
	[FIRE_MISFIRE] = "misfire",
};
static const char *const fire_whats[] = {
	[FIRED_WON] = "won",
	[FIRED_INLINE] = "inline",
	[FIRED_CANCEL] = "cancel",
	[FIRED_STOPPED] = "stopped",
};

struct fire *fire_new(void)
{
	return xcalloc(1, sizeof(struct fire));
}

void fire_free(struct fire *f)
{
	int i;

	if (f == NULL)
		return;
	for (i = 0; i < FIRE_COLUMNS; i++)
		pg_array_free(&f->columns[i]);
	free(f);
}

void fire_add_step(
	struct fire *f, const char *id, int64_t old_us, int64_t version)
{
	f->steps++;
	pg_array_add(&f->columns[FIRE_IDS], id);
	pg_array_add_int(&f->columns[FIRE_OLDS], old_us);
	pg_array_add_int(&f->columns[FIRE_VERSIONS], version);
}

void fire_set_next(struct fire *f, int64_t next_us)
{
	if (next_us == FIRE_NEVER)
		pg_array_add(&f->columns[FIRE_NEWS], NULL);
	else
		pg_array_add_int(&f->columns[FIRE_NEWS], next_us);
}

void fire_add_run(
	struct fire *f, int64_t at_us, enum fire_kind kind, const char *note)
{
	pg_array_add_int(&f->columns[FIRE_RUNS], (int64_t)f->steps);
	pg_array_add_int(&f->columns[FIRE_TIMES], at_us);
	pg_array_add(&f->columns[FIRE_KINDS], fire_kinds[kind]);
	pg_array_add(&f->columns[FIRE_NOTES], note);
}

size_t fire_steps(const struct fire *f)
{
	return f->steps;
}

int fire_send(struct fire *f, struct pg *pg, int64_t tolerance_us,
	enum fire_how how, pg_result_fn fn, void *arg)
{
	const char *values[FIRE_PARAMS];
	char tolerance[24];
	int i;

	for (i = 0; i < FIRE_COLUMNS; i++)
		values[i] = pg_array_text(&f->columns[i]);
	snprintf(tolerance, sizeof(tolerance), "%" PRId64, tolerance_us);
	values[FIRE_COLUMNS] = tolerance;
	values[FIRE_COLUMNS + 1] = how == FIRE_LAZY ? "true" : "false";
	return pg_query(pg, &fire_statement, values, fn, arg);
}

int fire_send_steps(struct fire *f, struct pg *pg, pg_result_fn fn, void *arg)
{
	const char *values[FIRE_STEPS];
	int i;

	for (i = 0; i < FIRE_STEPS; i++)
		values[i] = pg_array_text(&f->columns[i]);
	return pg_query(pg, &fire_steps_statement, values, fn, arg);
}

static size_t fire_find(
	const char *const *words, size_t count, const char *word)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(words[i], word) == 0)
			break;
	return i;
}

struct fire_row fire_read(const struct pg_result *r, int row)
{
	const char *what = pg_result_text(r, row, 0);
	struct fire_row f = { .what = FIRED_UNKNOWN,
		.definition = pg_result_text(r, row, 1),
		.instance = pg_result_text(r, row, 2),
		.number = pg_result_int(r, row, 3, FIRE_NEVER),
		.envelope = pg_result_text(r, row, 4) };
	size_t i = fire_find(fire_whats, FIRED_STOPPED + 1, what);

	if (strcmp(what, "later") == 0) {
		f.what = FIRED_LATER;
		return f;
	}
	if (i <= FIRED_STOPPED) {
		f.what = (enum fire_what)i;
		return f;
	}
	i = fire_find(fire_kinds, FIRE_MISFIRE + 1, what);
	if (i <= FIRE_MISFIRE) {
		f.what = FIRED_RUNS;
		f.kind = (enum fire_kind)i;
	}
	return f;
}
