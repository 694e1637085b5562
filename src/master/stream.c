/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/msg.h"
#include "master/pool.h"
#include "master/stream.h"

/* Ends of dead children that no logger has read to the end; beyond this the
 * oldest is given up. */
#define STREAM_LEFT_MAX 256
/* Bytes of the pipe of an access log: what a busy worker writes while the
 * logger waits for a CPU. */
#define STREAM_ACCESS_SIZE (256 << 10)
/* When the ends that a logger has are looked at, while there are any.  Doubles,
 * since what a program left running may keep one open for ever. */
#define STREAM_LOOK_US     (20 * US_PER_MS)
#define STREAM_LOOK_MAX_US (20 * 60 * (int64_t)US_PER_S)

struct stream_left {
	TAILQ_ENTRY(stream_left) entry;
	struct msg m;
	int fd;
	bool sent; /* the logger of now has it */
};

static TAILQ_HEAD(stream_left_list, stream_left) left = TAILQ_HEAD_INITIALIZER(
	left);
static int left_count;
static struct loop_timer *look;
static int64_t look_us;

/* Where the pool's workers write a line for each request; NULL. */
static const char *stream_access_file(const struct pool *p)
{
	const char *file = p->conf->access_log;

	return file != NULL && file[0] == '/' ? file : NULL;
}

/* A worker of ours has all in one pipe, or a second one for its access log. */
static int stream_number(const struct pool *p)
{
	if (p == node.logger)
		return 0;
	return p->role == NULL || stream_access_file(p) != NULL ? 2 : 1;
}

