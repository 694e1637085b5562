/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/expand.h"
#include "conf/load.h"
#include "conf/node.h"
#include "conf/reader.h"
#include "conf/tree.h"

static struct node *load_file(struct draft *d, const char *name,
	const struct source *parent, const struct node *at);

/* The directory of `name` with a "/" in front, however it was written. */
static const char *load_dir(struct draft *d, const char *name)
{
	const char *slash = strrchr(name, '/');
	char *dir = slash != NULL ? arena_strndup(d->scratch, name,
					    (size_t)(slash - name))
				  : arena_strdup(d->scratch, ".");
	char real[PATH_MAX];

	if (*dir == '\0')
		return "/";
	if (realpath(dir, real) == NULL)
		return dir;
	return arena_strdup(d->scratch, real);
}

static struct source *load_source(
	struct draft *d, const char *name, const struct source *parent)
{
	struct source *s = arena_alloc(d->scratch, sizeof(*s));

	s->name = arena_strdup(d->scratch, name);
	s->dir = load_dir(d, name);
	s->parent = parent;
	return s;
}

static int load_error(struct draft *d, const struct source *s,
	const struct node *at, const char *why)
{
	d->is_broken = true;
	if (at != NULL)
		return draft_error(d, at, "%s: %s", s->name, why);
	return draft_error_mark(
		d, (struct conf_mark){ s->name, 0, 0 }, "%s", why);
}

static int load_read(struct draft *d, struct source *s, const struct node *at,
	int fd, struct buf *ret_bytes)
{
	ssize_t n;

	while (ret_bytes->len <= CONF_FILE_MAX) {
		n = read(fd, buf_reserve(ret_bytes, 65536), 65536);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return load_error(d, s, at, strerror(errno));
		if (n == 0)
			break;
		ret_bytes->len += (size_t)n;
	}
	d->bytes += ret_bytes->len;
	if (ret_bytes->len > CONF_FILE_MAX)
		return load_error(d, s, at, "larger than 1 MiB");
	if (d->bytes > DRAFT_BYTES_MAX)
		return load_error(d, s, at, "all files together are too large");
	return 0;
}

/* Opens regular files only: no FIFO may hold us, no device be touched. */
static int load_open(struct draft *d, struct source *s, const struct node *at)
{
	struct stat st;
	int fd = -1;

	if (stat(s->name, &st) == -1)
		return load_error(d, s, at, strerror(errno));
	if (S_ISREG(st.st_mode)) {
		fd = open(
			s->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd == -1)
			return load_error(d, s, at, strerror(errno));
		if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
			close(fd);
			fd = -1;
		}
	}
	if (fd == -1)
		return load_error(d, s, at, "not a regular file");
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if (st.st_size > CONF_FILE_MAX) {
		close(fd);
		return load_error(d, s, at, "larger than 1 MiB");
	}
	return fd;
}

/* Was the file read before?  In its own chain that is an error. */
static bool load_is_known(
	struct draft *d, const struct source *s, const struct node *at)
{
	const struct source *p;
	size_t i;

	for (p = s->parent; p != NULL; p = p->parent)
		if (p->dev == s->dev && p->ino == s->ino) {
			draft_error(d, at, "%s includes itself", s->name);
			return true;
		}
	for (i = 0; i < d->source_count; i++)
		if (d->sources[i]->dev == s->dev &&
			d->sources[i]->ino == s->ino)
			return true;
	return false;
}

static bool load_has_wildcard(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (strchr("*?[", s[i]) != NULL)
			return true;
	return false;
}

/* A pool or template of two files. */
static void load_double(struct draft *d, const char *what,
	const struct node_pair *a, const struct node_pair *b)
{
	struct conf_mark first = node_mark(a->key);

	draft_error(d, b->key, "%s %s is also in %s:%d:%d", what,
		draft_show(d, b->key->text), first.file, first.line,
		first.column);
}

