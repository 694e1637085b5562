/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "conf/node.h"
#include "conf/reader.h"
#include "conf/scan.h"
#include "conf/tree.h"

/* A map or list that is being read. */
struct reader_level {
	struct node *node;
	struct node *key;   /* of a map: read, its value is next */
	bool is_key_double; /* and its value is thrown away */
};

struct reader {
	struct draft *d;
	const struct source *source;
	const char *bytes;
	size_t len;
	struct node *root;
	struct node *anchors; /* map from names to nodes */
	struct reader_level levels[CONF_DEPTH_MAX];
	int depth;
	int documents;
};

static struct conf_mark reader_mark(
	const struct reader *r, const yaml_mark_t *mark)
{
	return (struct conf_mark){ r->source->name, (int)mark->line + 1,
		(int)mark->column + 1 };
}

static struct node *reader_node(
	struct reader *r, enum node_type type, const yaml_event_t *e)
{
	return node_new(r->d, type, r->source, (int)e->start_mark.line + 1,
		(int)e->start_mark.column + 1);
}

static int reader_attach_key(
	struct reader *r, struct reader_level *level, struct node *n)
{
	const struct node_pair *first;

	if (n->type != NODE_SCALAR)
		return draft_error(r->d, n,
			"the key of a map must be a plain name, not %s",
			node_show(r->d, n));
	level->key = n;
	first = node_find(level->node, n->text);
	level->is_key_double = first != NULL;
	if (first != NULL)
		draft_error(r->d, n, "%s is set twice: first in line %d",
			draft_show(r->d, n->text), first->key->line);
	return 0;
}

static int reader_attach(struct reader *r, struct node *n)
{
	struct reader_level *level;

	if (r->depth == 0) {
		r->root = n;
		return 0;
	}
	level = &r->levels[r->depth - 1];
	if (level->node->type == NODE_LIST) {
		node_add(r->d, level->node, n);
		return 0;
	}
	if (level->key == NULL)
		return reader_attach_key(r, level, n);
	if (!level->is_key_double)
		node_put(r->d, level->node, level->key, n);
	level->key = NULL;
	return 0;
}

static void reader_anchor(
	struct reader *r, const yaml_char_t *name, struct node *n)
{
	struct node_pair *p;

	if (name == NULL)
		return;
	p = node_find(r->anchors, (const char *)name);
	if (p != NULL)
		p->value = n;
	else
		node_put(r->d, r->anchors,
			node_scalar(r->d, (const char *)name, NULL), n);
}

static int reader_check_tag(
	struct reader *r, const yaml_char_t *tag, const yaml_mark_t *at)
{
	static const char core[] = "tag:yaml.org,2002:";
	static const char *const known[] = { "str", "int", "float", "bool",
		"null", "seq", "map" };
	const char *name = (const char *)tag;
	size_t i;

