/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/expand.h"
#include "conf/handlers.h"
#include "conf/near.h"
#include "conf/node.h"
#include "conf/owner.h"
#include "conf/print.h"
#include "conf/section.h"
#include "conf/tree.h"
#include "conf/value.h"
#include "conf/verify.h"

/* States of a job, those of success and of failure together. */
#define HANDLERS_STATES_MAX 64

/* A handler and where its settings stand. */
struct handlers_draft {
	struct draft *d;
	struct conf_handler *handler;
	const struct node *key;                  /* its name in the file */
	const struct node *rows[DRAFT_ROWS_MAX]; /* by row; NULL: unset */
};

static const char *const handlers_extra[] = { "kind", "extends", NULL };

/* Where row `name` was set, or the handler itself. */
static const struct node *handlers_at(
	const struct handlers_draft *h, const char *name)
{
	size_t i;

	for (i = 0; conf_handler_options[i].name != NULL; i++)
		if (strcmp(conf_handler_options[i].name, name) == 0 &&
			h->rows[i] != NULL)
			return h->rows[i];
	return h->key;
}

static int handlers_check_name(struct draft *d, const struct node *key)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-.:/";
	size_t len = strlen(key->text);

	if (len > 0 && len <= CONF_HANDLER_NAME_MAX &&
		strspn(key->text, letters) == len)
		return 0;
	return draft_error(d, key,
		"the name of a handler is 1 to %d letters, digits, \"_\", "
		"\"-\", \".\", \":\" and \"/\", not %s",
		CONF_HANDLER_NAME_MAX, draft_show(d, key->text));
}

/* The kind that a handler's map names; SECTION_NO_HANDLER after an error. */
static int handlers_find_kind(
	struct draft *d, const struct node *key, const struct node *map)
{
	struct node *n = node_get(map, "kind");
	struct near near;
	const char *name;
	int kind;

	if (n == NULL || expand_is_null(d, n)) {
		draft_error(d, n != NULL ? n : key,
			"handler %s has no \"kind\": exec, worker, http, "
			"poll or plugin",
			draft_show(d, key->text));
		return SECTION_NO_HANDLER;
	}
	name = expand_text(d, n);
	if (name == NULL)
		return SECTION_NO_HANDLER;
	near_init(&near, d, name);
	for (kind = 0; kind < CONF_HANDLER_KIND_COUNT; kind++) {
		if (strcmp(conf_handler_kind_names[kind], name) == 0)
			return kind;
		near_try(&near, conf_handler_kind_names[kind]);
	}
	draft_error(d, n, "unknown kind of handler %s%s", draft_show(d, name),
		near_hint(&near));
	return SECTION_NO_HANDLER;
}

static void handlers_verify_command(const struct handlers_draft *h)
{
	const struct conf_handler *c = h->handler;
	const struct node *at = handlers_at(h, "command");
	size_t i;

	/* A list that came to nothing was complained of. */
	if (c->command.count == 0 && at->type == NODE_SCALAR)
		draft_error(h->d, at, "handler %s has no \"command\"", c->name);
	else if (c->command.count > 0 && c->command.items[0][0] == '\0')
		draft_error(h->d, at, "the first word of \"command\" is empty");
	for (i = 0; i < c->environment.count; i++)
		if (!verify_is_variable(c->environment.items[i].name))
			draft_error(h->d, handlers_at(h, "environment"),
				"%s is no name of a variable",
				draft_show(h->d, c->environment.items[i].name));
	if (c->memory_hard > 0 && c->memory_hard < c->memory_soft)
		draft_error(h->d, handlers_at(h, "memory.hard"),
			"\"memory.hard\" is below \"memory.soft\"");
}

static bool handlers_is_url(const char *s)
{
	const char *host = strstr(s, "://");

	if (strncasecmp(s, "http://", 7) != 0 &&
		strncasecmp(s, "https://", 8) != 0)
		return false;
	return host[3] != '\0' && strchr("/?#:", host[3]) == NULL &&
	       strpbrk(s, " \t\r\n\"<>\\^`|") == NULL;
}