/* The entries of a map of named things, each at home in one file only. */
static struct node *load_join(
	struct draft *d, const char *what, struct node *into, struct node *from)
{
	struct node *joined;
	struct node_pair *p;
	size_t i;

	if (into->type != NODE_MAP || from->type != NODE_MAP)
		return into->type == NODE_MAP ? into : from;
	joined = tree_copy(d, into);
	if (joined == NULL || !draft_spend_entries(d, from, from->count))
		return into;
	for (i = 0; i < from->count; i++) {
		p = node_find(joined, from->pairs[i].key->text);
		if (p != NULL)
			load_double(d, what, p, &from->pairs[i]);
		else
			node_put(d, joined, from->pairs[i].key,
				from->pairs[i].value);
	}
	return joined;
}

static void load_join_pair(
	struct draft *d, struct node *into, const struct node_pair *pair)
{
	struct node_pair *p = node_find(into, pair->key->text);
	const char *name = pair->key->text;
	struct node *merged;

	if (strncmp(name, "x-", 2) == 0 || strcmp(name, "include") == 0)
		return;
	if (p == NULL) {
		node_put(d, into, pair->key, pair->value);
		return;
	}
	if (strcmp(name, "processes") == 0)
		merged = load_join(d, "pool", p->value, pair->value);
	else if (strcmp(name, "handlers") == 0)
		merged = load_join(d, "handler", p->value, pair->value);
	else if (strcmp(name, "templates") == 0)
		merged = load_join(d, "template", p->value, pair->value);
	else
		merged = tree_merge(d, pair->value, p->value);
	if (merged != NULL)
		p->value = merged;
}

static void load_include_file(struct draft *d, struct node *into,
	const char *name, const struct node *at)
{
	struct node *root = load_file(d, name, at->source, at);
	size_t i;

	if (root == NULL || !draft_spend_entries(d, root, root->count))
		return;
	for (i = 0; i < root->count; i++)
		load_join_pair(d, into, &root->pairs[i]);
}

/* Wildcards stand in the last part of a path only: that is one directory to
 * look through, whatever the pattern. */
static void load_include_glob(struct draft *d, struct node *into,
	const char *pattern, const struct node *at)
{
	glob_t found;
	size_t i;
	int result = glob(pattern, 0, NULL, &found);

	if (result == GLOB_NOMATCH)
		return;
	if (result != 0) {
		draft_error(
			d, at, "cannot look for %s", draft_show(d, pattern));
		return;
	}
	for (i = 0; i < found.gl_pathc && !d->is_spent; i++)
		load_include_file(d, into, found.gl_pathv[i], at);
	globfree(&found);
}

static const char *load_moved(struct draft *d, const char *name)
{
	const char *from = d->src->moved_from;
	size_t len = from != NULL ? strlen(from) : 0;

	if (from == NULL || strncmp(name, from, len) != 0 || name[len] != '/')
		return name;
	return arena_printf(d->scratch, "%s%s", d->src->moved_to, name + len);
}

static void load_include_one(
	struct draft *d, struct node *into, struct node *at)
{
	const char *text = expand_text(d, at), *slash, *name;

	if (text == NULL)
		return;
	if (*text == '\0' || strlen(text) >= PATH_MAX) {
		draft_error(d, at, "\"include\" wants the path of a file");
		return;
	}
	name = text;
	slash = strrchr(at->source->name, '/');
	if (*text != '/' && slash != NULL)
		name = arena_printf(d->scratch, "%.*s/%s",
			(int)(slash - at->source->name), at->source->name,
			text);
	name = load_moved(d, name);
	slash = strrchr(text, '/');
	if (slash != NULL && load_has_wildcard(text, (size_t)(slash - text)))
		draft_error(d, at, "wildcards are for the last part of a path");
	else if (load_has_wildcard(text, strlen(text)))
		load_include_glob(d, into, name, at);
	else
		load_include_file(d, into, name, at);
}

