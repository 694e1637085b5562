/* SPDX-License-Identifier: ISC */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "conf/cpus.h"
#include "conf/draft.h"
#include "conf/expand.h"
#include "conf/handlers.h"
#include "conf/load.h"
#include "conf/near.h"
#include "conf/node.h"
#include "conf/owner.h"
#include "conf/report.h"
#include "conf/section.h"
#include "conf/split.h"
#include "conf/tree.h"
#include "conf/value.h"
#include "conf/verify.h"

/* Names that the daemon's own processes have in status and log. */
static const char *const conf_reserved[] = { "master", "governor", "logger",
	"reeved", NULL };

static const char *const conf_top_names[] = { "processes", "handlers",
	"templates", "include", NULL };
static const char *const conf_pool_names[] = { "kind", "extends", NULL };

_Static_assert(CONF_NAME_MAX < 64, "names fit the board's records");

static int conf_check_name(struct draft *d, const struct node *key)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *const *reserved = conf_reserved;
	size_t len = strlen(key->text);

	if (len == 0 || len > CONF_KEY_MAX || strspn(key->text, letters) != len)
		return draft_error(d, key,
			"the name of a pool is 1 to %d of the characters a-z, "
			"0-9, \"_\" and \"-\", not %s",
			CONF_KEY_MAX, draft_show(d, key->text));
	for (; *reserved != NULL; reserved++)
		if (strcmp(*reserved, key->text) == 0)
			return draft_error(d, key,
				"%s is the name of a process of the daemon",
				draft_show(d, key->text));
	return 0;
}

/* The kind that a pool's map names; NULL after an error. */
static const struct conf_kind *conf_find_kind(
	struct draft *d, const struct node *key, const struct node *map)
{
	const struct conf_kind *const *k = d->src->kinds;
	struct node *n = node_get(map, "kind");
	struct near near;
	const char *name;

	if (n == NULL || expand_is_null(d, n)) {
		draft_error(d, n != NULL ? n : key, "pool %s has no \"kind\"",
			draft_show(d, key->text));
		return NULL;
	}
	name = expand_text(d, n);
	if (name == NULL)
		return NULL;
	near_init(&near, d, name);
	for (; *k != NULL; k++) {
		if ((*k)->is_internal)
			continue;
		if (strcmp((*k)->name, name) == 0)
			return *k;
		near_try(&near, (*k)->name);
	}
	draft_error(d, n, "unknown kind %s%s", draft_show(d, name),
		near_hint(&near));
	return NULL;
}

/* A template, or a pool whose kind is not known: the names are all that can
 * be looked at. */
static void conf_check_names(
	struct draft *d, enum section_owner owner, struct node *map)
{
	struct section s = { .parts = { { .rows = conf_pool_options },
				     { .rows = conf_handler_options } },
		.part_count = owner == SECTION_TEMPLATE ? 2 : 1,
		.owner = owner,
		.extra = conf_pool_names };

	section_read(d, &s, map);
}

static void conf_pool_init(struct draft *d, const struct conf *c,
	struct conf_pool *p, const struct conf_kind *kind, const char *name)
{
	p->conf = c;
	p->name = arena_strdup(d->keep, name);
	p->kind = kind;
	p->own = arena_alloc(d->keep, kind->size > 0 ? kind->size : 1);
	value_defaults(d, conf_pool_options, p);
	value_defaults(d, kind->options, p->own);
}

static void conf_read_pool(struct draft *d, struct conf *c,
	const struct conf_kind *kind, const struct node *key, struct node *map)
{
	struct draft_pool *draft = &d->pools[d->pool_count++];
	struct conf_pool *p = draft_pool_new(d);
	struct section s = { .part_count = 2,
		.owner = SECTION_POOL,
		.kind = kind,
		.extra = conf_pool_names };
	const struct node **own =
		arena_alloc(d->scratch, DRAFT_ROWS_MAX * sizeof(*own));

	conf_pool_init(d, c, p, kind, key->text);
	p->mark = draft_keep_mark(d, key);
	p->strict_affinity = c->strict_affinity;
	draft->pool = p;
	draft->key = key;
	s.parts[0] = (struct section_part){ conf_pool_options, p, draft->rows };
	s.parts[1] = (struct section_part){ kind->options, p->own, own };
	draft->own_rows = own;
	section_read(d, &s, map);
	if (d->is_spent)
		return;
	verify_kind(d, draft);
	split_last(d);
}

static void conf_read_process(struct draft *d, struct conf *c,
	const struct node *templates, const struct node_pair *pair)
{
	const struct conf_kind *kind;
	struct node *map = pair->value;

	if (conf_check_name(d, pair->key) != 0 || map->is_bad)
		return;
	if (map->type != NODE_MAP) {
		draft_error(d, map, "pool %s must be a map, not %s",
			draft_show(d, pair->key->text), node_show(d, map));
		return;
	}
	map = tree_extend(d, templates, map);
	if (map == NULL)
		return;
	kind = conf_find_kind(d, pair->key, map);
	if (kind == NULL)
		conf_check_names(d, SECTION_POOL, map);
	else
		conf_read_pool(d, c, kind, pair->key, map);
}

static void conf_check_template(
	struct draft *d, const struct node *templates, struct node_pair *pair)
{
	struct node *map = pair->value;

	if (map->is_bad || expand_is_null(d, map))
		return;
	if (map->type != NODE_MAP) {
		draft_error(d, map, "template %s must be a map, not %s",
			draft_show(d, pair->key->text), node_show(d, map));
		return;
	}
	map = tree_extend(d, templates, map);
	if (map != NULL)
		conf_check_names(d, SECTION_TEMPLATE, map);
}

