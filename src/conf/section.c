/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

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

/* Look for the row `name`, or for rows below "name."; the first is in
 * ret_row. */
static enum section_found section_find(
	const struct opt *rows, const char *name, const struct opt **ret_row)
{
	size_t len = strlen(name);

	for (; rows != NULL && rows->name != NULL; rows++) {
		if (strncmp(rows->name, name, len) != 0)
			continue;
		*ret_row = rows;
		if (rows->name[len] == '\0')
			return SECTION_ROW;
		if (rows->name[len] == '.')
			return SECTION_GROUP;
	}
	return SECTION_NONE;
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

/* The names of this level that begin with `prefix`. */
static void section_near_rows(
	struct near *near, const struct opt *rows, const char *prefix)
{
	size_t len = strlen(prefix), end;
	char name[NEAR_NAME_MAX];

	for (; rows != NULL && rows->name != NULL; rows++) {
		if (strncmp(rows->name, prefix, len) != 0)
			continue;
		end = strcspn(rows->name + len, ".");
		if (end >= sizeof(name))
			continue;
		memcpy(name, rows->name + len, end);
		name[end] = '\0';
		near_try(near, name);
	}
}

static void section_unknown(struct draft *d, const struct section *s,
	const char *prefix, const struct node *key)
{
	const char *const *extra = s->extra;
	const struct opt *o;
	struct near near;
	int i;

	near_init(&near, d, key->text);
	for (i = 0; i < s->part_count; i++) {
		if (i > 0 || !s->is_pool || s->kind == NULL) {
			section_near_rows(&near, s->parts[i].rows, prefix);
			continue;
		}
		for (o = s->parts[i].rows; o->name != NULL; o++)
			if (conf_opt_applies(o, s->kind))
				section_near_rows(&near,
					(const struct opt[]){
						*o, { .name = NULL } },
					prefix);
	}
	for (; *prefix == '\0' && extra != NULL && *extra != NULL; extra++)
		near_try(&near, *extra);
	draft_error(d, key, "unknown setting %s%s%.*s%s%s",
		draft_show(d, key->text), *prefix != '\0' ? " in \"" : "",
		*prefix != '\0' ? (int)strlen(prefix) - 1 : 0, prefix,
		*prefix != '\0' ? "\"" : "", near_hint(&near));
}

/* A setting that only other kinds have?  Reports it then. */
static bool section_is_foreign(struct draft *d, const struct section *s,
	const char *name, const struct node *key)
{
	const struct conf_kind *const *k = d->src->kinds;
	const struct opt *o;

	for (; s->is_pool && *k != NULL; k++) {
		if (section_find((*k)->options, name, &o) == SECTION_NONE)
			continue;
		if (s->kind != NULL)
			draft_error(d, key,
				"\"%s\" is a setting of kind %s, not of %s",
				name, (*k)->name, s->kind->name);
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
	return "is for kinds that listen";
}

static bool section_applies(struct draft *d, const struct section *s,
	const struct opt *o, const char *name, const struct node *key)
{
	if (!s->is_pool || s->kind == NULL || conf_opt_applies(o, s->kind))
		return true;
	draft_error(d, key, "\"%s\" %s: this pool is of kind %s", name,
		section_scope_words(o->scope), s->kind->name);
	return false;
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
	int i;

	if (section_is_extra(s, prefix, pair->key->text))
		return;
	if (strchr(pair->key->text, '.') != NULL ||
		(size_t)snprintf(name, sizeof(name), "%s%s", prefix,
			pair->key->text) >= sizeof(name)) {
		section_unknown(d, s, prefix, pair->key);
		return;
	}
	for (i = 0; i < s->part_count && found == SECTION_NONE; i++)
		found = section_find(s->parts[i].rows, name, &o);
	if (found == SECTION_NONE) {
		if (!section_is_foreign(d, s, name, pair->key))
			section_unknown(d, s, prefix, pair->key);
		return;
	}
	/* Only common rows, those of the first part, may not apply. */
	if (i == 1 && !section_applies(d, s, o, name, pair->key))
		return;
	if (found == SECTION_GROUP)
		section_read_group(d, s, name, pair->value);
	else
		section_read_row(d, &s->parts[i - 1], o, pair->value);
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
