/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "pg_help.h"
#include "tap.h"

#define SERVE "PgServer::serve(@ARGV)"

static const char *pg_help_lib(void)
{
	static char path[4096];
	const char *top = getenv("srcdir");

	snprintf(path, sizeof(path), "-I%s/t/lib", top != NULL ? top : "..");
	return path;
}

bool pg_help_has_server(void)
{
	char command[4200];

	snprintf(command, sizeof(command),
		"perl '%s' -MPgServer -e 'exit !PgServer::is_there()'",
		pg_help_lib());
	return system(command) == 0;
}

static void pg_help_exec(int in, int out, char *const *settings)
{
	const char *dir = getenv("REEVE_TEST_TMP");
	char *words[32] = { (char *)"perl", (char *)pg_help_lib(),
		(char *)"-MPgServer", (char *)"-e", (char *)SERVE,
		(char *)(dir != NULL ? dir : "/tmp") };
	int n = 6;

	while (settings != NULL && *settings != NULL && n < 31)
		words[n++] = *settings++;
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execvp("perl", words);
	_exit(127);
}

static const char *pg_help_answer(struct pg_server *s)
{
	if (fgets(s->answer, sizeof(s->answer), s->out) == NULL)
		bail("PostgreSQL does not answer");
	s->answer[strcspn(s->answer, "\n")] = '\0';
	if (strncmp(s->answer, "ok ", 3) != 0)
		bail("PostgreSQL: %s", s->answer);
	return s->answer + 3;
}

void pg_help_start(struct pg_server *s, char *const *settings)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) == -1 || pipe2(from, O_CLOEXEC) == -1)
		bail("pipe: %s", strerror(errno));
	fflush(stdout);
	s->pid = fork();
	if (s->pid == 0)
		pg_help_exec(to[0], from[1], settings);
	close(to[0]);
	close(from[1]);
	s->in = fdopen(to[1], "w");
	s->out = fdopen(from[0], "r");
	if (sscanf(pg_help_answer(s), "%u %255s %255s", &s->port, s->url,
		    s->socket_url) != 3)
		bail("PostgreSQL does not start: %s", s->answer);
}

const char *pg_help_do(struct pg_server *s, const char *command)
{
	fprintf(s->in, "%s\n", command);
	fflush(s->in);
	return pg_help_answer(s);
}

void pg_help_done(struct pg_server *s)
{
	fclose(s->in);
	waitpid(s->pid, NULL, 0);
	fclose(s->out);
	s->pid = 0;
}

struct pg_help_watch {
	struct loop *loop;
	struct loop_timer *timer;
	bool (*held)(void *arg);
	void *arg;
	int64_t end;
	bool is_held;
};

static void pg_help_on_tick(void *arg)
{
	struct pg_help_watch *w = arg;

	w->is_held = w->held != NULL && w->held(w->arg);
	if (w->is_held || clock_now() >= w->end)
		loop_stop(w->loop);
	else
		loop_timer_start(w->timer, US_PER_MS);
}

static bool pg_help_watch(
	struct loop *l, bool (*held)(void *arg), void *arg, int64_t ms)
{
	struct pg_help_watch w = { .loop = l, .held = held, .arg = arg };

	w.end = clock_now() + ms * US_PER_MS;
	w.timer = loop_timer_new(l, pg_help_on_tick, &w);
	loop_timer_start(w.timer, 0);
	(void)loop_run(l);
	loop_timer_free(w.timer);
	return w.is_held;
}

bool pg_help_until(struct loop *l, bool (*held)(void *arg), void *arg)
{
	return pg_help_watch(l, held, arg, PG_HELP_WAIT_MS);
}

void pg_help_run(struct loop *l, int64_t ms)
{
	(void)pg_help_watch(l, NULL, NULL, ms);
}

static void pg_help_on_state(enum pg_state state, const char *why, void *arg)
{
	struct pg_help *k = arg;

	snprintf(k->why, sizeof(k->why), "%s", why);
	if (state == PG_UP)
		k->ups++;
	else
		k->downs++;
}

void pg_help_open(struct pg_help *k, struct loop *l, const struct pg_options *o)
{
	struct err err;

	*k = (struct pg_help){ .loop = l };
	k->pg = pg_open(l, o, pg_help_on_state, k, &err);
	if (k->pg == NULL)
		bail("pg_open: %s", err.text);
}

void pg_help_close(struct pg_help *k)
{
	pg_close(k->pg);
	k->pg = NULL;
}

static bool pg_help_is_up(void *arg)
{
	const struct pg_help *k = arg;

	return pg_is_up(k->pg);
}

bool pg_help_wait_up(struct pg_help *k)
{
	return pg_help_until(k->loop, pg_help_is_up, k);
}

struct pg_help_downs {
	const struct pg_help *k;
	int downs;
};

static bool pg_help_is_down(void *arg)
{
	const struct pg_help_downs *d = arg;

	return !pg_is_up(d->k->pg) && d->k->downs >= d->downs;
}

bool pg_help_wait_down(struct pg_help *k, int downs)
{
	struct pg_help_downs d = { k, downs };

	return pg_help_until(k->loop, pg_help_is_down, &d);
}

static void pg_help_keep(struct pg_help *k, const struct pg_result *r)
{
	struct buf b = BUF_INIT;
	const char *text;
	int row, column;

	for (row = 0; row < pg_result_rows(r) && b.len < 4000; row++)
		for (column = 0; column < pg_result_columns(r); column++) {
			text = pg_result_text(r, row, column);
			buf_printf(&b, "%s%.3000s",
				column > 0 ? ","
				: row > 0  ? "|"
					   : "",
				text != NULL ? text : "(null)");
		}
	snprintf(k->text, sizeof(k->text), "%s", buf_str(&b));
	buf_done(&b);
}

void pg_help_on_result(const struct pg_result *r, void *arg)
{
	struct pg_help *k = arg;

	k->answers++;
	k->is_error = r == NULL || pg_result_is_error(r);
	k->state[0] = '\0';
	if (r == NULL) {
		k->losses++;
		snprintf(k->text, sizeof(k->text), "(lost)");
	} else if (k->is_error) {
		snprintf(k->state, sizeof(k->state), "%s",
			pg_result_sqlstate(r));
		snprintf(k->text, sizeof(k->text), "%s %.500s", k->state,
			pg_result_error(r));
	} else {
		k->affected = pg_result_affected(r);
		pg_help_keep(k, r);
	}
}

static bool pg_help_is_answered(void *arg)
{
	return ((struct pg_help *)arg)->answers > 0;
}

const char *pg_help_ask(struct pg_help *k, const struct pg_statement *s,
	const char *const *values)
{
	k->answers = 0;
	if (pg_query(k->pg, s, values, pg_help_on_result, k) != 0)
		return "(down)";
	return pg_help_until(k->loop, pg_help_is_answered, k) ? k->text
							      : "(none)";
}
