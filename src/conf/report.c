/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/draft.h"
#include "conf/report.h"

/* Warnings never take the place of errors. */
#define REPORT_WARNINGS_MAX (CONF_ERRORS_MAX / 2)

struct report_key {
	struct conf_problem problem;
	size_t file, nr;
};

static bool report_is_same_place(
	const struct conf_mark *a, const struct conf_mark *b)
{
	return a->file != NULL && b->file != NULL && a->line == b->line &&
	       a->line > 0 && a->column == b->column &&
	       strcmp(a->file, b->file) == 0;
}

static bool report_has(const struct conf_report *r, enum conf_severity severity,
	const struct conf_mark *mark, const char *text)
{
	const struct conf_problem *p;
	size_t i;

	for (i = 0; i < r->count; i++) {
		p = &r->problems[i];
		if (p->severity != severity)
			continue;
		if (!report_is_same_place(&p->mark, mark))
			continue;
		if (severity == CONF_ERROR || strcmp(p->text, text) == 0)
			return true;
	}
	return false;
}

void report_add(struct conf_report *r, enum conf_severity severity,
	struct conf_mark mark, char *text)
{
	size_t room = severity == CONF_ERROR ? CONF_ERRORS_MAX + 1
					     : REPORT_WARNINGS_MAX;
	struct conf_problem *p;

	if (r->count >= room || report_has(r, severity, &mark, text)) {
		free(text);
		return;
	}
	if (r->problems == NULL)
		r->problems = xcalloc(CONF_ERRORS_MAX + 1, sizeof(*p));
	p = &r->problems[r->count++];
	p->severity = severity;
	p->mark = mark;
	if (mark.file != NULL)
		p->mark.file = xstrdup(mark.file);
	p->text = text;
	if (severity == CONF_ERROR)
		r->errors++;
}

static size_t report_file_nr(const struct conf_mark *m,
	const struct source *const *sources, size_t count)
{
	size_t i;

	for (i = 0; i < count && m->file != NULL; i++)
		if (strcmp(sources[i]->name, m->file) == 0)
			return i;
	return count;
}

static int report_compare(const void *pa, const void *pb)
{
	const struct report_key *a = pa, *b = pb;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->problem.mark.line != b->problem.mark.line)
		return a->problem.mark.line < b->problem.mark.line ? -1 : 1;
	if (a->problem.mark.column != b->problem.mark.column)
		return a->problem.mark.column < b->problem.mark.column ? -1 : 1;
	return a->nr < b->nr ? -1 : 1;
}

/* The last of too many makes room for saying that there are more. */
static void report_cut(struct conf_report *r)
{
	struct conf_problem *p = &r->problems[CONF_ERRORS_MAX];

	free(p->text);
	free((char *)p->mark.file);
	*p = (struct conf_problem){ .severity = CONF_ERROR,
		.text = xstrdup("too many problems: the rest is not shown") };
}

void report_finish(struct conf_report *r, const struct source *const *sources,
	size_t count)
{
	struct report_key *keys;
	size_t i;

	if (r->count == 0)
		return;
	keys = xcalloc(r->count, sizeof(*keys));
	for (i = 0; i < r->count; i++) {
		keys[i].problem = r->problems[i];
		keys[i].file =
			report_file_nr(&r->problems[i].mark, sources, count);
		keys[i].nr = i;
	}
	qsort(keys, r->count, sizeof(*keys), report_compare);
	for (i = 0; i < r->count; i++)
		r->problems[i] = keys[i].problem;
	free(keys);
	if (r->count > CONF_ERRORS_MAX)
		report_cut(r);
}

void conf_report_done(struct conf_report *r)
{
	size_t i;

	for (i = 0; i < r->count; i++) {
		free(r->problems[i].text);
		free((char *)r->problems[i].mark.file);
	}
	free(r->problems);
	memset(r, 0, sizeof(*r));
}

void conf_report_print(const struct conf_report *r, struct buf *out)
{
	const struct conf_problem *p;
	size_t i;

	for (i = 0; i < r->count; i++) {
		p = &r->problems[i];
		if (p->mark.file != NULL && p->mark.line > 0)
			buf_printf(out, "%s:%d:%d: ", p->mark.file,
				p->mark.line, p->mark.column);
		else if (p->mark.file != NULL)
			buf_printf(out, "%s: ", p->mark.file);
		buf_printf(out, "%s: %s\n",
			p->severity == CONF_ERROR ? "error" : "warning",
			p->text);
	}
}
