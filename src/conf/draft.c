/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/draft.h"
#include "conf/node.h"
#include "conf/report.h"

#define DRAFT_SHOW_MAX 60

void draft_init(struct draft *d, const struct conf_source *src,
	struct conf_report *report, struct arena *keep)
{
	memset(d, 0, sizeof(*d));
	memset(report, 0, sizeof(*report));
	d->src = src;
	d->report = report;
	d->keep = keep;
	d->scratch = arena_new();
}

void draft_done(struct draft *d)
{
	free(d->pools);
	arena_free(d->scratch);
}

struct conf_pool *draft_pool_new(struct draft *d)
{
	return arena_alloc(d->scratch, sizeof(struct conf_pool));
}

struct conf_mark draft_keep_mark(struct draft *d, const struct node *n)
{
	struct conf_mark mark = node_mark(n);

	if (mark.file != NULL)
		mark.file = arena_strdup(d->keep, mark.file);
	return mark;
}

static void draft_problem(struct draft *d, enum conf_severity severity,
	struct conf_mark mark, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void draft_problem(struct draft *d, enum conf_severity severity,
	struct conf_mark mark, const char *fmt, va_list ap)
{
	struct buf text = BUF_INIT;

	buf_vprintf(&text, fmt, ap);
	report_add(d->report, severity, mark, buf_take(&text));
	if (d->report->count > CONF_ERRORS_MAX)
		d->is_spent = true;
}

int draft_error(struct draft *d, const struct node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	draft_problem(d, CONF_ERROR, node_mark(at), fmt, ap);
	va_end(ap);
	return -1;
}

int draft_warning(struct draft *d, const struct node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	draft_problem(d, CONF_WARNING, node_mark(at), fmt, ap);
	va_end(ap);
	return -1;
}

int draft_error_mark(
	struct draft *d, struct conf_mark mark, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	draft_problem(d, CONF_ERROR, mark, fmt, ap);
	va_end(ap);
	return -1;
}

bool draft_spend(struct draft *d, const struct node *at, size_t nodes)
{
	if (d->is_spent)
		return false;
	d->nodes += nodes;
	if (d->nodes <= CONF_NODES_MAX)
		return true;
	d->is_spent = true;
	d->is_broken = true;
	draft_error(d, at,
		"more than %d values after aliases and templates are filled in",
		CONF_NODES_MAX);
	return false;
}

bool draft_spend_entries(struct draft *d, const struct node *at, size_t entries)
{
	return draft_spend(d, at, entries / 4 + 1);
}

const char *draft_show(struct draft *d, const char *text)
{
	size_t len = strlen(text), at, n;
	struct buf b = BUF_INIT;
	const char *shown;

	buf_putc(&b, '"');
	for (at = 0; at < len && at < DRAFT_SHOW_MAX; at += n) {
		n = utf8_length(text + at, len - at);
		if (n == 0 || (unsigned char)text[at] < ' ' ||
			text[at] == 0x7f) {
			n = 1;
			buf_putc(&b, '?');
		} else {
			buf_add(&b, text + at, n);
		}
	}
	buf_puts(&b, at < len ? "\"..." : "\"");
	shown = arena_strdup(d->scratch, buf_str(&b));
	buf_done(&b);
	return shown;
}

static const struct node *draft_row(const struct node *const *rows,
	const struct opt *options, const char *name)
{
	size_t i;

	for (i = 0; options[i].name != NULL; i++)
		if (strcmp(options[i].name, name) == 0)
			return rows[i];
	return NULL;
}

const struct node *draft_pool_at(const struct draft_pool *p, const char *name)
{
	const struct node *at = draft_row(p->rows, conf_pool_options, name);

	if (at == NULL && p->pool->kind->options != NULL)
		at = draft_row(p->own_rows, p->pool->kind->options, name);

	return at != NULL ? at : p->key;
}

const struct node *draft_at(const struct draft *d, const char *name)
{
	return draft_row(d->rows, conf_global_options, name);
}