int stream_open(const struct pool *p, int ret_read[2], int ret_output[2],
	int *ret_count, struct err *err)
{
	int fds[2], i;

	*ret_count = stream_number(p);
	for (i = 0; i < *ret_count; i++) {
		if (pipe2(fds, O_CLOEXEC) == -1)
			return err_errno(err, "cannot make a pipe");
		ret_read[i] = fds[0];
		ret_output[i] = fds[1];
		(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
		/* A worker of ours drops a line rather than wait for it. */
		if (p->role != NULL)
			(void)fcntl(fds[1], F_SETFL, O_NONBLOCK);
	}
	if (*ret_count == 1)
		ret_output[1] = ret_output[0];
	if (*ret_count == 2 && p->role != NULL)
		(void)fcntl(ret_output[0], F_SETPIPE_SZ, STREAM_ACCESS_SIZE);
	return 0;
}

static struct proc *stream_logger(void)
{
	struct proc *pr;
	int i;

	if (node.logger == NULL)
		return NULL;
	for (i = 0; i < node.logger->slot_count; i++)
		TAILQ_FOREACH(pr, &node.logger->slots[i]->procs, in_slot)
			if (pr->state == BOARD_READY)
				return pr;
	return NULL;
}

static enum msg_stream stream_kind(const struct proc *pr, int which)
{
	if (pr->pool->role == NULL)
		return which == 0 ? MSG_STREAM_STDOUT : MSG_STREAM_STDERR;
	return pr->stream_count == 2 && which == 0 ? MSG_STREAM_ACCESS
						   : MSG_STREAM_LOG;
}

static void stream_msg(const struct proc *pr, int which, struct msg *ret_msg)
{
	const char *file = stream_access_file(pr->pool);

	memset(ret_msg, 0, sizeof(*ret_msg));
	ret_msg->type = MSG_MASTER_STREAM;
	ret_msg->token = stream_kind(pr, which);
	ret_msg->value = pr->slot->index;
	snprintf(ret_msg->name, sizeof(ret_msg->name), "%s", pr->pool->name);
	if (ret_msg->token == MSG_STREAM_ACCESS && file != NULL)
		snprintf(ret_msg->text, sizeof(ret_msg->text), "%s", file);
	else
		snprintf(ret_msg->text, sizeof(ret_msg->text), "%d",
			(int)pr->pid);
}

/* false: the logger's channel is full, go on when it can be written. */
static bool stream_send(struct proc *logger, const struct msg *m, int fd)
{
	if (msg_send(logger->channel, m, fd) == 0)
		return true;
	if (errno == EAGAIN && logger->channel_watch != NULL)
		loop_fd_set(logger->channel_watch, LOOP_READ | LOOP_WRITE);
	return false;
}

static void stream_forget(struct stream_left *s)
{
	TAILQ_REMOVE(&left, s, entry);
	left_count--;
	close(s->fd);
	free(s);
}

/* Nothing in it, and nobody left to write more. */
static bool stream_is_at_end(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) == 0 &&
	       (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void stream_on_look(void *arg)
{
	struct stream_left *s, *next;

	(void)arg;
	for (s = TAILQ_FIRST(&left); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->sent && stream_is_at_end(s->fd))
			stream_forget(s);
	}
	if (TAILQ_EMPTY(&left) || stream_logger() == NULL)
		return;
	look_us *= 2;
	if (look_us > STREAM_LOOK_MAX_US)
		look_us = STREAM_LOOK_MAX_US;
	loop_timer_start(look, look_us);
}

static void stream_look_later(void)
{
	if (look == NULL)
		look = loop_timer_new(node.loop, stream_on_look, NULL);
	look_us = STREAM_LOOK_US;
	loop_timer_start(look, look_us);
}

static bool stream_pump_left(struct proc *logger)
{
	struct stream_left *s;
	bool some = false;

	TAILQ_FOREACH(s, &left, entry) {
		if (s->sent)
			continue;
		if (!stream_send(logger, &s->m, s->fd))
			return false;
		s->sent = some = true;
	}
	if (some) {
		stream_look_later();
		node_poke();
	}
	return true;
}

void stream_pump(void)
{
	struct proc *logger = stream_logger(), *pr;
	struct msg m;
	int i;

	if (logger == NULL || !stream_pump_left(logger))
		return;
	TAILQ_FOREACH(pr, &node.procs, in_node) {
		while (pr->streamed < pr->stream_count) {
			i = pr->streamed;
			stream_msg(pr, i, &m);
			if (!stream_send(logger, &m, pr->streams[i]))
				return;
			pr->streamed++;
		}
	}
}

void stream_restart(void)
{
	struct stream_left *s;
	struct proc *pr;

	TAILQ_FOREACH(pr, &node.procs, in_node)
		pr->streamed = 0;
	TAILQ_FOREACH(s, &left, entry)
		s->sent = false;
	stream_pump();
}

/* Best one that the logger has, for then only its death would lose it. */
static void stream_give_up(void)
{
	struct stream_left *s;

	TAILQ_FOREACH(s, &left, entry)
		if (s->sent)
			break;
	if (s == NULL) {
		s = TAILQ_FIRST(&left);
		log_warn("the last output of %s[%s] is given up: no logger "
			 "for too long",
			s->m.name, s->m.text);
	}
	stream_forget(s);
}

static void stream_leave(const struct proc *pr, int which)
{
	struct stream_left *s = xcalloc(1, sizeof(*s));

	stream_msg(pr, which, &s->m);
	s->fd = pr->streams[which];
	s->sent = which < pr->streamed && stream_logger() != NULL;
	TAILQ_INSERT_TAIL(&left, s, entry);
	left_count++;
	if (s->sent)
		stream_look_later();
	if (left_count > STREAM_LEFT_MAX)
		stream_give_up();
}

void stream_close(struct proc *pr)
{
	int i;

	for (i = 0; i < pr->stream_count; i++) {
		if (pr->streams[i] == -1)
			continue;
		if (stream_is_at_end(pr->streams[i]))
			close(pr->streams[i]);
		else
			stream_leave(pr, i);
		pr->streams[i] = -1;
	}
	stream_pump();
}

void stream_done(void)
{
	while (!TAILQ_EMPTY(&left))
		stream_forget(TAILQ_FIRST(&left));
	loop_timer_free(look);
	look = NULL;
}

bool stream_is_handed_on(void)
{
	struct stream_left *s;

	if (stream_logger() == NULL)
		return true;
	TAILQ_FOREACH(s, &left, entry)
		if (!s->sent)
			return false;
	return true;
}

void stream_reopen(void)
{
	struct proc *logger = stream_logger();
	struct msg m = { .type = MSG_MASTER_REOPEN };

	if (logger == NULL)
		return;
	if (msg_send(logger->channel, &m, -1) != 0)
		log_error("cannot tell the logger to reopen: %s",
			strerror(errno));
}
