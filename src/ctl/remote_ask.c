/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonr.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "ctl/ctl.h"
#include "ctl/problem.h"
#include "ctl/remote_ask.h"
#include "ctl/status.h"
#include "ctl/url.h"
#include "when/iso.h"
#include "when/zone.h"

#define REMOTE_PAGE_MAX 500

int remote_send(struct remote *r, const struct client_request *q,
	const char *about, struct client_answer *ret_answer)
{
	struct client_answer a;
	struct err err;
	int rc;

	if (client_send(r->client, q, &a, &err) != 0)
		return ctl_fail(EXIT_SYSTEM, "%s", err.text);
	if (a.status >= 200 && a.status < 300) {
		*ret_answer = a;
		return EXIT_OK;
	}
	rc = problem_print(r->ctl->there, &a, about);
	client_answer_done(&a);
	return rc;
}

int remote_not_ours(const struct remote *r)
{
	return ctl_fail(EXIT_SYSTEM,
		"%s answered what is no JSON: is it the API of reeve?",
		r->ctl->there->name);
}

int remote_call(struct remote *r, const char *method, const char *path,
	json_t *body, json_t **ret_doc)
{
	char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
	const struct client_request q = {
		.method = method, .path = path, .body = text
	};
	struct client_answer a;
	int rc = remote_send(r, &q, NULL, &a);

	free(text);
	json_decref(body);
	if (rc != EXIT_OK)
		return rc;
	if (a.json == NULL)
		rc = remote_not_ours(r);
	else
		*ret_doc = json_incref(a.json);
	client_answer_done(&a);
	return rc;
}

int remote_get(struct remote *r, const char *path, json_t **ret_doc)
{
	return remote_call(r, "GET", path, NULL, ret_doc);
}

void remote_query(struct buf *path, const char *name, const char *value)
{
	char *escaped = client_escape(value);

	buf_printf(path, "%c%s=%s",
		strchr(buf_str(path), '?') == NULL ? '?' : '&', name, escaped);
	free(escaped);
}

/* The next page, behind `cursor` (NULL: the first). */
static int remote_page(struct remote *r, const char *path, long most,
	const char *cursor, json_t **ret_doc)
{
	struct buf whole = BUF_INIT;
	char limit[24];
	int rc;

	buf_puts(&whole, path);
	snprintf(limit, sizeof(limit), "%ld",
		most < 0 || most > REMOTE_PAGE_MAX ? REMOTE_PAGE_MAX : most);
	if (most != REMOTE_ONE_PAGE)
		remote_query(&whole, "limit", limit);
	if (cursor != NULL)
		remote_query(&whole, "cursor", cursor);
	rc = remote_get(r, buf_str(&whole), ret_doc);
	buf_done(&whole);
	return rc;
}

int remote_list(struct remote *r, const char *path, long most,
	json_t **ret_items, bool *ret_is_cut)
{
	json_t *items = json_array(), *page = NULL;
	const char *cursor = NULL;
	bool is_cut = false;
	size_t had = 0;
	int rc;

	for (;; had = json_array_size(items)) {
		long rest =
			most > 0 ? most - (long)json_array_size(items) : most;
		json_t *next = NULL;

		rc = remote_page(r, path, rest, cursor, &next);
		json_decref(page);
		page = next;
		if (rc != EXIT_OK)
			break;
		json_array_extend(items, json_object_get(page, "items"));
		cursor = json_string_value(json_object_get(page, "nextCursor"));
		is_cut = cursor != NULL;
		if (!is_cut || json_array_size(items) == had ||
			(most > 0 && (long)json_array_size(items) >= most))
			break;
	}
	if (rc != EXIT_OK) {
		json_decref(items);
		return rc;
	}
	json_decref(page);
	if (ret_is_cut != NULL)
		*ret_is_cut = is_cut;
	*ret_items = items;
	return EXIT_OK;
}

int64_t remote_us(const json_t *time)
{
	const char *text = json_string_value(time);
	struct err err;
	int64_t us;

	if (text == NULL ||
		iso_parse(text, strlen(text), zone_utc(), &us, &err) != 0)
		return -1;
	return us;
}

int64_t remote_ms(const json_t *time)
{
	int64_t us = remote_us(time);

	return us < 0 ? us : us / US_PER_MS;
}

static char *remote_text_of(const struct jsonr_value *v)
{
	const char *quote = v->type == JSONR_STRING ? "\"" : "";

	return xasprintf("%s%.*s%s", quote, (int)v->len, v->text, quote);
}

char *remote_raw(const struct client_answer *a, const char *member)
{
	struct jsonr_value name, value;
	char *text = NULL;
	struct jsonr j;

	if (jsonr_object(&j, buf_str(&a->body), a->body.len, JSONR_DEPTH_MAX,
		    NULL) == 0)
		while (text == NULL && jsonr_member(&j, &name, &value) == 1)
			if (jsonr_is(&name, member))
				text = remote_text_of(&value);
	jsonr_done(&j);
	return text != NULL ? text : xstrdup("{}");
}

static json_t *remote_turned(const struct remote_member *m, json_t *value)
{
	char iso[CLOCK_ISO_MAX];
	int64_t ms = -1;

	if (value == NULL || json_is_null(value))
		return json_null();
	if (m->turn != REMOTE_SAME)
		ms = remote_ms(value);
	if (ms >= 0 && m->turn == REMOTE_MS)
		return json_integer((json_int_t)ms);
	if (ms >= 0 && m->turn == REMOTE_TIME)
		return json_string(clock_iso(ms * US_PER_MS, iso));
	return json_incref(value);
}

json_t *remote_ours(const struct remote_member *m, const json_t *theirs)
{
	json_t *ours = json_object();

	for (; m->ours != NULL; m++)
		json_object_set_new(ours, m->ours,
			remote_turned(
				m, m->theirs != NULL
					   ? json_object_get(theirs, m->theirs)
					   : NULL));
	return ours;
}

char *remote_path(const struct remote *r, const char *value)
{
	const char *path = r->how->path, *brace = strchr(path, '{');
	char *escaped, *whole;

	if (brace == NULL)
		return xstrdup(path);
	escaped = client_escape(value);
	whole = xasprintf("%.*s%s%s", (int)(brace - path), path, escaped,
		strchr(brace, '}') + 1);
	free(escaped);
	return whole;
}

bool remote_is_id(const char *text)
{
	size_t i;

	for (i = 0; i < UUID_TEXT_LEN; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text[i] != '-'
			    : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[i] == '\0';
}
