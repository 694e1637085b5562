/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/status.h"
#include "ctl/table.h"

#define COMMANDS_LOOK_NS 20000000

static void commands_raw(const struct client_answer *a)
{
	fwrite(buf_str(&a->body), 1, a->body.len, stdout);
	if (a->body.len > 0 && a->body.data[a->body.len - 1] != '\n')
		putchar('\n');
}

static bool commands_is_good(const struct client_answer *a)
{
	return a->status == 200 && json_is_true(json_object_get(a->json, "ok"));
}

/* What the daemon says, or else `done`; `about` (NULL: nothing) goes before
 * it. */
static int commands_tell(const struct ctl *c, const struct client_answer *a,
	const char *about, const char *done)
{
	const char *text = status_text(a->json, "text");
	const char *head = about != NULL ? about : "";
	const char *colon = about != NULL ? ": " : "";
	size_t len = strlen(text);

	if (c->json) {
		commands_raw(a);
		return commands_is_good(a) ? EXIT_OK : EXIT_CONFIG;
	}
	if (!commands_is_good(a))
		return ctl_fail(
			EXIT_CONFIG, "%s%s%s", head, colon, client_error(a));
	if (len == 0)
		text = done;
	printf("%s%s%s%s", head, colon, text,
		len > 0 && text[len - 1] == '\n' ? "" : "\n");
	return EXIT_OK;
}

static int commands_post(struct ctl *c, const char *path, const char *done)
{
	struct client *cl = client_new(c);
	struct client_answer a;
	struct err err;
	int rc;

	if (client_post(cl, path, &a, &err) != 0) {
		rc = ctl_fail(EXIT_SYSTEM, "%s", err.text);
	} else {
		rc = commands_tell(c, &a, NULL, done);
		client_answer_done(&a);
	}
	client_free(cl);
	return rc;
}

static int commands_pool(struct ctl *c, struct client *cl, const char *pool,
	const char *action, const char *done)
{
	char *name = client_escape(pool);
	char *path = xasprintf("/pools/%s/%s", name, action);
	struct client_answer a;
	struct err err;
	int rc;

	if (client_post(cl, path, &a, &err) != 0) {
		rc = ctl_fail(EXIT_SYSTEM, "%s", err.text);
	} else {
		rc = commands_tell(c, &a, pool, done);
		client_answer_done(&a);
	}
	free(path);
	free(name);
	return rc;
}

/* The names of the pools that a name stands for, several when it was split by
 * topics; the name itself when the daemon knows none. */
static json_t *commands_members(struct client *cl, const char *pool)
{
	char *name = client_escape(pool);
	char *path = xasprintf("/status?pool=%s", name);
	json_t *names = json_pack("[]"), *one;
	struct client_answer a;
	struct err err;
	size_t i;

	if (client_get(cl, path, &a, &err) == 0) {
		json_array_foreach(json_object_get(a.json, "pools"), i, one)
			json_array_append(names, json_object_get(one, "name"));
		client_answer_done(&a);
	}
	if (json_array_size(names) == 0)
		json_array_append_new(names, json_string(pool));
	free(path);
	free(name);
	return names;
}

static int commands_worse(int a, int b)
{
	return a > b ? a : b;
}

static int commands_each(struct ctl *c, struct client *cl, const char *pool,
	const char *action, const char *done)
{
	json_t *names = commands_members(cl, pool), *name;
	int rc = EXIT_OK;
	size_t i;

	json_array_foreach(names, i, name)
	{
		if (rc != EXIT_SYSTEM)
			rc = commands_worse(rc,
				commands_pool(c, cl, json_string_value(name),
					action, done));
	}
	json_decref(names);
	return rc;
}

/* Each pool in turn; a failure of one does not spare the others. */
static int commands_pools(struct ctl *c, const char *action, const char *done)
{
	struct client *cl = client_new(c);
	int i, worst = EXIT_OK;

	for (i = 0; i < c->argc && worst != EXIT_SYSTEM; i++)
		worst = commands_worse(
			worst, commands_each(c, cl, c->argv[i], action, done));
	client_free(cl);
	return worst;
}

int commands_start(struct ctl *c)
{
	return commands_pools(c, "start", "started");
}

int commands_stop(struct ctl *c)
{
	return commands_pools(c, "stop", "stopped");
}

int commands_restart(struct ctl *c)
{
	return commands_pools(c, "restart", "restarted");
}