	if (tag == NULL || strcmp(name, "!") == 0)
		return 0;
	if (strncmp(name, core, sizeof(core) - 1) == 0)
		for (i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (strcmp(name + sizeof(core) - 1, known[i]) == 0)
				return 0;
	return draft_error_mark(r->d, reader_mark(r, at),
		"tags are not supported: %s", draft_show(r->d, name));
}

static int reader_scalar(struct reader *r, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	struct node *n = reader_node(r, NODE_SCALAR, e);

	if (n == NULL)
		return -1;
	(void)reader_check_tag(r, e->data.scalar.tag, &e->start_mark);
	if (memchr(text, '\0', len) != NULL)
		draft_error(r->d, n, "a NUL character in a value");
	n->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		      e->data.scalar.tag == NULL;
	n->text = arena_strndup(r->d->scratch, text, len);
	reader_anchor(r, e->data.scalar.anchor, n);
	return reader_attach(r, n);
}

static int reader_alias(struct reader *r, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	struct node *n = node_get(r->anchors, name);

	if (n == NULL || n->is_open) {
		draft_error_mark(r->d, reader_mark(r, &e->start_mark),
			n == NULL ? "there is no anchor %s above"
				  : "the alias %s is inside of its own anchor",
			draft_show(r->d, name));
		n = reader_node(r, NODE_SCALAR, e);
		if (n == NULL)
			return -1;
		n->is_bad = n->is_plain = true;
	}
	return reader_attach(r, n);
}

static int reader_open(struct reader *r, enum node_type type,
	const yaml_event_t *e, const yaml_char_t *anchor,
	const yaml_char_t *tag)
{
	struct node *n = reader_node(r, type, e);

	if (n == NULL)
		return -1;
	if (r->depth == CONF_DEPTH_MAX)
		return draft_error(r->d, n,
			"maps and lists are nested more than %d deep",
			CONF_DEPTH_MAX);
	(void)reader_check_tag(r, tag, &e->start_mark);
	n->is_open = true;
	reader_anchor(r, anchor, n);
	if (reader_attach(r, n) != 0)
		return -1;
	r->levels[r->depth++] = (struct reader_level){ .node = n };
	return 0;
}

static int reader_close(struct reader *r)
{
	struct node *n = r->levels[--r->depth].node;

	n->is_open = false;
	if (n->type == NODE_MAP)
		return tree_merge_keys(r->d, n);
	return 0;
}

static int reader_document(struct reader *r, const yaml_event_t *e)
{
	if (++r->documents == 1)
		return 0;
	return draft_error_mark(r->d, reader_mark(r, &e->start_mark),
		"a second document: a file holds one, without \"---\" inside");
}

/* 0 go on, -1 after an error that ends the file. */
static int reader_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT: return reader_document(r, e);
	case YAML_SCALAR_EVENT: return reader_scalar(r, e);
	case YAML_ALIAS_EVENT: return reader_alias(r, e);
	case YAML_SEQUENCE_START_EVENT:
		return reader_open(r, NODE_LIST, e,
			e->data.sequence_start.anchor,
			e->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return reader_open(r, NODE_MAP, e, e->data.mapping_start.anchor,
			e->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: return reader_close(r);
	default: return 0;
	}
}

static int reader_syntax_error(struct reader *r, const yaml_parser_t *parser)
{
	struct conf_mark at = reader_mark(r, &parser->problem_mark);
	const char *problem =
		parser->problem != NULL ? parser->problem : "not YAML";

	if (scan_has_tab(r->bytes, r->len, at.line))
		return draft_error_mark(r->d, at,
			"a tab in the indentation: YAML wants spaces");
	if (parser->context == NULL)
		return draft_error_mark(r->d, at, "%s", problem);
	if (parser->context_mark.line == parser->problem_mark.line)
		return draft_error_mark(
			r->d, at, "%s, %s", problem, parser->context);
	return draft_error_mark(r->d, at, "%s, %s that begins in line %d",
		problem, parser->context, (int)parser->context_mark.line + 1);
}

static int reader_run(struct reader *r, yaml_parser_t *parser)
{
	yaml_event_t e;
	bool is_end = false;
	int result = 0;

	while (!is_end && result == 0) {
		if (!yaml_parser_parse(parser, &e))
			return reader_syntax_error(r, parser);
		is_end = e.type == YAML_STREAM_END_EVENT;
		result = reader_event(r, &e);
		yaml_event_delete(&e);
	}
	return result;
}

int reader_parse(struct draft *d, const struct source *source,
	const char *bytes, size_t len, struct node **ret_root)
{
	struct node anchors = { .type = NODE_MAP };
	struct reader r = { .d = d, .source = source, .anchors = &anchors };
	yaml_parser_t parser;
	int result;

	if (scan_bytes(d, source, bytes, len) != 0) {
		d->is_broken = true;
		return -1;
	}
	if (!yaml_parser_initialize(&parser))
		return draft_error(d, NULL, "out of memory");
	r.bytes = bytes;
	r.len = len;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&parser, (const unsigned char *)bytes, len);
	result = reader_run(&r, &parser);
	yaml_parser_delete(&parser);
	if (result != 0) {
		d->is_broken = true;
		return -1;
	}
	*ret_root = r.root;
	return 0;
}
