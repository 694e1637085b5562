/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "logger/logger.h"
#include "logger/options.h"
#include "logger/sink.h"
#include "logger/stream.h"
#include "worker/worker.h"

#define LOGGER_DRAIN_US (200 * US_PER_MS)
#define LOGGER_PATH_MAX 4096

struct logger_file {
	struct sink *sink;
	unsigned pipes; /* that are written to it */
	LIST_ENTRY(logger_file) entry;
};

struct logger_pipe {
	struct logger *logger;
	struct logger_file *file;
	struct stream *stream;
	LIST_ENTRY(logger_pipe) entry;
};

struct logger {
	struct worker *worker;
	struct loop *loop;
	LIST_HEAD(, logger_pipe) pipes;
	LIST_HEAD(, logger_file) files;
	int own_log; /* -1: standard error */
	bool flush_due;
	bool is_draining;
	struct loop_timer *drain;    /* the next step of it */
	struct loop_timer *deadline; /* of draining */
};

static void logger_on_msg(const struct msg *m, int fd, void *arg);
static void logger_on_lines(void *arg);
static void logger_on_end(void *arg);
static void logger_on_drain(void *arg);
static void logger_on_deadline(void *arg);

static const struct stream_events logger_events = {
	.on_lines = logger_on_lines,
	.on_end = logger_on_end,
};

/* One descriptor a pipe: as many as the system lets us have. */
static void logger_raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

/*
 * The file of a pool.  The board says it first, since a reload may have
 * brought pools that this process' configuration does not know.
 * False: standard error.
 */
static bool logger_path(
	struct logger *l, const char *pool, char ret_path[LOGGER_PATH_MAX])
{
	const struct child *c = worker_child(l->worker);
	const struct conf_pool *p = conf_pool_find(c->conf, pool);
	struct board_pool record;
	int i, limit = atomic_load(&c->board->map->header.pool_limit);

	for (i = 0; i < limit; i++) {
		board_read_pool(c->board, i, &record);
		if (record.state == BOARD_POOL_UNUSED ||
			strcmp(record.name, pool) != 0 ||
			strlen(record.log_path) + 1 == sizeof(record.log_path))
			continue;
		snprintf(ret_path, LOGGER_PATH_MAX, "%s", record.log_path);
		return ret_path[0] != '\0';
	}
	if (p != NULL && p->log_file != NULL)
		snprintf(ret_path, LOGGER_PATH_MAX, "%s", p->log_file);
	else if (c->conf->log_dir != NULL)
		snprintf(ret_path, LOGGER_PATH_MAX, "%s/%s.log",
			c->conf->log_dir, pool);
	else
		return false;
	return true;
}

/*
 * The logger's own words, about files it can't write, can't go through
 * itself: they go to its own file, or stay on standard error.
 */
static void logger_open_own_log(struct logger *l)
{
	char path[LOGGER_PATH_MAX];
	int fd;

	if (!logger_path(l, worker_child(l->worker)->pool->name, path))
		return;
	fd = sink_open(path);
	if (fd == -1) {
		log_error("cannot open %s: %s", path, strerror(errno));
		return;
	}
	log_to(fd, LOG_FULL);
	if (l->own_log != -1)
		close(l->own_log);
	l->own_log = fd;
}

static void *logger_start(struct worker *w, struct err *err)
{
	struct logger *l = xcalloc(1, sizeof(*l));

	(void)err;
	l->worker = w;
	l->loop = worker_loop(w);
	l->drain = loop_timer_new(l->loop, logger_on_drain, l);
	l->deadline = loop_timer_new(l->loop, logger_on_deadline, l);
	LIST_INIT(&l->pipes);
	LIST_INIT(&l->files);
	l->own_log = -1;
	logger_raise_limit();
	logger_open_own_log(l);
	worker_on_msg(w, logger_on_msg, l);
	return l;
}

static void logger_on_room(struct sink *sink, void *arg)
{
	struct logger *l = arg;
	struct logger_pipe *p;

	LIST_FOREACH(p, &l->pipes, entry)
		if (p->file->sink == sink)
			stream_resume(p->stream);
}

static struct logger_file *logger_file_get(struct logger *l, const char *path)
{
	struct logger_file *f;

	LIST_FOREACH(f, &l->files, entry) {
		const char *have = sink_path(f->sink);

		if (path == have || (path != NULL && have != NULL &&
					    strcmp(path, have) == 0))
			return f;
	}
	f = xcalloc(1, sizeof(*f));
	f->sink = sink_new(
		l->loop, path, &sink_limits_default, logger_on_room, l);
	LIST_INSERT_HEAD(&l->files, f, entry);
	return f;
}

static void logger_file_free(struct logger_file *f)
{
	LIST_REMOVE(f, entry);
	sink_free(f->sink);
	free(f);
}

/* Files that no pipe leads to any more are closed once all is written. */
static void logger_close_unused(struct logger *l)
{
	struct logger_file *f, *next;

	for (f = LIST_FIRST(&l->files); f != NULL; f = next) {
		next = LIST_NEXT(f, entry);
		if (f->pipes == 0 && sink_is_empty(f->sink))
			logger_file_free(f);
	}
}