/* A count is for one pool: which of a split one is not to be guessed. */
int commands_scale(struct ctl *c)
{
	char *count = client_escape(c->argv[1]);
	char *action = xasprintf("scale?count=%s", count);
	struct client *cl = client_new(c);
	json_t *names = commands_members(cl, c->argv[0]);
	const char *first = json_string_value(json_array_get(names, 0));
	int rc;

	if (json_array_size(names) > 1)
		rc = ctl_fail(EXIT_CONFIG,
			"%s has %zu pools: say which, as in %s", c->argv[0],
			json_array_size(names), first);
	else
		rc = commands_pool(c, cl, first, action, "scaled");
	json_decref(names);
	client_free(cl);
	free(action);
	free(count);
	return rc;
}

int commands_reopen(struct ctl *c)
{
	return commands_post(c, "/reopen", "the log files are open anew");
}

int commands_upgrade(struct ctl *c)
{
	return commands_post(c, "/upgrade", "upgraded");
}

static const struct table_column commands_plan_columns[] = {
	{ "ACTION", TABLE_LEFT, TABLE_FIXED },
	{ "POOL", TABLE_LEFT, TABLE_FIXED },
	{ "WORKERS", TABLE_RIGHT, TABLE_FIXED },
	{ "CHANGED", TABLE_LEFT, TABLE_OPTIONAL },
};

static void commands_print_plan(const json_t *plan)
{
	struct table *t = table_new(commands_plan_columns, 4);
	struct buf out = BUF_INIT;
	const json_t *step;
	struct screen s;
	size_t i;

	json_array_foreach(plan, i, step)
	{
		table_cell(t, SCREEN_PLAIN, "%s", status_text(step, "action"));
		table_cell(t, SCREEN_PLAIN, "%s", status_text(step, "pool"));
		table_cell(
			t, SCREEN_PLAIN, "%.0f", status_number(step, "count"));
		table_cell(t, SCREEN_PLAIN, "%s", status_text(step, "changed"));
	}
	screen_init(&s);
	if (table_rows(t) > 0)
		table_print(t, &s, 0, 0, &out);
	else
		buf_puts(&out, "a reload would change nothing\n");
	fwrite(out.data, 1, out.len, stdout);
	buf_done(&out);
	table_free(t);
}

static int commands_plan(struct ctl *c)
{
	struct client *cl = client_new(c);
	struct client_answer a;
	struct err err;
	int rc = EXIT_OK;

	if (client_post(cl, "/reload?plan=1", &a, &err) != 0) {
		rc = ctl_fail(EXIT_SYSTEM, "%s", err.text);
	} else {
		if (c->json || !commands_is_good(&a))
			rc = commands_tell(c, &a, NULL, "");
		else
			commands_print_plan(json_object_get(a.json, "plan"));
		client_answer_done(&a);
	}
	client_free(cl);
	return rc;
}

int commands_reload(struct ctl *c)
{
	if (c->plan)
		return commands_plan(c);
	return commands_post(c, "/reload", "reloaded");
}

/* The daemon closes its socket last but for its own end. */
static bool commands_is_listening(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	bool listening;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return false;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return false;
	listening =
		connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return listening;
}

static void commands_wait_for_end(struct client *cl, int pidfd)
{
	struct timespec pause = { 0, COMMANDS_LOOK_NS };
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	while (commands_is_listening(client_socket(cl))) {
		/* The end of the process is the end of its socket. */
		if (pidfd != -1)
			(void)poll(&p, 1, 20);
		else
			nanosleep(&pause, NULL);
		if (pidfd != -1 && (p.revents & POLLIN) != 0)
			break;
	}
	if (pidfd != -1)
		(void)poll(&p, 1, 5000);
}

/* A descriptor of the daemon, if it is a process of this machine and in the
 * same name space; -1. */
static int commands_daemon(struct client *cl)
{
	struct client_answer a;
	struct err err;
	int fd = -1;

	if (client_get(cl, "/status", &a, &err) != 0)
		return -1;
	if (status_number(a.json, "pid") > 1)
		fd = (int)syscall(
			SYS_pidfd_open, (pid_t)status_number(a.json, "pid"), 0);
	client_answer_done(&a);
	return fd;
}

int commands_shutdown(struct ctl *c)
{
	struct client *cl = client_new(c);
	int pidfd = commands_daemon(cl), rc;
	struct client_answer a;
	struct err err;

	if (client_post(cl, c->now ? "/shutdown?now=1" : "/shutdown", &a,
		    &err) != 0) {
		rc = ctl_fail(EXIT_SYSTEM, "%s", err.text);
	} else {
		rc = commands_is_good(&a) ? EXIT_OK : EXIT_CONFIG;
		if (rc == EXIT_OK)
			commands_wait_for_end(cl, pidfd);
		rc = commands_tell(c, &a, NULL, "stopped");
		client_answer_done(&a);
	}
	if (pidfd != -1)
		close(pidfd);
	client_free(cl);
	return rc;
}
