/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "task/canary.h"

#define CANARY_CURRENT "/current"
#define CANARY_LINE    128

/* What a handler may say of a release: returns whether to go on. */
typedef bool (*canary_fn)(const char **text, void *arg);

struct canary {
	struct arena *arena;
	const char *root;
};

/* A letter that would make it another name. */
static bool canary_is_longer(char c)
{
	return isalnum((unsigned char)c) || strchr("._-", c) != NULL;
}

/* Where it says ROOT/current from text on, a part of start; NULL: nowhere. */
static const char *canary_next(
	const char *start, const char *text, const char *current)
{
	size_t len = strlen(current);
	const char *at = text;

	while ((at = strstr(at, current)) != NULL) {
		if ((at == start || !canary_is_longer(at[-1])) &&
			(at[len] == '\0' || !canary_is_longer(at[len])))
			return at;
		at += len;
	}
	return NULL;
}

char *canary_text(const char *text, const char *root)
{
	char *current = xasprintf("%s" CANARY_CURRENT, root);
	const char *start = text, *at = canary_next(start, text, current);
	struct buf out = BUF_INIT;
	char *changed = NULL;

	if (at != NULL) {
		for (; at != NULL; at = canary_next(start, text, current)) {
			buf_add(&out, text, (size_t)(at - text));
			buf_printf(&out, "%s/" CANARY_LINK, root);
			text = at + strlen(current);
		}
		buf_puts(&out, text);
		changed = buf_take(&out);
	}
	free(current);
	return changed;
}

static bool canary_each_word(
	char **words, size_t count, canary_fn fn, void *arg)
{
	const char *word;
	size_t i;

	for (i = 0; i < count; i++) {
		word = words[i];
		if (!fn(&word, arg))
			return false;
		words[i] = (char *)(uintptr_t)word;
	}
	return true;
}

static bool canary_each(struct conf_handler *h, canary_fn fn, void *arg)
{
	const char **texts[] = { &h->directory, &h->path, &h->config };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (*texts[i] != NULL && !fn(texts[i], arg))
			return false;
	for (i = 0; i < h->environment.count; i++)
		if (!canary_each_word(
			    &h->environment.items[i].value, 1, fn, arg))
			return false;
	return canary_each_word(h->command.items, h->command.count, fn, arg);
}

static bool canary_change(const char **text, void *arg)
{
	const struct canary *c = arg;
	char *changed = canary_text(*text, c->root);

	if (changed != NULL)
		*text = arena_strdup(c->arena, changed);
	free(changed);
	return true;
}

static bool canary_is_without(const char **text, void *arg)
{
	char *changed = canary_text(*text, arg);
	bool is_without = changed == NULL;

	free(changed);
	return is_without;
}

bool canary_is_of_use(const struct conf *c, const char *root)
{
	size_t i;

	for (i = 0; i < c->handler_count; i++)
		if (!canary_each(&c->handlers[i], canary_is_without,
			    (void *)(uintptr_t)root))
			return true;
	return false;
}

static bool canary_is_named(const char *root, const char *pool, int index)
{
	char *path = xasprintf("%s/" CANARY_WORKERS, root);
	char *name = xasprintf("%s.%d\n", pool, index);
	FILE *f = fopen(path, "re");
	char line[CANARY_LINE];
	bool is_named = false;

	while (f != NULL && !is_named && fgets(line, sizeof(line), f) != NULL)
		is_named = strcmp(line, name) == 0;
	if (f != NULL)
		fclose(f);
	free(path);
	free(name);
	return is_named;
}

static bool canary_is_there(const char *root)
{
	char *path = xasprintf("%s/" CANARY_LINK, root);
	struct stat st;
	bool is_there = stat(path, &st) == 0 && S_ISDIR(st.st_mode);

	free(path);
	return is_there;
}

bool canary_join(const struct conf *c, const char *pool, int index)
{
	struct canary of = { .arena = c->arena };
	bool has_joined = false;
	size_t i, k;

	for (i = 0; i < c->pool_count; i++) {
		if (c->pools[i].kind->root == NULL)
			continue;
		of.root = c->pools[i].kind->root(&c->pools[i]);
		if (!canary_is_named(of.root, pool, index) ||
			!canary_is_there(of.root))
			continue;
		for (k = 0; k < c->handler_count; k++)
			canary_each(&c->handlers[k], canary_change, &of);
		log_info("handlers are those of %s/" CANARY_LINK, of.root);
		has_joined = true;
	}
	return has_joined;
}