/* A token of RFC 9110, section 5.6.2. */
static bool handlers_is_token(const char *s)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789!#$%&'*+-.^_`|~";
	size_t len = strlen(s);

	return len > 0 && strspn(s, letters) == len;
}

/* No line may end inside of a header field: what follows would be another. */
static void handlers_verify_headers(const struct handlers_draft *h,
	const struct conf_map *headers, const char *row)
{
	const struct conf_pair *p;
	size_t i;

	for (i = 0; i < headers->count; i++) {
		p = &headers->items[i];
		if (!handlers_is_token(p->name))
			draft_error(h->d, handlers_at(h, row),
				"%s is no name of a header field",
				draft_show(h->d, p->name));
		else if (strpbrk(p->value, "\r\n") != NULL)
			draft_error(h->d, handlers_at(h, row),
				"header field %s: its value has more than one "
				"line",
				draft_show(h->d, p->name));
	}
}

/* `group` is "submit.", "status." or "".  The URL is not shown: it may hold
 * a secret. */
static void handlers_verify_request(const struct handlers_draft *h,
	const struct conf_request *r, const char *group)
{
	struct arena *scratch = h->d->scratch;
	const char *url = arena_printf(scratch, "%surl", group);
	const char *method = arena_printf(scratch, "%smethod", group);

	if (r->url == NULL)
		draft_error(h->d, handlers_at(h, url),
			"handler %s has no \"%s\"", h->handler->name, url);
	else if (!handlers_is_url(r->url))
		draft_error(h->d, handlers_at(h, url),
			"\"%s\" must be http://host/path or https://host/path",
			url);
	if (!handlers_is_token(r->method))
		draft_error(h->d, handlers_at(h, method),
			"%s is no method of a request",
			draft_show(h->d, r->method));
	handlers_verify_headers(
		h, &r->headers, arena_printf(scratch, "%sheaders", group));
}

static bool handlers_has_text(const struct conf_strings *list, const char *text)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

static void handlers_verify_states(const struct handlers_draft *h)
{
	const struct conf_handler *c = h->handler;
	size_t i;

	if (c->done.count == 0)
		draft_error(h->d, handlers_at(h, "done"),
			"\"done\" is empty: no job would ever succeed");
	if (c->done.count + c->failed.count > HANDLERS_STATES_MAX) {
		draft_error(h->d, handlers_at(h, "done"),
			"\"done\" and \"failed\" name more than %d states",
			HANDLERS_STATES_MAX);
		return;
	}
	for (i = 0; i < c->done.count; i++)
		if (handlers_has_text(&c->failed, c->done.items[i]))
			draft_error(h->d, handlers_at(h, "done"),
				"state %s is in \"failed\" as well",
				draft_show(h->d, c->done.items[i]));
}

static void handlers_verify_poll(const struct handlers_draft *h)
{
	const struct conf_handler *c = h->handler;

	handlers_verify_request(h, &c->submit, "submit.");
	handlers_verify_request(h, &c->status, "status.");
	if (c->status.url != NULL && strstr(c->status.url, "{id}") == NULL)
		draft_error(h->d, handlers_at(h, "status.url"),
			"\"status.url\" has no {id}: where is the job's id "
			"to stand?");
	if (*c->id_field == '\0' || *c->state_field == '\0')
		draft_error(h->d,
			handlers_at(h, *c->id_field == '\0' ? "id_field"
							    : "state_field"),
			"the name of the field is empty");
	handlers_verify_states(h);
	if (c->interval_us > c->timeout_us)
		draft_error(h->d, handlers_at(h, "interval"),
			"\"interval\" is more than \"timeout\"");
}

