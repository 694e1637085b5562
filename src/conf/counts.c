/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/number.h"
#include "conf/conf.h"
#include "conf/counts.h"
#include "conf/draft.h"
#include "conf/node.h"
#include "conf/reader.h"
#include "conf/topics.h"

static int counts_add(struct draft *d, struct conf_counts *counts,
	const struct node_pair *pair)
{
	struct conf_count *c = &counts->items[counts->count];
	const char *name = pair->key->text;
	size_t i;

	if (!topics_is_name(name))
		return draft_error(d, pair->key, "%s is no name of a topic",
			draft_show(d, name));
	name = topics_alias(name);
	for (i = 0; i < counts->count; i++)
		if (strcmp(counts->items[i].topic, name) == 0)
			return draft_error(d, pair->key,
				"topic %s has two counts: \"normal\" and "
				"\"common\" are the same",
				name);
	/* No ${} here: the text is not the operator's. */
	if (pair->value->type != NODE_SCALAR ||
		!number_int(pair->value->text, &c->count) || c->count < 0 ||
		c->count > CONF_WORKERS_MAX)
		return draft_error(d, pair->value,
			"topic %s wants a number from 0 to %d, not %s", name,
			CONF_WORKERS_MAX, node_show(d, pair->value));
	snprintf(c->topic, sizeof(c->topic), "%s", name);
	counts->count++;
	return 0;
}

static int counts_read(
	struct draft *d, const struct node *root, struct conf_counts *counts)
{
	size_t i;

	if (root == NULL ||
		(root->type == NODE_SCALAR && root->is_plain &&
			(*root->text == '\0' || strcmp(root->text, "~") == 0 ||
				strcmp(root->text, "null") == 0)))
		return 0;
	if (root->type != NODE_MAP)
		return draft_error(d, root,
			"a map like \"high: 4\" is wanted, not %s",
			node_show(d, root));
	if (root->count > CONF_TOPICS_MAX)
		return draft_error(
			d, root, "more than %d topics", CONF_TOPICS_MAX);
	for (i = 0; i < root->count; i++)
		if (counts_add(d, counts, &root->pairs[i]) != 0)
			return -1;
	return 0;
}

static int counts_error(const struct conf_report *r, struct err *err)
{
	const struct conf_problem *p = &r->problems[0];

	if (p->mark.line == 0)
		return err_set(err, 0, "%s", p->text);
	return err_set(err, 0, "line %d, column %d: %s", p->mark.line,
		p->mark.column, p->text);
}

int conf_read_counts(const char *text, size_t len,
	struct conf_counts *ret_counts, struct err *err)
{
	static const struct source source = { .name = "counts", .dir = "/" };
	static const struct conf_source none;
	struct conf_counts counts = { .count = 0 };
	struct conf_report report;
	struct node *root = NULL;
	struct draft d;
	int rc = 0;

	if (len > CONF_COUNTS_BYTES_MAX)
		return err_set(
			err, 0, "longer than %d bytes", CONF_COUNTS_BYTES_MAX);
	draft_init(&d, &none, &report, NULL);
	if (reader_parse(&d, &source, text, len, &root) == 0)
		(void)counts_read(&d, root, &counts);
	draft_done(&d);
	if (report.errors > 0)
		rc = counts_error(&report, err);
	else
		*ret_counts = counts;
	conf_report_done(&report);
	return rc;
}
