/* SPDX-License-Identifier: ISC */
/* diff - what a reload changes, row by row. */
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"

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
	return f.change;
}

enum conf_change conf_global_diff(const struct conf *a, const struct conf *b,
	struct buf *ret_what, struct buf *ret_restart)
{
	struct diff f = { CONF_SAME, ret_what, ret_restart };

	diff_rows(&f, conf_global_options, a, b, NULL);
	return f.change;
}
