/* SPDX-License-Identifier: ISC */
/*
 * The terminal is given back as it was however the program ends: by q, by a
 * signal, by an error.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/status.h"
#include "ctl/table.h"
#include "ctl/top.h"

#define TOP_INTERVAL_US US_PER_S
#define TOP_PIDS_MAX    4096

/* xterm: the other screen and back, the cursor off and on, home, erase to the
 * end of the line, and of the screen. */
#define TOP_ENTER "\033[?1049h\033[?25l"
#define TOP_LEAVE "\033[?25h\033[?1049l"
#define TOP_HOME  "\033[H"
#define TOP_EOL   "\033[K"
#define TOP_EOS   "\033[J"

/* CPU time of a worker when it was last looked at, and its share of one CPU
 * since the look before; negative: not known. */
struct top_time {
	int pid;
	double ticks, percent;
};

struct top {
	struct client *client;
	json_t *doc; /* the last status; NULL before the first */
	char error[ERR_TEXT_MAX];
	size_t scroll;
	int64_t at_us; /* of doc */
	struct top_time *times;
	size_t time_count;
};

static struct termios top_saved;
static volatile sig_atomic_t top_is_on, top_end, top_suspend, top_resized;

/* Only calls that are safe in a signal handler. */
static void top_restore(void)
{
	if (!top_is_on)
		return;
	top_is_on = 0;
	if (write(STDOUT_FILENO, TOP_LEAVE, sizeof(TOP_LEAVE) - 1) == -1)
		return;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &top_saved);
}

static void top_enter(void)
{
	struct termios raw = top_saved;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	if (write(STDOUT_FILENO, TOP_ENTER, sizeof(TOP_ENTER) - 1) == -1)
		top_end = SIGHUP;
	top_is_on = 1;
}

static void top_on_signal(int signo)
{
	if (signo == SIGWINCH)
		top_resized = 1;
	else if (signo == SIGTSTP)
		top_suspend = 1;
	else
		top_end = signo;
}

static void top_on_fault(int signo)
{
	top_restore();
	signal(signo, SIG_DFL);
	raise(signo);
}

static void top_catch(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE,
		SIGTSTP, SIGWINCH };
	static const int faults[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE };
	struct sigaction sa = { .sa_handler = top_on_signal };
	size_t i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaction(ends[i], &sa, NULL);
	sa.sa_handler = top_on_fault;
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigaction(faults[i], &sa, NULL);
}

static void top_pause(void)
{
	top_suspend = 0;
	top_restore();
	raise(SIGSTOP);
	top_enter();
}

/* utime and stime after proc(5): fields 14 and 15, behind the name in
 * brackets that may hold anything.  Negative when the process is gone. */
static double top_ticks(int pid)
{
	char path[32], text[1024];
	unsigned long long user, system;
	const char *rest;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	rest = strrchr(text, ')');
	if (rest == NULL ||
		sscanf(rest + 1,
			" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu "
			"%llu",
			&user, &system) != 2)
		return -1;
	return (double)user + (double)system;
}

static const struct top_time *top_time(const struct top *t, int pid)
{
	size_t i;

	for (i = 0; i < t->time_count; i++) {
		if (t->times[i].pid == pid)
			return &t->times[i];
	}
	return NULL;
}

static void top_measure(
	struct top *t, int pid, double elapsed_s, struct top_time *ret_time)
{
	const struct top_time *before = top_time(t, pid);
	double ticks = top_ticks(pid);

	*ret_time = (struct top_time){ pid, ticks, -1 };
	if (before != NULL && before->ticks >= 0 && ticks >= before->ticks &&
		elapsed_s > 0)
		ret_time->percent = (ticks - before->ticks) * 100 /
				    ((double)sysconf(_SC_CLK_TCK) * elapsed_s);
}

static void top_sample(struct top *t, double elapsed_s)
{
	struct top_time *now = xcalloc(TOP_PIDS_MAX, sizeof(*now));
	const json_t *pool, *worker;
	size_t i, j, count = 0;

	json_array_foreach(json_object_get(t->doc, "pools"), i, pool)
	{
		json_array_foreach(json_object_get(pool, "workers"), j, worker)
		{
			int pid = (int)status_number(worker, "pid");

			if (pid > 0 && count < TOP_PIDS_MAX)
				top_measure(t, pid, elapsed_s, &now[count++]);
		}
	}
	free(t->times);
	t->times = now;
	t->time_count = count;
}

static void top_cell(struct table *table, const json_t *worker, void *arg)
{
	const struct top_time *time =
		top_time(arg, (int)status_number(worker, "pid"));

	if (time == NULL || time->percent < 0)
		table_cell(table, SCREEN_PLAIN, "-");
	else
		table_cell(table, SCREEN_PLAIN, "%.1f", time->percent);
}

