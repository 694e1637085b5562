/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/expand.h"
#include "conf/node.h"

#define EXPAND_DEPTH_MAX 8

struct expansion {
	struct draft *d;
	const struct node *at;
	struct buf out;
};

static int expand_part(
	struct expansion *x, const char *s, const char *end, int depth);

/* The "}" that closes what begins at s, or NULL. */
static const char *expand_close(const char *s, const char *end)
{
	int open = 1;

	for (; s < end; s++) {
		if (s[0] == '$' && s + 1 < end && s[1] == '$') {
			s++;
		} else if (s[0] == '$' && s + 1 < end && s[1] == '{') {
			open++;
			s++;
		} else if (s[0] == '}' && --open == 0) {
			return s;
		}
	}
	return NULL;
}

static int expand_put(struct expansion *x, const char *s, size_t len)
{
	x->d->text_bytes += len;
	if (x->d->text_bytes > DRAFT_TEXT_MAX) {
		x->d->is_spent = x->d->is_broken = true;
		return draft_error(x->d, x->at,
			"the values grow beyond %d MiB when ${} is filled in",
			DRAFT_TEXT_MAX >> 20);
	}
	buf_add(&x->out, s, len);
	return 0;
}

static int expand_value(struct expansion *x, const char *name, const char *v)
{
	size_t len = strlen(v);

	if (utf8_valid(v, len) != len)
		return draft_error(x->d, x->at,
			"the value of $%s in the environment is not UTF-8",
			name);
	return expand_put(x, v, len);
}

/* `rest` is what stands behind the name: "", ":-…" or ":?…". */
static int expand_variable(struct expansion *x, const char *name,
	const char *rest, const char *end, int depth)
{
	const char *v = getenv(name);

	if (rest == end) {
		if (v != NULL)
			return expand_value(x, name, v);
		return draft_error(x->d, x->at,
			"$%s is not set in the environment: set it, or write "
			"${%s:-default}",
			name, name);
	}
	if (v != NULL && *v != '\0')
		return expand_value(x, name, v);
	if (rest[1] == '-')
		return expand_part(x, rest + 2, end, depth + 1);
	return draft_error(x->d, x->at, "$%s: %.*s", name,
		end - rest > 2 ? (int)(end - rest - 2) : 10,
		end - rest > 2 ? rest + 2 : "is not set");
}

static int expand_braces(
	struct expansion *x, const char *s, const char *end, int depth)
{
	const char *p = s;
	char *name;

	while (p < end && (isalnum((unsigned char)*p) || *p == '_'))
		p++;
	if (p == s || isdigit((unsigned char)*s) ||
		(p != end && (end - p < 2 || p[0] != ':' ||
				     (p[1] != '-' && p[1] != '?'))))
		return draft_error(x->d, x->at,
			"%s is none of ${VAR}, ${VAR:-default} and "
			"${VAR:?message} (a plain \"$\" is written \"$$\")",
			draft_show(x->d,
				arena_printf(x->d->scratch, "${%.*s}",
					end - s > 64 ? 64 : (int)(end - s),
					s)));
	name = arena_strndup(x->d->scratch, s, (size_t)(p - s));
	return expand_variable(x, name, p, end, depth);
}

static int expand_part(
	struct expansion *x, const char *s, const char *end, int depth)
{
	const char *dollar, *close;

	if (depth > EXPAND_DEPTH_MAX)
		return draft_error(x->d, x->at,
			"${} is nested more than %d deep", EXPAND_DEPTH_MAX);
	while (s < end) {
		dollar = memchr(s, '$', (size_t)(end - s));
		if (dollar == NULL || dollar + 1 == end)
			return expand_put(x, s, (size_t)(end - s));
		if (dollar[1] != '{') {
			if (expand_put(x, s, (size_t)(dollar + 1 - s)) != 0)
				return -1;
			s = dollar + 1 + (dollar[1] == '$');
			continue;
		}
		close = expand_close(dollar + 2, end);
		if (close == NULL)
			return draft_error(x->d, x->at,
				"\"${\" without its \"}\" (a plain \"$\" is "
				"written \"$$\")");
		if (expand_put(x, s, (size_t)(dollar - s)) != 0 ||
			expand_braces(x, dollar + 2, close, depth) != 0)
			return -1;
		s = close + 1;
	}
	return 0;
}

static void expand_node(struct draft *d, struct node *n)
{
	struct expansion x = { .d = d, .at = n, .out = BUF_INIT };

	n->is_expanded = true;
	if (strchr(n->text, '$') == NULL)
		return;
	if (expand_part(&x, n->text, n->text + strlen(n->text), 0) == 0)
		n->text = arena_strdup(d->scratch, buf_str(&x.out));
	else
		n->is_bad = true;
	buf_done(&x.out);
}

const char *expand_text(struct draft *d, struct node *n)
{
	if (n->type != NODE_SCALAR) {
		draft_error(d, n, "a plain value is wanted, not %s",
			node_show(d, n));
		return NULL;
	}
	if (!n->is_expanded)
		expand_node(d, n);
	return n->is_bad ? NULL : n->text;
}

bool expand_is_null(struct draft *d, struct node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };
	size_t i;

	if (n->type != NODE_SCALAR || !n->is_plain || expand_text(d, n) == NULL)
		return false;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(n->text, words[i]) == 0)
			return true;
	return false;
}