static void handlers_verify(const struct handlers_draft *h)
{
	struct conf_handler *c = h->handler;

	c->uid = OWNER_NO_UID;
	c->gid = OWNER_NO_GID;
	owner_resolve(h->d, c->user, handlers_at(h, "user"), c->group,
		handlers_at(h, "group"), &c->uid, &c->gid);
	if (c->retry_base_us > c->retry_cap_us)
		draft_error(h->d, handlers_at(h, "retry.base"),
			"\"retry.base\" is more than \"retry.cap\"");
	switch (c->kind) {
	case CONF_HANDLER_EXEC:
	case CONF_HANDLER_WORKER: handlers_verify_command(h); break;
	case CONF_HANDLER_HTTP:
		handlers_verify_request(h, &c->request, "");
		break;
	case CONF_HANDLER_POLL: handlers_verify_poll(h); break;
	case CONF_HANDLER_PLUGIN:
		if (c->path == NULL)
			draft_error(h->d, h->key, "handler %s has no \"path\"",
				c->name);
		break;
	case CONF_HANDLER_KIND_COUNT: break;
	}
}

/* FNV-1a over all that may change how a task is run. */
static uint64_t handlers_digest(const struct conf_handler *h)
{
	uint64_t hash = 0xcbf29ce484222325;
	struct buf text = BUF_INIT;
	size_t i;

	print_handler(h, &text);
	buf_printf(&text, "%ld %ld", (long)h->uid, (long)h->gid);
	for (i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3;
	buf_done(&text);
	return hash;
}

/* Only the defaults of the rows that the kind has. */
static void handlers_defaults(struct draft *d, struct conf_handler *h)
{
	struct opt row[2] = { { .name = NULL }, { .name = NULL } };
	const struct opt *o;

	for (o = conf_handler_options; o->name != NULL; o++) {
		if (!conf_handler_applies(o, h->kind))
			continue;
		row[0] = *o;
		value_defaults(d, row, h);
	}
}

static void handlers_read_settings(struct draft *d, struct conf *c, int kind,
	const struct node *key, struct node *map)
{
	struct handlers_draft h = { .d = d, .key = key };
	struct section s = { .part_count = 1,
		.owner = SECTION_HANDLER,
		.handler = kind,
		.extra = handlers_extra };

	s.parts[0].rows = conf_handler_options;
	if (kind == SECTION_NO_HANDLER) {
		section_read(d, &s, map);
		return;
	}
	h.handler = &c->handlers[c->handler_count++];
	h.handler->name = arena_strdup(d->keep, key->text);
	h.handler->mark = draft_keep_mark(d, key);
	h.handler->kind = (enum conf_handler_kind)kind;
	handlers_defaults(d, h.handler);
	s.parts[0].base = h.handler;
	s.parts[0].seen = h.rows;
	section_read(d, &s, map);
	if (d->is_spent)
		return;
	handlers_verify(&h);
	h.handler->digest = handlers_digest(h.handler);
}

static void handlers_read(struct draft *d, struct conf *c,
	const struct node *templates, const struct node_pair *pair)
{
	struct node *map = pair->value;

	if (handlers_check_name(d, pair->key) != 0 || map->is_bad)
		return;
	if (map->type != NODE_MAP) {
		draft_error(d, map, "handler %s must be a map, not %s",
			draft_show(d, pair->key->text), node_show(d, map));
		return;
	}
	map = tree_extend(d, templates, map);
	if (map != NULL)
		handlers_read_settings(d, c,
			handlers_find_kind(d, pair->key, map), pair->key, map);
}

void handlers_read_all(struct draft *d, struct conf *c, const struct node *root,
	const struct node *templates)
{
	struct node *maps = section_named_maps(d, root, "handlers");
	size_t i;

	if (maps == NULL)
		return;
	if (maps->count > CONF_HANDLERS_MAX) {
		draft_error(
			d, maps, "more than %d handlers", CONF_HANDLERS_MAX);
		return;
	}
	c->handlers =
		arena_alloc(d->keep, (maps->count + 1) * sizeof(*c->handlers));
	for (i = 0; i < maps->count && !d->is_spent; i++)
		handlers_read(d, c, templates, &maps->pairs[i]);
}

const struct conf_handler *conf_handler_find(
	const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->handler_count; i++)
		if (strcmp(c->handlers[i].name, name) == 0)
			return &c->handlers[i];
	return NULL;
}