static void logger_flush(struct logger *l)
{
	struct logger_file *f;

	LIST_FOREACH(f, &l->files, entry)
		sink_flush(f->sink);
	logger_close_unused(l);
}

static void logger_on_flush(void *arg)
{
	struct logger *l = arg;

	l->flush_due = false;
	logger_flush(l);
}

/* All lines of a turn are written together, at its end. */
static void logger_on_lines(void *arg)
{
	struct logger_pipe *p = arg;
	struct logger *l = p->logger;

	if (l->flush_due)
		return;
	l->flush_due = true;
	loop_defer(l->loop, logger_on_flush, l);
}

static void logger_remove(struct logger_pipe *p)
{
	p->file->pipes--;
	LIST_REMOVE(p, entry);
	stream_free(p->stream);
	free(p);
}

static void logger_on_end(void *arg)
{
	struct logger_pipe *p = arg;
	struct logger *l = p->logger;

	logger_remove(p);
	if (l->is_draining && LIST_EMPTY(&l->pipes))
		logger_on_deadline(l);
}

/* An access log goes to the file that the master names, all else to that of
 * its pool. */
static struct logger_file *logger_file_of(struct logger *l, const struct msg *m)
{
	char path[LOGGER_PATH_MAX];

	if (m->token == MSG_STREAM_ACCESS && m->text[0] == '/')
		return logger_file_get(l, m->text);
	return logger_file_get(l, logger_path(l, m->name, path) ? path : NULL);
}

static void logger_add(struct logger *l, const struct msg *m, int fd)
{
	struct logger_pipe *p;

	if (fd == -1) {
		log_error("no descriptor came for the output of %s.%lld: "
			  "it is not written down",
			m->name, (long long)m->value);
		return;
	}
	p = xcalloc(1, sizeof(*p));
	p->logger = l;
	p->file = logger_file_of(l, m);
	p->file->pipes++;
	p->stream =
		stream_new(l->loop, fd, m, p->file->sink, &logger_events, p);
	LIST_INSERT_HEAD(&l->pipes, p, entry);
	if (l->is_draining && stream_drain(p->stream))
		logger_remove(p);
}

static void logger_reopen(struct logger *l, const struct msg *m)
{
	struct msg answer = { .type = MSG_LOGGER_REOPENED, .token = m->token };
	struct logger_file *f;
	struct err err;

	LIST_FOREACH(f, &l->files, entry) {
		if (sink_reopen(f->sink, &err) == 0)
			continue;
		log_error("%s, going on with the old file", err.text);
		answer.value++;
		snprintf(answer.text, sizeof(answer.text), "%.*s",
			MSG_TEXT_MAX - 1, err.text);
	}
	logger_open_own_log(l);
	worker_send(l->worker, &answer);
}

static void logger_on_msg(const struct msg *m, int fd, void *arg)
{
	struct logger *l = arg;

	if (m->type == MSG_MASTER_STREAM) {
		logger_add(l, m, fd);
		return;
	}
	if (fd != -1)
		close(fd);
	if (m->type == MSG_MASTER_REOPEN)
		logger_reopen(l, m);
}

/*
 * The first step waits for the next turn: streams that the master sent
 * before its SIGTERM may still be in the channel.
 */
static void logger_drain(void *self)
{
	struct logger *l = self;

	loop_timer_start(l->drain, 0);
}

static void logger_on_drain(void *arg)
{
	struct logger *l = arg;
	struct logger_pipe *p, *next;

	l->is_draining = true;
	for (p = LIST_FIRST(&l->pipes); p != NULL; p = next) {
		next = LIST_NEXT(p, entry);
		if (stream_drain(p->stream))
			logger_remove(p);
	}
	logger_flush(l);
	loop_timer_start(
		l->deadline, LIST_EMPTY(&l->pipes) ? 0 : LOGGER_DRAIN_US);
}

static void logger_on_deadline(void *arg)
{
	struct logger *l = arg;
	struct logger_pipe *p;

	loop_timer_stop(l->deadline);
	while ((p = LIST_FIRST(&l->pipes)) != NULL) {
		stream_finish(p->stream);
		logger_remove(p);
	}
	logger_flush(l);
	worker_done(l->worker);
}

static void logger_stop(void *self)
{
	struct logger *l = self;
	struct logger_pipe *p;
	struct logger_file *f;

	while ((p = LIST_FIRST(&l->pipes)) != NULL) {
		/* Not drained where the master is gone: take last words. */
		if (!stream_drain(p->stream))
			stream_finish(p->stream);
		logger_remove(p);
	}
	while ((f = LIST_FIRST(&l->files)) != NULL)
		logger_file_free(f);
	loop_timer_free(l->drain);
	loop_timer_free(l->deadline);
	if (l->own_log != -1) {
		log_to(STDERR_FILENO, LOG_FULL);
		close(l->own_log);
	}
	free(l);
}

const struct role role_logger = {
	.name = "logger",
	.kind = &conf_kind_logger,
	.start = logger_start,
	.drain = logger_drain,
	.stop = logger_stop,
};
