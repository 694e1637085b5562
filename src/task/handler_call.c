/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "task/handler_call.h"

/* Descriptors that are left for all else when connections take the rest. */
#define CALL_FDS_LEFT 128
#define CALL_OWN_MAX  7

struct call_fields {
	struct conf_pair own[CALL_OWN_MAX];
	size_t own_count;
	char attempt[24], epoch[24];
	struct conf_map all; /* items on the heap, texts borrowed */
};

static unsigned call_connections(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1 ||
		files.rlim_cur == RLIM_INFINITY)
		return 0;
	if (files.rlim_cur <= 2 * CALL_FDS_LEFT)
		return (unsigned)(files.rlim_cur / 2 + 1);
	return files.rlim_cur > INT32_MAX
		       ? 0
		       : (unsigned)files.rlim_cur - CALL_FDS_LEFT;
}

static struct http_client *call_client(struct handlers *all, struct err *err)
{
	if (all->http == NULL)
		all->http = http_client_new(all->loop, call_connections(), err);
	return all->http;
}

static void call_add(struct call_fields *f, const char *name, const char *value)
{
	f->own[f->own_count++] = (struct conf_pair){ .name = (char *)name,
		.value = (char *)value };
}

static bool call_has(const struct conf_map *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->count; i++)
		if (strcasecmp(m->items[i].name, name) == 0)
			return true;
	return false;
}

/* Those of the configuration, and ours where it does not say otherwise. */
static void call_fields_merge(
	struct call_fields *f, const struct conf_map *given)
{
	size_t i;

	f->all.items =
		xcalloc(given->count + f->own_count, sizeof(*f->all.items));
	for (i = 0; i < given->count; i++)
		f->all.items[f->all.count++] = given->items[i];
	for (i = 0; i < f->own_count; i++)
		if (!call_has(given, f->own[i].name))
			f->all.items[f->all.count++] = f->own[i];
}

static void call_fields_init(struct call_fields *f, const struct task *t,
	const struct handler_call *c, bool has_body)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->attempt, sizeof(f->attempt), "%lld", (long long)t->attempt);
	snprintf(f->epoch, sizeof(f->epoch), "%lld", (long long)t->epoch);
	call_add(f, "X-Reeve-Task-Id", t->id);
	call_add(f, "X-Reeve-Handler", t->handler);
	call_add(f, "X-Reeve-Tenant", t->tenant);
	call_add(f, "X-Reeve-Attempt", f->attempt);
	call_add(f, "X-Reeve-Epoch", f->epoch);
	if (c->key != NULL)
		call_add(f, "Idempotency-Key", c->key);
	if (has_body)
		call_add(f, "Content-Type", "application/json");
	call_fields_merge(f, &c->request->headers);
}

struct http_call *handler_call_start(struct handler_run *run,
	const struct handler_call *c, http_answer_fn fn, void *arg,
	enum handler_outcome *ret_outcome, struct err *err)
{
	const struct conf_handler *conf = run->handler->conf;
	const char *method = c->request->method;
	bool has_body = c->has_params && strcmp(method, "GET") != 0 &&
			strcmp(method, "HEAD") != 0;
	size_t len;
	const char *params = task_given(run->task, &len);
	struct http_call_options o = { .method = method,
		.url = c->url != NULL ? c->url : c->request->url,
		.body = has_body ? params : NULL,
		.body_len = has_body ? len : 0,
		.timeout_us = c->timeout_us,
		.answer_max = c->answer_max > 0 ? c->answer_max
						: (size_t)conf->output_max,
		.ca_file = conf->ca_file };
	struct http_client *client = call_client(run->handler->all, err);
	struct call_fields fields;
	struct http_call *call;

	*ret_outcome = HANDLER_RETRY;
	if (client == NULL)
		return NULL;
	call_fields_init(&fields, run->task, c, has_body);
	o.headers = &fields.all;
	call = http_call_start(client, &o, fn, arg, err);
	free(fields.all.items);
	*ret_outcome = HANDLER_FATAL;
	return call;
}

enum handler_outcome handler_call_outcome(const struct http_answer *a)
{
	if (a->status >= 200 && a->status < 300)
		return HANDLER_SUCCESS;
	if (a->status == 0 || a->status == 408 || a->status == 425 ||
		a->status == 429 || (a->status >= 500 && a->status < 600))
		return HANDLER_RETRY;
	return HANDLER_FATAL;
}

const char *handler_call_quote(
	const struct http_answer *a, char ret_text[HANDLER_CALL_QUOTE_MAX + 1])
{
	size_t i, len = a->body_len;

	while (len > 0 && (unsigned char)a->body[len - 1] <= ' ')
		len--;
	if (len > HANDLER_CALL_QUOTE_MAX)
		len = HANDLER_CALL_QUOTE_MAX;
	for (i = 0; i < len; i++)
		ret_text[i] =
			(unsigned char)a->body[i] < ' ' ? ' ' : a->body[i];
	ret_text[len] = '\0';
	return ret_text;
}

void handler_call_fail(struct handler_run *run, const struct http_answer *a)
{
	struct handler_result r = { .outcome = handler_call_outcome(a),
		.pause_us = a->retry_after_us };
	char quote[HANDLER_CALL_QUOTE_MAX + 1], text[ERR_TEXT_MAX];

	if (a->status == 0)
		snprintf(text, sizeof(text), "no answer: %s", a->error);
	else
		snprintf(text, sizeof(text), "answered with status %d%s%s",
			a->status, a->body_len > 0 ? ": " : "",
			handler_call_quote(a, quote));
	r.text = text;
	r.text_len = strlen(text);
	handler_finish(run, &r);
}

void handler_call_trim(struct handler *h)
{
	if (h->all->http != NULL)
		http_client_trim(h->all->http);
}
