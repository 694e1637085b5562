/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/print.h"
#include "conf/topics.h"

#define PRINT_INDENT_GLOBAL 0
#define PRINT_INDENT_THING  4

/* Rows of one group stand together in every table: "memory.soft" opens
 * "memory:", "memory.hard" goes on below it.  `before` is the row printed
 * last, or NULL. */
static void print_name(
	const struct opt *o, int indent, const char *before, struct buf *out)
{
	const char *at = o->name, *dot;
	size_t len;

	for (; (dot = strchr(at, '.')) != NULL; at = dot + 1, indent += 2) {
		len = (size_t)(dot + 1 - o->name);
		if (before == NULL || strncmp(before, o->name, len) != 0)
			buf_printf(out, "%*s%.*s:\n", indent, "",
				(int)(dot - at), at);
	}
	buf_printf(out, "%*s%s: ", indent, "", at);
}

static void print_row(const struct opt *o, const void *base, int indent,
	const char *before, struct buf *out)
{
	print_name(o, indent, before, out);
	opt_print(o, base, out);
	buf_putc(out, '\n');
}

static void print_global(const struct conf *c, struct buf *out)
{
	const char *before = NULL;
	const struct opt *o;

	for (o = conf_global_options; o->name != NULL; o++) {
		print_row(o, c, PRINT_INDENT_GLOBAL, before, out);
		before = o->name;
	}
}

/* A split pool as the one it was written as. */
static void print_common(const struct conf_pool *p, struct buf *out)
{
	const char *before = NULL;
	const struct opt *o;

	for (o = conf_pool_options; o->name != NULL; o++) {
		if (!conf_opt_applies(o, p->kind) ||
			(p->split != NULL && conf_opt_is_split(o)))
			continue;
		print_row(o, p, PRINT_INDENT_THING, before, out);
		before = o->name;
	}
}

static void print_own(const struct conf_pool *p, struct buf *out)
{
	const struct opt *o = p->kind->options;
	const char *before = NULL;

	for (; o != NULL && o->name != NULL; o++) {
		if (o->type == OPT_TOPICS && p->split != NULL) {
			print_name(o, PRINT_INDENT_THING, before, out);
			topics_print(&p->split->topics, out);
			buf_putc(out, '\n');
		} else {
			print_row(o, p->own, PRINT_INDENT_THING, before, out);
		}
		before = o->name;
	}
}

static void print_pool(const struct conf_pool *p, struct buf *out)
{
	/* Quoted: a name may look like a number or a truth. */
	buf_printf(out, "  \"%s\":\n    kind: %s\n",
		p->split != NULL ? p->split->name : p->name, p->kind->name);
	print_common(p, out);
	print_own(p, out);
}

void print_handler(const struct conf_handler *h, struct buf *out)
{
	const char *before = NULL;
	const struct opt *o;

	buf_printf(out, "  \"%s\":\n    kind: %s\n", h->name,
		conf_handler_kind_names[h->kind]);
	for (o = conf_handler_options; o->name != NULL; o++) {
		if (!conf_handler_applies(o, h->kind))
			continue;
		print_row(o, h, PRINT_INDENT_THING, before, out);
		before = o->name;
	}
}

void conf_print(const struct conf *c, struct buf *out)
{
	size_t i;

	print_global(c, out);
	if (c->handler_count > 0)
		buf_puts(out, "handlers:\n");
	for (i = 0; i < c->handler_count; i++)
		print_handler(&c->handlers[i], out);
	if (c->pool_count == 0)
		buf_puts(out, "processes: {}\n");
	else
		buf_puts(out, "processes:\n");
	for (i = 0; i < c->pool_count; i++)
		if (i == 0 || c->pools[i].split == NULL ||
			c->pools[i].split != c->pools[i - 1].split)
			print_pool(&c->pools[i], out);
}
