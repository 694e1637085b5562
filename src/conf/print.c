/* SPDX-License-Identifier: ISC */
/* print - the effective configuration as YAML. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"

#define PRINT_INDENT_GLOBAL 0
#define PRINT_INDENT_POOL   4

/* Rows of one group stand together in every table: "memory.soft" opens
 * "memory:", "memory.hard" goes on below it. */
static void print_row(const struct opt *o, const void *base, int indent,
	const char *group, struct buf *out)
{
	const char *dot = strchr(o->name, '.');
	size_t len = dot != NULL ? (size_t)(dot - o->name) : 0;

	if (dot != NULL &&
		(group == NULL || strncmp(group, o->name, len) != 0 ||
			group[len] != '.'))
		buf_printf(out, "%*s%.*s:\n", indent, "", (int)len, o->name);
	buf_printf(out, "%*s%s: ", indent + (dot != NULL ? 2 : 0), "",
		dot != NULL ? dot + 1 : o->name);
	opt_print(o, base, out);
	buf_putc(out, '\n');
}

/* `kind` NULL: every row is printed. */
static void print_rows(const struct opt *rows, const void *base,
	const struct conf_kind *kind, int indent, struct buf *out)
{
	const char *group = NULL;
	const struct opt *o;

	for (o = rows; o != NULL && o->name != NULL; o++) {
		if (kind != NULL && !conf_opt_applies(o, kind))
			continue;
		print_row(o, base, indent, group, out);
		group = o->name;
	}
}

static void print_pool(const struct conf_pool *p, struct buf *out)
{
	/* Quoted: a name may look like a number or a truth. */
	buf_printf(out, "  \"%s\":\n    kind: %s\n", p->name, p->kind->name);
	print_rows(conf_pool_options, p, p->kind, PRINT_INDENT_POOL, out);
	print_rows(p->kind->options, p->own, NULL, PRINT_INDENT_POOL, out);
}

void conf_print(const struct conf *c, struct buf *out)
{
	size_t i;

	print_rows(conf_global_options, c, NULL, PRINT_INDENT_GLOBAL, out);
	if (c->pool_count == 0)
		buf_puts(out, "processes: {}\n");
	else
		buf_puts(out, "processes:\n");
	for (i = 0; i < c->pool_count; i++)
		print_pool(&c->pools[i], out);
}