/* The pools in their last place. */
static void conf_keep_pools(struct draft *d, struct conf *c)
{
	size_t i;

	c->pool_count = d->pool_count;
	c->pools =
		arena_alloc(d->keep, (c->pool_count + 1) * sizeof(*c->pools));
	for (i = 0; i < c->pool_count; i++) {
		c->pools[i] = *d->pools[i].pool;
		d->pools[i].pool = &c->pools[i];
	}
}

static void conf_read_processes(struct draft *d, struct conf *c,
	const struct node *root, const struct node *templates)
{
	struct node *pools = section_named_maps(d, root, "processes");
	size_t i;

	if (node_get(root, "processes") == NULL && !d->is_broken)
		draft_error_mark(d, (struct conf_mark){ d->src->path, 1, 1 },
			"there is no \"processes\": nothing would run");
	if (pools == NULL)
		return;
	if (pools->count > CONF_POOLS_MAX) {
		draft_error(d, pools, "more than %d pools", CONF_POOLS_MAX);
		return;
	}
	d->pools = xcalloc(CONF_POOLS_MAX, sizeof(*d->pools));
	for (i = 0; i < pools->count && !d->is_spent; i++) {
		if (d->pool_count == CONF_POOLS_MAX) {
			draft_error(
				d, pools, "more than %d pools", CONF_POOLS_MAX);
			break;
		}
		conf_read_process(d, c, templates, &pools->pairs[i]);
	}
	conf_keep_pools(d, c);
}

/* All maps of named things. */
static void conf_read_things(
	struct draft *d, struct conf *c, const struct node *root)
{
	struct node *templates = section_named_maps(d, root, "templates");
	size_t i;

	for (i = 0; templates != NULL && i < templates->count && !d->is_spent;
		i++)
		conf_check_template(d, templates, &templates->pairs[i]);
	handlers_read_all(d, c, root, templates);
	conf_read_processes(d, c, root, templates);
}

/* `x-…` is room for anchors. */
static struct node *conf_without_x(struct draft *d, const struct node *root)
{
	struct node *rest =
		node_new(d, NODE_MAP, root->source, root->line, root->column);
	size_t i;

	for (i = 0; rest != NULL && i < root->count; i++)
		if (strncmp(root->pairs[i].key->text, "x-", 2) != 0)
			node_put(d, rest, root->pairs[i].key,
				root->pairs[i].value);
	return rest;
}

static void conf_default_paths(struct draft *d, struct conf *c)
{
	char host[64] = "";

	if (c->node == NULL) {
		if (gethostname(host, sizeof(host) - 1) == -1 || *host == '\0')
			strcpy(host, "localhost");
		c->node = arena_strdup(d->keep, host);
	}
	if (c->pid_file == NULL)
		c->pid_file =
			arena_printf(d->keep, "%s/reeved.pid", c->run_dir);
	if (c->control_path == NULL)
		c->control_path =
			arena_printf(d->keep, "%s/control.sock", c->run_dir);
}

static const char *conf_absolute(struct arena *keep, const char *path)
{
	char cwd[PATH_MAX];

	if (*path == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		return arena_strdup(keep, path);
	return arena_printf(
		keep, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path);
}

static void conf_read_root(struct draft *d, struct conf *c, struct node *root)
{
	struct section s = { .part_count = 1, .extra = conf_top_names };
	int cpus[CONF_CPU_MAX];

	s.parts[0] = (struct section_part){ conf_global_options, c, d->rows };
	value_defaults(d, conf_global_options, c);
	root = conf_without_x(d, root);
	if (root == NULL)
		return;
	section_read(d, &s, root);
	conf_default_paths(d, c);
	c->cpus_allowed = (int)cpus_allowed(cpus);
	conf_read_things(d, c, root);
	if (!d->is_spent)
		verify_all(d, c);
}

static struct conf *conf_read_from(const struct conf_source *src,
	const char *text, size_t len, struct conf_report *report)
{
	struct arena *keep = arena_new();
	struct conf *c = arena_alloc(keep, sizeof(*c));
	struct node *root;
	struct draft d;

	draft_init(&d, src, report, keep);
	d.text = text;
	d.text_len = len;
	c->arena = keep;
	c->path = conf_absolute(keep, src->path);
	root = load_all(&d);
	if (root != NULL && !d.is_spent)
		conf_read_root(&d, c, root);
	else if (report->errors == 0)
		draft_error(&d, NULL, "%s holds nothing", src->path);
	report_finish(report, d.sources, d.source_count);
	draft_done(&d);
	if (report->errors == 0)
		return c;
	conf_free(c);
	return NULL;
}

struct conf *conf_read(
	const struct conf_source *src, struct conf_report *report)
{
	return conf_read_from(src, NULL, 0, report);
}

struct conf *conf_read_text(const struct conf_source *src, const char *text,
	size_t len, struct conf_report *report)
{
	return conf_read_from(src, text, len, report);
}

void conf_free(struct conf *c)
{
	if (c != NULL)
		arena_free(c->arena);
}

struct conf_pool *conf_pool_find(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->pool_count; i++)
		if (strcmp(c->pools[i].name, name) == 0)
			return &c->pools[i];
	return NULL;
}

struct conf_pool *conf_pool_internal(
	struct conf *c, const struct conf_kind *kind, const char *name)
{
	static const struct conf_source none;
	struct conf_pool *p = arena_alloc(c->arena, sizeof(*p));
	struct conf_report report;
	struct draft d;

	draft_init(&d, &none, &report, c->arena);
	conf_pool_init(&d, c, p, kind, name);
	draft_done(&d);
	conf_report_done(&report);
	p->count = p->workers = 1;
	p->uid = c->uid;
	p->gid = c->gid;
	return p;
}