static void load_includes(struct draft *d, struct node *root)
{
	struct node *include = node_get(root, "include");
	size_t i;

	if (include == NULL || expand_is_null(d, include))
		return;
	if (d->text != NULL) {
		draft_error(d, include, "\"include\" is for files");
		return;
	}
	if (include->type != NODE_LIST) {
		load_include_one(d, root, include);
		return;
	}
	for (i = 0; i < include->count && !d->is_spent; i++)
		load_include_one(d, root, include->items[i]);
}

static struct node *load_parse(
	struct draft *d, struct source *s, const char *bytes, size_t len)
{
	struct node *root = NULL;

	if (reader_parse(d, s, bytes, len, &root) != 0 || root == NULL ||
		expand_is_null(d, root))
		return NULL;
	if (root->type != NODE_MAP) {
		draft_error(d, root, "a map of settings is wanted, not %s",
			node_show(d, root));
		return NULL;
	}
	return tree_copy(d, root);
}

static struct node *load_file(struct draft *d, const char *name,
	const struct source *parent, const struct node *at)
{
	struct source *s = load_source(d, name, parent);
	struct buf bytes = BUF_INIT;
	struct node *root = NULL;
	int fd = load_open(d, s, at);

	if (fd < 0 && d->source_count == 0)
		d->sources[d->source_count++] = s;
	if (fd < 0)
		return NULL;
	if (load_is_known(d, s, at)) {
		close(fd);
		return NULL;
	}
	if (d->source_count == CONF_FILES_MAX) {
		close(fd);
		d->is_spent = d->is_broken = true;
		draft_error(d, at, "more than %d files", CONF_FILES_MAX);
		return NULL;
	}
	d->sources[d->source_count++] = s;
	if (load_read(d, s, at, fd, &bytes) == 0)
		root = load_parse(d, s, buf_str(&bytes), bytes.len);
	close(fd);
	buf_done(&bytes);
	if (root != NULL)
		load_includes(d, root);
	return root;
}

/* The draft's text in the place of a file; its paths stand on "/". */
static struct node *load_text(struct draft *d)
{
	struct source *s = arena_alloc(d->scratch, sizeof(*s));
	struct node *root;

	s->name = d->src->path;
	s->dir = "/";
	d->sources[d->source_count++] = s;
	root = load_parse(d, s, d->text, d->text_len);
	if (root != NULL)
		load_includes(d, root);
	return root;
}

static void load_override(
	struct draft *d, struct node *root, const char *override)
{
	const char *equals = strchr(override, '=');
	struct source *s = arena_alloc(d->scratch, sizeof(*s));
	struct node *value = NULL;
	char *key;

	s->name = arena_printf(d->scratch, "-e %s", override);
	s->dir = load_dir(d, "./");
	if (equals == NULL || equals == override) {
		draft_error_mark(d, (struct conf_mark){ s->name, 0, 0 },
			"-e wants KEY=VALUE");
		return;
	}
	key = arena_strndup(d->scratch, override, (size_t)(equals - override));
	s->name = arena_printf(d->scratch, "-e %s", key);
	if (strcmp(key, "include") == 0) {
		draft_error_mark(d, (struct conf_mark){ s->name, 0, 0 },
			"\"include\" is for files");
		return;
	}
	if (reader_parse(d, s, equals + 1, strlen(equals + 1), &value) != 0)
		return;
	if (value == NULL) {
		value = node_new(d, NODE_SCALAR, s, 1, 1);
		if (value == NULL)
			return;
		value->is_plain = true;
	}
	(void)tree_set(d, root, key, value);
}

struct node *load_all(struct draft *d)
{
	struct node *root = d->text != NULL
				    ? load_text(d)
				    : load_file(d, d->src->path, NULL, NULL);
	char *const *e = d->src->overrides;

	if (root == NULL && !d->is_broken && d->report->errors == 0)
		root = node_new(d, NODE_MAP, d->sources[0], 1, 1);
	for (; root != NULL && e != NULL && *e != NULL; e++)
		load_override(d, root, *e);
	return root;
}
