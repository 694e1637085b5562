/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/pool.h"
#include "master/filewatch.h"

/* An editor or a checkout touches many files: one restart after the last. */
#define WATCH_SETTLE_US (200 * US_PER_MS)
#define WATCH_DIRS_MAX  4096
#define WATCH_DEPTH_MAX 32

#define WATCH_EVENTS                                                      \
	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |         \
		IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | \
		IN_EXCL_UNLINK)

struct filewatch_place {
	int wd;
	char *path;
	char *only; /* a single file in `path`; NULL: everything */
};

struct filewatch {
	struct pool *pool;
	int fd;
	struct loop_fd *readable;
	struct loop_timer *settle;
	struct filewatch_place *places;
	size_t count;
	char changed[PATH_MAX];
};

static void filewatch_add(
	struct filewatch *w, const char *path, const char *only)
{
	int wd;

	if (w->count >= WATCH_DIRS_MAX) {
		log_warn("%s: more than %d directories to watch, %s is left "
			 "out",
			w->pool->name, WATCH_DIRS_MAX, path);
		return;
	}
	wd = inotify_add_watch(w->fd, path, WATCH_EVENTS | IN_ONLYDIR);
	if (wd == -1) {
		log_warn("%s: cannot watch %s: %s", w->pool->name, path,
			strerror(errno));
		return;
	}
	w->places = xreallocarray(w->places, w->count + 1, sizeof(*w->places));
	w->places[w->count++] = (struct filewatch_place){ wd, xstrdup(path),
		only != NULL ? xstrdup(only) : NULL };
}

static bool filewatch_is_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void filewatch_tree(struct filewatch *w, const char *path, int depth)
{
	struct dirent *e;
	DIR *d;

	filewatch_add(w, path, NULL);
	if (depth >= WATCH_DEPTH_MAX || w->count >= WATCH_DIRS_MAX ||
		(d = opendir(path)) == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		char *below;

		if (e->d_name[0] == '.')
			continue;
		below = xasprintf("%s/%s", path, e->d_name);
		if (filewatch_is_dir(below))
			filewatch_tree(w, below, depth + 1);
		free(below);
	}
	closedir(d);
}

/* A file is watched through its directory: editors replace it. */
static void filewatch_path(struct filewatch *w, const char *path)
{
	char *copy, *slash;
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		filewatch_tree(w, path, 0);
		return;
	}
	copy = xstrdup(path);
	slash = strrchr(copy, '/');
	if (slash != NULL) {
		*slash = '\0';
		filewatch_add(w, slash == copy ? "/" : copy, slash + 1);
	}
	free(copy);
}

static const struct filewatch_place *filewatch_find(
	const struct filewatch *w, int wd, const char *name)
{
	size_t i;

	for (i = 0; i < w->count; i++)
		if (w->places[i].wd == wd &&
			(w->places[i].only == NULL ||
				strcmp(w->places[i].only, name) == 0))
			return &w->places[i];
	return NULL;
}

static bool filewatch_is_noise(const char *name)
{
	size_t n = strlen(name);

	return name[0] == '.' || (n > 0 && name[n - 1] == '~') ||
	       strcmp(name, "4913") == 0; /* vim asks whether it may write */
}

static void filewatch_on_event(
	struct filewatch *w, const struct inotify_event *e)
{
	const char *name = e->len > 0 ? e->name : "";
	const struct filewatch_place *p = filewatch_find(w, e->wd, name);

	if (p == NULL || filewatch_is_noise(name))
		return;
	snprintf(w->changed, sizeof(w->changed), "%s/%s", p->path, name);
	if ((e->mask & (IN_CREATE | IN_MOVED_TO)) && (e->mask & IN_ISDIR) &&
		p->only == NULL)
		filewatch_tree(w, w->changed, 0);
	loop_timer_start(w->settle, WATCH_SETTLE_US);
}

static void filewatch_on_readable(int fd, unsigned events, void *arg)
{
	alignas(struct inotify_event) char text[16384];
	struct filewatch *w = arg;
	ssize_t n;
	char *p;

	(void)events;
	while ((n = read(fd, text, sizeof(text))) > 0)
		for (p = text; p < text + n;) {
			const struct inotify_event *e = (void *)p;

			filewatch_on_event(w, e);
			p += sizeof(*e) + e->len;
		}
}

static void filewatch_on_settle(void *arg)
{
	struct filewatch *w = arg;
	struct pool *p = w->pool;

	if (p->is_stopped || node.phase != NODE_RUNNING)
		return;
	log_info("%s: %s changed, restarting", p->name, w->changed);
	pool_forgive_all(p);
	pool_retire_all(p, "a watched file changed");
	pool_reconcile(p);
	node_poke();
}

struct filewatch *filewatch_new(struct pool *p)
{
	struct filewatch *w = xcalloc(1, sizeof(*w));
	size_t i;

	w->pool = p;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd == -1) {
		log_warn(
			"%s: cannot watch files: %s", p->name, strerror(errno));
		free(w);
		return NULL;
	}
	for (i = 0; i < p->conf->watch.count; i++)
		filewatch_path(w, p->conf->watch.items[i]);
	w->readable = loop_fd_new(
		node.loop, w->fd, LOOP_READ, filewatch_on_readable, w);
	w->settle = loop_timer_new(node.loop, filewatch_on_settle, w);
	return w;
}

void filewatch_free(struct filewatch *w)
{
	size_t i;

	if (w == NULL)
		return;
	loop_timer_free(w->settle);
	loop_fd_free(w->readable);
	close(w->fd);
	for (i = 0; i < w->count; i++) {
		free(w->places[i].path);
		free(w->places[i].only);
	}
	free(w->places);
	free(w);
}
