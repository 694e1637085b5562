/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/expand.h"
#include "conf/near.h"
#include "conf/node.h"
#include "conf/section.h"
#include "conf/value.h"

/* Bytes of a dotted name with its NUL; no row is near it. */
#define SECTION_NAME_MAX 128

/* What a dotted name is in some rows. */
enum section_found { SECTION_NONE = 0, SECTION_ROW = 1, SECTION_GROUP = 2 };

static void section_read_map(struct draft *d, const struct section *s,
	const char *prefix, struct node *map);

/* Is the row for what this section describes? */
static bool section_serves(
	const struct section *s, int part, const struct opt *o)
{
	if (s->owner == SECTION_POOL)
		return part > 0 || s->kind == NULL ||
		       conf_opt_applies(o, s->kind);
	if (s->owner == SECTION_HANDLER)
		return s->handler == SECTION_NO_HANDLER ||
		       conf_handler_applies(
			       o, (enum conf_handler_kind)s->handler);
	return true;
}

/* Is `o` the row `name`, or one below "name."? */
static enum section_found section_match(const struct opt *o, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(o->name, name, len) != 0)
		return SECTION_NONE;
	if (o->name[len] == '\0')
		return SECTION_ROW;
	return o->name[len] == '.' ? SECTION_GROUP : SECTION_NONE;
}

/* Look for the row `name`, or for rows below "name."; the first that serves
 * is in ret_row, or else the first. */
static enum section_found section_find(const struct section *s, int part,
	const char *name, const struct opt **ret_row)
{
	enum section_found found = SECTION_NONE, one;
	const struct opt *o = s->parts[part].rows;

	for (; o != NULL && o->name != NULL; o++) {
		one = section_match(o, name);
		if (one == SECTION_NONE)
			continue;
		if (found == SECTION_NONE || section_serves(s, part, o)) {
			*ret_row = o;
			found = one;
		}
		if (section_serves(s, part, o))
			break;
	}
	return found;
}

static bool section_is_among(const struct opt *rows, const char *name)
{
	for (; rows != NULL && rows->name != NULL; rows++)
		if (section_match(rows, name) != SECTION_NONE)
			return true;
	return false;
}

static bool section_is_extra(
	const struct section *s, const char *prefix, const char *name)
{
	const char *const *extra = s->extra;

	if (*prefix != '\0' || extra == NULL)
		return false;
	for (; *extra != NULL; extra++)
		if (strcmp(*extra, name) == 0)
			return true;
	return false;
}

/* The name of this level that the row begins with, if it has `prefix`. */
static void section_near_row(
	struct near *near, const struct opt *o, const char *prefix)
{
	size_t len = strlen(prefix), end;
	char name[NEAR_NAME_MAX];

	if (strncmp(o->name, prefix, len) != 0)
		return;
	end = strcspn(o->name + len, ".");
	if (end >= sizeof(name))
		return;
	memcpy(name, o->name + len, end);
	name[end] = '\0';
	near_try(near, name);
}

static void section_unknown(struct draft *d, const struct section *s,
	const char *prefix, const struct node *key)
{
	const char *const *extra = s->extra;
	const struct opt *o;
	struct near near;
	int i;

	near_init(&near, d, key->text);
	for (i = 0; i < s->part_count; i++)
		for (o = s->parts[i].rows; o != NULL && o->name != NULL; o++)
			if (section_serves(s, i, o))
				section_near_row(&near, o, prefix);
	for (; *prefix == '\0' && extra != NULL && *extra != NULL; extra++)
		near_try(&near, *extra);
	draft_error(d, key, "unknown setting %s%s%.*s%s%s",
		draft_show(d, key->text), *prefix != '\0' ? " in \"" : "",
		*prefix != '\0' ? (int)strlen(prefix) - 1 : 0, prefix,
		*prefix != '\0' ? "\"" : "", near_hint(&near));
}

/* A setting that only pools of another kind have?  Reports it then, if the
 * kind is known. */
static bool section_is_of_kind(struct draft *d, const struct section *s,
	const char *name, const struct node *key)
{
	const struct conf_kind *const *k = d->src->kinds;

	for (; *k != NULL; k++) {
		if (!section_is_among((*k)->options, name))
			continue;
		if (s->owner == SECTION_POOL && s->kind != NULL)
			draft_error(d, key,
				"\"%s\" is a setting of kind %s, not of %s",
				name, (*k)->name, s->kind->name);
		else if (s->owner == SECTION_HANDLER)
			draft_error(d, key,
				"\"%s\" is a setting of pools of kind %s, "
				"not of handlers",
				name, (*k)->name);
		return true;
	}
	return false;
}

