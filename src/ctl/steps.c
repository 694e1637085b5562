/* SPDX-License-Identifier: ISC */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ctl/db.h"
#include "ctl/definition.h"
#include "ctl/status.h"
#include "ctl/steps.h"

/* Of an output that has lost its start, so much is looked for in what it is
 * now, to go on behind it. */
#define STEPS_OVERLAP 256
/* One that says nothing is shown at its end, unless it takes longer. */
#define STEPS_SHORT_S 1.0

/* One that is under way. */
struct steps_open {
	char id[24];
	char *output; /* what was printed of it */
};

void steps_init(struct steps *s, const char *id)
{
	*s = (struct steps){ .id = id, .over = BUF_INIT };
}

void steps_done(struct steps *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		free(s->open[i].output);
	free(s->open);
	buf_done(&s->over);
}

static struct steps_open *steps_find(struct steps *s, const char *id)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (strcmp(s->open[i].id, id) == 0)
			return &s->open[i];
	return NULL;
}

static struct steps_open *steps_add(struct steps *s, const char *id)
{
	struct steps_open *o;

	s->open = xreallocarray(s->open, s->count + 1, sizeof(*s->open));
	o = &s->open[s->count++];
	snprintf(o->id, sizeof(o->id), "%s", id);
	o->output = xstrdup("");
	return o;
}

static void steps_close(struct steps *s, struct steps_open *o)
{
	buf_printf(&s->over, "%s%s", s->over.len > 0 ? "," : "", o->id);
	free(o->output);
	*o = s->open[--s->count];
}

static void steps_print_head(struct steps *s, const json_t *step)
{
	bool is_over = strcmp(status_text(step, "state"), "RUNNING") != 0;

	printf("%s  %s  %-13s %s", status_text(step, "started"),
		status_text(step, "node"), status_text(step, "step"),
		status_text(step, "state"));
	if (is_over)
		printf("  %.1f s", status_number(step, "seconds"));
	putchar('\n');
	snprintf(s->last, sizeof(s->last), "%s", status_text(step, "id"));
}

/* What is behind that which was printed. */
static const char *steps_rest(const char *printed, const char *output)
{
	size_t len = strlen(printed);
	const char *at;

	if (strncmp(output, printed, len) == 0)
		return output + len;
	if (len > STEPS_OVERLAP)
		printed += len - STEPS_OVERLAP;
	at = strstr(output, printed);
	return at != NULL ? at + strlen(printed) : output;
}

static void steps_print_lines(const char *text)
{
	const char *end;

	for (; *text != '\0'; text = *end != '\0' ? end + 1 : end) {
		end = text + strcspn(text, "\n");
		printf("    %.*s\n", (int)(end - text), text);
	}
}

void steps_print(struct steps *s, const json_t *step)
{
	const char *id = status_text(step, "id");
	const char *output = status_text(step, "output");
	bool is_over = strcmp(status_text(step, "state"), "RUNNING") != 0;
	struct steps_open *o = steps_find(s, id);
	bool is_new = o == NULL;
	const char *rest;

	if (is_new && !is_over && s->is_live && *output == '\0' &&
		status_number(step, "seconds") < STEPS_SHORT_S)
		return;
	if (is_new)
		o = steps_add(s, id);
	rest = steps_rest(o->output, output);
	/* Another node's has come between them. */
	if (is_new || (*rest != '\0' && strcmp(s->last, id) != 0))
		steps_print_head(s, step);
	steps_print_lines(rest);
	if (is_over) {
		if (!is_new)
			steps_print_head(s, step);
		steps_close(s, o);
	} else {
		free(o->output);
		o->output = xstrdup(output);
	}
}

int steps_look(struct steps *s, struct db *db, bool print)
{
	char *over = xasprintf("{%s}", buf_str(&s->over));
	const char *values[] = { s->id, over };
	struct db_rows *r;
	json_t *rows, *step;
	size_t i;
	int rc = EXIT_OK;

	if (print)
		rc = db_query(db, &r,
			"SELECT json_build_object('id', s.id::text, 'node', "
			"s.node, 'step', s.step, 'state', s.state, 'output', "
			"s.output, 'started', to_char(s.started_at AT TIME "
			"ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "
			"'seconds', extract(epoch FROM coalesce("
			"s.finished_at, clock_timestamp()) - s.started_at)) "
			"FROM reeve.deployment_steps s "
			"WHERE s.deployment_id = $1 "
			"AND s.id <> ALL ($2::bigint[]) ORDER BY s.id",
			2, values);
	free(over);
	if (!print || rc != EXIT_OK)
		return rc;
	rows = definition_rows(r);
	json_array_foreach(rows, i, step) steps_print(s, step);
	fflush(stdout);
	json_decref(rows);
	return EXIT_OK;
}
