/* SPDX-License-Identifier: ISC */
/* diff - what a reload changes, row by row. */
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"

/* Bytes after which no further handlers are named. */
#define DIFF_WHAT_MAX 200

struct diff {
	enum conf_change change; /* the strongest so far */
	struct buf *what;        /* may be NULL */
	struct buf *restart;     /* may be NULL */
};

static void diff_name(struct buf *out, const char *name)
{
	if (out == NULL)
		return;
	if (out->len > 0)
		buf_puts(out, ", ");
	buf_puts(out, name);
}

static void diff_note(struct diff *f, enum opt_reload reload, const char *name)
{
	enum conf_change change =
		reload == OPT_ROLL ? CONF_CHANGED_ROLL : CONF_CHANGED_HOT;

	if (change > f->change)
		f->change = change;
	diff_name(f->what, name);
	if (reload == OPT_RESTART)
		diff_name(f->restart, name);
}

/* `kind` NULL: every row counts. */
static void diff_rows(struct diff *f, const struct opt *rows, const void *a,
	const void *b, const struct conf_kind *kind)
{
	for (; rows != NULL && rows->name != NULL; rows++)
		if ((kind == NULL || conf_opt_applies(rows, kind)) &&
			!opt_equal(rows, a, b))
			diff_note(f, rows->reload, rows->name);
}

static bool diff_is_same_row(
	const char *name, const struct conf_pool *a, const struct conf_pool *b)
{
	const struct opt *o;

	for (o = conf_pool_options; o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return opt_equal(o, a, b);
	return false;
}

static bool diff_has_handler(
	const struct conf *c, size_t index, const struct conf_handler *wanted)
{
	const struct conf_handler *h = NULL;

	/* In most reloads they stand where they stood. */
	if (index < c->handler_count &&
		strcmp(c->handlers[index].name, wanted->name) == 0)
		h = &c->handlers[index];
	else
		h = conf_handler_find(c, wanted->name);
	return h != NULL && h->digest == wanted->digest;
}

static void diff_note_handler(struct diff *f, const char *name)
{
	if (f->what != NULL && f->change == CONF_CHANGED_ROLL &&
		f->what->len > DIFF_WHAT_MAX)
		return;
	diff_note(f, OPT_ROLL, "handlers");
	if (f->what != NULL)
		buf_printf(f->what, ".%s", name);
}

/* Handlers that are new, gone or others. */
static void diff_handlers(
	struct diff *f, const struct conf *a, const struct conf *b)
{
	size_t i;

	for (i = 0; i < b->handler_count; i++)
		if (!diff_has_handler(a, i, &b->handlers[i]))
			diff_note_handler(f, b->handlers[i].name);
	for (i = 0; i < a->handler_count; i++)
		if (conf_handler_find(b, a->handlers[i].name) == NULL)
			diff_note_handler(f, a->handlers[i].name);
}

/* The settings of an outside service: its rows begin with `group`. */
static void diff_service(struct diff *f, const char *group,
	const struct conf *a, const struct conf *b)
{
	const struct opt *o;

	for (o = conf_global_options; o->name != NULL; o++)
		if (strncmp(o->name, group, strlen(group)) == 0 &&
			!opt_equal(o, a, b))
			diff_note(f, OPT_ROLL, o->name);
}

static bool diff_is_same_autoscale(
	const struct conf_autoscale *a, const struct conf_autoscale *b)
{
	return a->is_on == b->is_on && a->initial == b->initial &&
	       a->step == b->step && a->up_every_us == b->up_every_us &&
	       a->down_every_us == b->down_every_us;
}

enum conf_change conf_pool_diff(const struct conf_pool *a,
	const struct conf_pool *b, struct buf *ret_what)
{
	struct diff f = { CONF_SAME, ret_what, NULL };

	if (strcmp(a->kind->name, b->kind->name) != 0) {
		diff_note(&f, OPT_ROLL, "kind");
		return f.change;
	}
	diff_rows(&f, conf_pool_options, a, b, a->kind);
	diff_rows(&f, a->kind->options, a->own, b->own, NULL);
	/* `auto` on a machine that changed; names that mean other numbers. */
	if (a->workers != b->workers && diff_is_same_row("count", a, b))
		diff_note(&f, OPT_HOT, "count");
	if (a->uid != b->uid && diff_is_same_row("user", a, b))
		diff_note(&f, OPT_ROLL, "user");
	if (a->gid != b->gid && diff_is_same_row("group", a, b))
		diff_note(&f, OPT_ROLL, "group");
	if (!diff_is_same_autoscale(&a->autoscale, &b->autoscale))
		diff_note(&f, OPT_HOT, "topics");
	if (a->conf == b->conf)
		return f.change;
	if (a->kind->uses_handlers || a->kind->uses_database)
		diff_service(&f, "database.", a->conf, b->conf);
	if (a->kind->section != NULL)
		diff_service(&f, a->kind->section, a->conf, b->conf);
	if (a->kind->uses_handlers) {
		diff_service(&f, "redis.", a->conf, b->conf);
		diff_handlers(&f, a->conf, b->conf);
	}
	return f.change;
}

enum conf_change conf_global_diff(const struct conf *a, const struct conf *b,
	struct buf *ret_what, struct buf *ret_restart)
{
	struct diff f = { CONF_SAME, ret_what, ret_restart };

	diff_rows(&f, conf_global_options, a, b, NULL);
	return f.change;
}

static const struct conf_pool *diff_next_queue(
	const struct conf *c, size_t *index)
{
	while (*index < c->pool_count)
		if (c->pools[(*index)++].kind->uses_handlers)
			return &c->pools[*index - 1];
	return NULL;
}

bool conf_queues_same(const struct conf *a, const struct conf *b)
{
	const struct conf_pool *p, *q;
	size_t i = 0, j = 0;

	do {
		p = diff_next_queue(a, &i);
		q = diff_next_queue(b, &j);
		if (p == NULL || q == NULL)
			return p == q;
	} while (strcmp(p->name, q->name) == 0 &&
		 conf_pool_diff(p, q, NULL) == CONF_SAME);
	return false;
}