/* A setting that has its place elsewhere?  Reports it then. */
static bool section_is_foreign(struct draft *d, const struct section *s,
	const char *name, const struct node *key)
{
	if (s->owner == SECTION_NODE)
		return false;
	if (section_is_of_kind(d, s, name, key))
		return true;
	if (s->owner == SECTION_HANDLER &&
		section_is_among(conf_pool_options, name)) {
		draft_error(d, key,
			"\"%s\" is a setting of pools, not of handlers", name);
		return true;
	}
	if (s->owner == SECTION_POOL &&
		section_is_among(conf_handler_options, name)) {
		draft_error(d, key,
			"\"%s\" is a setting of handlers, not of pools", name);
		return true;
	}
	return false;
}

static const char *section_scope_words(enum opt_scope scope)
{
	if (scope == OPT_PROGRAM)
		return "is for kind program";
	if (scope == OPT_ROLE)
		return "is not for kind program";
	if (scope == OPT_SOCKET)
		return "is for programs and kinds that listen";
	return "is for kinds that listen";
}

/* "exec and worker" */
static const char *section_handler_words(struct draft *d, const struct opt *o)
{
	const char *words = "";
	int kind;

	for (kind = 0; kind < CONF_HANDLER_KIND_COUNT; kind++)
		if (conf_handler_applies(o, (enum conf_handler_kind)kind))
			words = arena_printf(d->scratch, "%s%s%s", words,
				*words != '\0' ? " and " : "",
				conf_handler_kind_names[kind]);
	return words;
}

static void section_misplaced(struct draft *d, const struct section *s,
	const struct opt *o, const char *name, const struct node *key)
{
	if (s->owner == SECTION_HANDLER)
		draft_error(d, key,
			"\"%s\" is for handlers of kind %s: this one is of "
			"kind %s",
			name, section_handler_words(d, o),
			conf_handler_kind_names[s->handler]);
	else
		draft_error(d, key, "\"%s\" %s: this pool is of kind %s", name,
			section_scope_words(o->scope), s->kind->name);
}

static void section_read_group(struct draft *d, const struct section *s,
	const char *name, struct node *value)
{
	char prefix[SECTION_NAME_MAX + 1];

	if (value->is_bad || expand_is_null(d, value))
		return;
	if (value->type != NODE_MAP) {
		draft_error(d, value, "\"%s\" must be a map, not %s", name,
			node_show(d, value));
		return;
	}
	snprintf(prefix, sizeof(prefix), "%s.", name);
	section_read_map(d, s, prefix, value);
}

static void section_read_row(struct draft *d, const struct section_part *part,
	const struct opt *o, struct node *value)
{
	if (part->seen != NULL)
		part->seen[o - part->rows] = value;
	if (part->base != NULL && !value->is_bad)
		(void)value_read(d, o, value, part->base);
}

static void section_read_pair(struct draft *d, const struct section *s,
	const char *prefix, const struct node_pair *pair)
{
	enum section_found found = SECTION_NONE;
	char name[SECTION_NAME_MAX];
	const struct opt *o = NULL;
	int i, part = 0;

	if (section_is_extra(s, prefix, pair->key->text))
		return;
	if (strchr(pair->key->text, '.') != NULL ||
		(size_t)snprintf(name, sizeof(name), "%s%s", prefix,
			pair->key->text) >= sizeof(name)) {
		section_unknown(d, s, prefix, pair->key);
		return;
	}
	for (i = 0; i < s->part_count && found == SECTION_NONE; i++) {
		found = section_find(s, i, name, &o);
		part = i;
	}
	if (found == SECTION_NONE) {
		if (!section_is_foreign(d, s, name, pair->key))
			section_unknown(d, s, prefix, pair->key);
	} else if (!section_serves(s, part, o)) {
		section_misplaced(d, s, o, name, pair->key);
	} else if (found == SECTION_GROUP) {
		section_read_group(d, s, name, pair->value);
	} else {
		section_read_row(d, &s->parts[part], o, pair->value);
	}
}

static void section_read_map(struct draft *d, const struct section *s,
	const char *prefix, struct node *map)
{
	size_t i;

	if (!draft_spend_entries(d, map, map->count))
		return;
	for (i = 0; i < map->count && !d->is_spent; i++)
		section_read_pair(d, s, prefix, &map->pairs[i]);
}

void section_read(struct draft *d, const struct section *s, struct node *map)
{
	section_read_map(d, s, "", map);
}

struct node *section_named_maps(
	struct draft *d, const struct node *root, const char *name)
{
	struct node *n = node_get(root, name);

	if (n == NULL || n->is_bad || expand_is_null(d, n))
		return NULL;
	if (n->type == NODE_MAP)
		return n;
	draft_error(
		d, n, "\"%s\" must be a map, not %s", name, node_show(d, n));
	return NULL;
}