static int top_fetch(struct top *t)
{
	struct client_answer a;
	struct err err;
	double elapsed_s;
	int64_t now;

	if (client_look(t->client, NULL, &a, &err) != 0) {
		snprintf(t->error, sizeof(t->error), "%s", err.text);
		return -1;
	}
	if (a.status != 200 || !json_is_object(a.json)) {
		snprintf(t->error, sizeof(t->error), "%s", client_error(&a));
		client_answer_done(&a);
		return -1;
	}
	now = clock_now();
	elapsed_s = t->doc != NULL ? (double)(now - t->at_us) / US_PER_S : 0;
	t->at_us = now;
	t->error[0] = '\0';
	json_decref(t->doc);
	t->doc = json_incref(a.json);
	client_answer_done(&a);
	/* The pids of another node are none of this one. */
	if (client_socket(t->client) != NULL)
		top_sample(t, elapsed_s);
	return 0;
}

/* Lines of `text` that fit, each cleared to its end, as the terminal is not
 * erased between two pictures: no flicker. */
static void top_put(struct buf *out, const char *text, int *rows_left)
{
	const char *end;

	while (*text != '\0' && *rows_left > 0) {
		end = strchrnul(text, '\n');
		buf_add(out, text, (size_t)(end - text));
		(*rows_left)--;
		buf_puts(out, *rows_left > 0 ? TOP_EOL "\r\n" : TOP_EOL);
		text = *end == '\0' ? end : end + 1;
	}
}

static size_t top_max_scroll(size_t rows, int room)
{
	size_t shown = room > 1 ? (size_t)room - 1 : 0;

	return rows > shown ? rows - shown : 0;
}

static void top_put_table(struct buf *out, const struct table *t,
	const struct screen *s, size_t first, int *rows_left)
{
	struct buf text = BUF_INIT;

	table_print(t, s, first, (size_t)*rows_left, &text);
	top_put(out, buf_str(&text), rows_left);
	buf_done(&text);
}

static void top_put_body(
	struct top *t, const struct screen *s, struct buf *out, int *rows_left)
{
	struct status_extra extra = { top_cell, t };
	struct table *pools = status_pools(t->doc);
	struct table *workers = status_workers(t->doc, &extra);
	size_t most;

	top_put(out, "\n", rows_left);
	top_put_table(out, pools, s, 0, rows_left);
	top_put(out, "\n", rows_left);
	most = top_max_scroll(table_rows(workers), *rows_left);
	if (t->scroll > most)
		t->scroll = most;
	if (*rows_left > 0)
		top_put_table(out, workers, s, t->scroll, rows_left);
	table_free(workers);
	table_free(pools);
}

static void top_write(const struct buf *out)
{
	size_t done = 0;

	while (done < out->len) {
		ssize_t n =
			write(STDOUT_FILENO, out->data + done, out->len - done);

		if (n == -1 && errno != EINTR) {
			top_end = SIGHUP;
			return;
		}
		done += n > 0 ? (size_t)n : 0;
	}
}

static void top_draw(struct top *t)
{
	struct buf out = BUF_INIT, head = BUF_INIT;
	struct screen s;
	int rows_left;

	screen_init(&s);
	rows_left = s.height;
	buf_puts(&out, TOP_HOME);
	status_summary(t->doc, &s, &head);
	if (t->error[0] != '\0')
		buf_printf(&head, "%s%s%s, trying again\n",
			screen_on(&s, SCREEN_BAD), t->error,
			screen_off(&s, SCREEN_BAD));
	top_put(&out, buf_str(&head), &rows_left);
	top_put_body(t, &s, &out, &rows_left);
	buf_puts(&out, TOP_EOS);
	top_write(&out);
	buf_done(&head);
	buf_done(&out);
}

/* Keys: q, and up and down as vi and as the cursor keys (ESC [ A). */
static void top_on_keys(struct top *t)
{
	char keys[64];
	ssize_t i, n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
		top_end = SIGHUP;
	for (i = 0; i < n; i++) {
		if (keys[i] == 'q' || keys[i] == 'Q')
			top_end = SIGINT;
		else if (keys[i] == 'j' || keys[i] == 'B')
			t->scroll++;
		else if ((keys[i] == 'k' || keys[i] == 'A') && t->scroll > 0)
			t->scroll--;
	}
}

static void top_run(struct top *t)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	int64_t due = clock_now() + TOP_INTERVAL_US, wait;

	top_draw(t);
	while (!top_end) {
		wait = due - clock_now();
		if (wait > 0 && poll(&p, 1, (int)(wait / US_PER_MS) + 1) > 0)
			top_on_keys(t);
		if (top_end)
			break;
		if (top_suspend)
			top_pause();
		top_resized = 0;
		if (clock_now() >= due) {
			(void)top_fetch(t);
			due = clock_now() + TOP_INTERVAL_US;
		}
		top_draw(t);
	}
}

int top_command(struct ctl *c)
{
	struct top t = { 0 };
	int rc = EXIT_OK;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
		tcgetattr(STDIN_FILENO, &top_saved) == -1)
		return ctl_fail(EXIT_CONFIG,
			"top needs a terminal: see `reevectl status`");
	t.client = client_new(c);
	if (top_fetch(&t) != 0) {
		rc = ctl_fail(EXIT_SYSTEM, "%s", t.error);
	} else {
		atexit(top_restore);
		top_catch();
		top_enter();
		top_run(&t);
		top_restore();
	}
	free(t.times);
	json_decref(t.doc);
	client_free(t.client);
	return rc;
}
