/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "task/handler_crew.h"
#include "task/handler_talk.h"

#define CREW_READ_SIZE  8192
#define CREW_READS_MAX  8
#define CREW_LOG_MAX    3800  /* bytes of a line, which gets a head */
#define CREW_LINE_SLACK 65536 /* bytes of an answer beside its result */
#define CREW_ESCAPE_MAX 6     /* bytes of \u0001 for one */
#define CREW_LEAVE_US   5000000
#define CREW_MUTE_US    1000000
#define CREW_FDS        3

static struct loop *crew_loop(const struct crew *crew)
{
	return crew->handler->all->loop;
}

void crew_member_set_state(struct crew_member *m, enum crew_state state)
{
	struct crew *crew = m->crew;

	TAILQ_REMOVE(&crew->members[m->state], m, entry);
	crew->counts[m->state]--;
	m->state = state;
	/* The one that was busy last is used first: the others' memory can
	 * stay where it is. */
	TAILQ_INSERT_HEAD(&crew->members[state], m, entry);
	crew->counts[state]++;
}

static void crew_close_fd(int *fd, struct loop_fd **watch)
{
	loop_fd_free(*watch);
	*watch = NULL;
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void crew_close_fds(struct crew_member *m)
{
	crew_close_fd(&m->in_fd, &m->in_watch);
	crew_close_fd(&m->out_fd, &m->out_watch);
	crew_close_fd(&m->log_fd, &m->log_watch);
}

static void crew_member_free(struct crew_member *m)
{
	crew_close_fds(m);
	loop_timer_free(m->timer);
	handler_lines_done(&m->lines);
	handler_lines_done(&m->log_lines);
	buf_done(&m->out);
	free(m);
}

void crew_bury(struct crew *crew)
{
	struct crew_member *m;

	while ((m = TAILQ_FIRST(&crew->members[CREW_DEAD])) != NULL) {
		TAILQ_REMOVE(&crew->members[CREW_DEAD], m, entry);
		crew->counts[CREW_DEAD]--;
		crew_member_free(m);
	}
}

static void crew_signal(struct crew_member *m, int signo)
{
	m->is_termed = true;
	if (m->child != NULL)
		handler_child_signal(m->child, signo);
}

void crew_member_stop(struct crew_member *m, enum handler_force force)
{
	m->is_dismissed = true;
	crew_signal(m, force == HANDLER_FORCE_HARD ? SIGKILL : SIGTERM);
}

void crew_member_kill(struct crew_member *m)
{
	if (m->state == CREW_BUSY)
		handler_child_abandon(m->child);
	else
		handler_child_release(m->child);
	m->child = NULL;
	m->run = NULL;
	crew_close_fds(m);
	crew_member_set_state(m, CREW_DEAD);
}

static void crew_on_timer(void *arg)
{
	struct crew_member *m = arg;

	if (m->is_termed) {
		crew_signal(m, SIGKILL);
		return;
	}
	crew_signal(m, SIGTERM);
	loop_timer_start(m->timer, m->crew->handler->conf->kill_after_us);
}

/* It has so long to end by itself. */
static void crew_set_timer(struct crew_member *m, int64_t us)
{
	if (m->timer == NULL)
		m->timer = loop_timer_new(crew_loop(m->crew), crew_on_timer, m);
	if (!loop_timer_is_set(m->timer))
		loop_timer_start(m->timer, us);
}

/* It will take no further task. */
static void crew_leave(struct crew_member *m, int64_t us)
{
	crew_member_set_state(m, CREW_LEAVING);
	crew_close_fd(&m->in_fd, &m->in_watch);
	crew_set_timer(
		m, m->is_termed ? m->crew->handler->conf->kill_after_us : us);
}

void crew_member_retire(struct crew_member *m)
{
	if (m->state == CREW_LEAVING || m->state == CREW_DEAD)
		return;
	m->is_dismissed = true;
	crew_leave(m, CREW_LEAVE_US);
}

/* It has closed its side.  Mostly that is its end, of which we hear soon. */
static void crew_turn_mute(struct crew_member *m)
{
	m->is_mute = true;
	if (m->state == CREW_IDLE)
		crew_leave(m, CREW_MUTE_US);
	else
		crew_set_timer(m, CREW_MUTE_US);
}

static void crew_log(const struct crew_member *m, const char *line)
{
	if (m->run != NULL)
		handler_tell_log(m->run, line);
	else
		log_info("handler %s[%d]: %s", m->crew->handler->conf->name,
			(int)m->pid, line);
}

static void crew_on_log_line(char *line, size_t len, bool is_cut, void *arg)
{
	struct crew_member *m = arg;

	(void)is_cut;
	if (len == 0)
		return;
	snprintf(m->last, sizeof(m->last), "%s", line);
	crew_log(m, line);
}

/* What it prints is no answer: a stray line, for the log. */
static void crew_take_garbage(struct crew_member *m, char *line, size_t len)
{
	if (len > CREW_LOG_MAX)
		line[CREW_LOG_MAX] = '\0';
	if (len > 0)
		crew_log(m, line);
}

static void crew_take_end(struct crew_member *m, const struct handler_result *r)
{
	struct handler_run *run = m->run;

	m->run = NULL;
	m->tasks++;
	if (m->state == CREW_BUSY && (m->is_termed || m->is_mute))
		crew_leave(m, CREW_MUTE_US);
	else if (m->state == CREW_BUSY)
		crew_member_set_state(m, CREW_IDLE);
	crew_on_end(m, run, r);
}

static void crew_on_line(char *line, size_t len, bool is_cut, void *arg)
{
	struct crew_member *m = arg;
	struct handler_result r = { .outcome = HANDLER_FATAL, .pause_us = -1 };
	struct handler_answer a;

	if (is_cut && m->run != NULL && len > 0 && line[0] == '{') {
		r.text = "its answer is longer than output_max allows";
		r.text_len = strlen(r.text);
		crew_take_end(m, &r);
		return;
	}
	handler_talk_read(
		line, len, (size_t)m->crew->handler->conf->output_max, &a);
	if (a.word == HANDLER_WORD_NONE || m->run == NULL ||
		!jsonr_is(&a.id, m->run->task->id))
		crew_take_garbage(m, line, len);
	else if (a.word == HANDLER_WORD_PROGRESS)
		handler_tell_progress(m->run, a.percent, a.owned);
	else
		crew_take_end(m, &a.result);
	handler_answer_done(&a);
}

/* Returns false at the end of the stream. */
static bool crew_read(int fd, struct handler_lines *lines, int reads,
	const struct crew_member *m)
{
	char data[CREW_READ_SIZE];
	ssize_t n;

	while (reads-- > 0) {
		n = read(fd, data, sizeof(data));
		if (n == -1)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		handler_lines_add(lines, data, (size_t)n);
		if (m->state == CREW_DEAD || n < (ssize_t)sizeof(data))
			return true;
	}
	return true;
}

static void crew_on_readable(int fd, unsigned events, void *arg)
{
	struct crew_member *m = arg;

	(void)events;
	crew_bury(m->crew);
	if (crew_read(fd, &m->lines, CREW_READS_MAX, m) ||
		m->state == CREW_DEAD)
		return;
	crew_close_fd(&m->out_fd, &m->out_watch);
	crew_turn_mute(m);
}

static void crew_on_log(int fd, unsigned events, void *arg)
{
	struct crew_member *m = arg;

	(void)events;
	crew_bury(m->crew);
	if (!crew_read(fd, &m->log_lines, CREW_READS_MAX, m))
		crew_close_fd(&m->log_fd, &m->log_watch);
}

static void crew_write(struct crew_member *m)
{
	ssize_t n;

	while (m->out.len > 0) {
		n = write(m->in_fd, m->out.data, m->out.len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1) {
			buf_reset(&m->out);
			crew_turn_mute(m);
			break;
		}
		buf_drop(&m->out, (size_t)n);
	}
	if (m->out.len > 0)
		loop_fd_set(m->in_watch, LOOP_WRITE);
	else
		loop_fd_set(m->in_watch, 0);
	if (m->out.len == 0 && m->out.cap > CREW_READ_SIZE)
		buf_done(&m->out);
}

static void crew_on_writable(int fd, unsigned events, void *arg)
{
	struct crew_member *m = arg;

	(void)fd;
	(void)events;
	crew_bury(m->crew);
	crew_write(m);
}

void crew_member_give(struct crew_member *m, struct handler_run *run)
{
	m->run = run;
	run->own = m;
	crew_member_set_state(m, CREW_BUSY);
	m->last[0] = '\0';
	handler_talk_request(run, &m->out);
	crew_write(m);
}

static void crew_on_child_exit(const struct handler_exit *e, void *arg)
{
	struct crew_member *m = arg;
	struct handler_run *run;

	m->child = NULL;
	crew_bury(m->crew);
	/* An answer may still be in the pipe. */
	if (m->out_fd != -1)
		(void)crew_read(m->out_fd, &m->lines, CREW_READS_MAX, m);
	if (m->log_fd != -1)
		(void)crew_read(m->log_fd, &m->log_lines, CREW_READS_MAX, m);
	handler_lines_end(&m->log_lines);
	run = m->run;
	m->run = NULL;
	crew_close_fds(m);
	if (m->timer != NULL)
		loop_timer_stop(m->timer);
	crew_member_set_state(m, CREW_DEAD);
	crew_on_exit(m, run, e);
}

/* Pipes and process.  -1 with err; what is open stays in m. */
static int crew_member_launch(
	struct crew_member *m, bool *ret_is_exec, struct err *err)
{
	int theirs[CREW_FDS] = { -1, -1, -1 }, i;

	*ret_is_exec = false;
	if (handler_pipe_to(&m->in_fd, &theirs[0]) == -1 ||
		handler_pipe_from(&m->out_fd, &theirs[1]) == -1 ||
		handler_pipe_from(&m->log_fd, &theirs[2]) == -1)
		err_errno(err, "cannot make a pipe");
	else
		m->child = handler_child_start(m->crew->handler->all->children,
			m->crew->command, NULL, theirs, CREW_FDS,
			crew_on_child_exit, m, ret_is_exec, err);
	for (i = 0; i < CREW_FDS; i++)
		if (theirs[i] != -1)
			close(theirs[i]);
	return m->child != NULL ? 0 : -1;
}

struct crew_member *crew_member_start(
	struct crew *crew, bool *ret_is_exec, struct err *err)
{
	size_t max = (size_t)crew->handler->conf->output_max;
	struct crew_member *m = xcalloc(1, sizeof(*m));
	struct loop *l = crew_loop(crew);

	m->crew = crew;
	m->in_fd = m->out_fd = m->log_fd = -1;
	handler_lines_init(&m->lines, max * CREW_ESCAPE_MAX + CREW_LINE_SLACK,
		crew_on_line, m);
	handler_lines_init(&m->log_lines, CREW_LOG_MAX, crew_on_log_line, m);
	if (crew_member_launch(m, ret_is_exec, err) != 0) {
		crew_member_free(m);
		return NULL;
	}
	m->pid = handler_child_pid(m->child);
	m->in_watch = loop_fd_new(l, m->in_fd, 0, crew_on_writable, m);
	m->out_watch =
		loop_fd_new(l, m->out_fd, LOOP_READ, crew_on_readable, m);
	m->log_watch = loop_fd_new(l, m->log_fd, LOOP_READ, crew_on_log, m);
	m->state = CREW_IDLE;
	TAILQ_INSERT_HEAD(&crew->members[CREW_IDLE], m, entry);
	crew->counts[CREW_IDLE]++;
	return m;
}
