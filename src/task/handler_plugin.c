/* SPDX-License-Identifier: ISC */
/*
 * handler_plugin - tasks that a shared object runs in this process.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "task/handler_kind.h"
#include "task/reeve_plugin.h"

#define PLUGIN_ERROR_MAX 256

/* The plugin's view comes first, so that one leads to the other. */
struct plugin_task {
	struct reeve_task view;
	LIST_ENTRY(plugin_task) entry;
	struct plugin *plugin;
	struct handler_run *run; /* NULL: nobody waits for it any more */
};

struct plugin {
	struct reeve_host host; /* first, likewise */
	struct handler *handler;
	void *object; /* of dlopen */
	const struct reeve_plugin *table;
	void *state;
	LIST_HEAD(plugin_tasks, plugin_task) tasks;
	struct plugin_tasks spare;
};

struct reeve_watch {
	struct loop_fd *watch;
	void (*fn)(void *arg);
	void *arg;
};

struct reeve_timer {
	struct loop_timer *timer;
	void (*fn)(void *arg);
	void *arg;
};

static void plugin_release(struct plugin_task *t)
{
	LIST_REMOVE(t, entry);
	LIST_INSERT_HEAD(&t->plugin->spare, t, entry);
}

static void plugin_host_done(struct reeve_task *view,
	enum reeve_outcome outcome, const char *text, size_t text_len,
	int64_t pause_ms)
{
	static const enum handler_outcome outcomes[] = {
		[REEVE_SUCCESS] = HANDLER_SUCCESS,
		[REEVE_RETRY] = HANDLER_RETRY,
		[REEVE_FATAL] = HANDLER_FATAL,
		[REEVE_SNOOZE] = HANDLER_SNOOZE,
	};
	struct plugin_task *t = (struct plugin_task *)view;
	struct handler_run *run = t->run;
	struct handler_result r = { .outcome = HANDLER_FATAL,
		.text = text != NULL ? text : "",
		.text_len = text != NULL ? text_len : 0,
		.pause_us = -1 };
	size_t max;

	plugin_release(t);
	if (run == NULL)
		return;
	if ((unsigned)outcome < sizeof(outcomes) / sizeof(outcomes[0]))
		r.outcome = outcomes[outcome];
	if (pause_ms >= 0 && pause_ms <= INT64_MAX / US_PER_MS)
		r.pause_us = pause_ms * US_PER_MS;
	max = (size_t)run->handler->conf->output_max;
	if (r.text_len > max) {
		r.text_len = max;
		r.is_cut = true;
	}
	handler_finish(run, &r);
}

static void plugin_host_progress(
	struct reeve_task *view, int percent, const char *text)
{
	struct plugin_task *t = (struct plugin_task *)view;

	if (t->run == NULL)
		return;
	if (percent < 0 || percent > 100)
		percent = -1;
	handler_tell_progress(t->run, percent, text);
}

static void plugin_host_log(const struct reeve_host *host,
	const struct reeve_task *view, const char *text)
{
	const struct plugin *p = (const struct plugin *)host;
	const struct plugin_task *t = (const struct plugin_task *)view;

	if (t != NULL && t->run != NULL)
		handler_tell_log(t->run, text);
	else
		log_info("handler %s: %s", p->handler->conf->name, text);
}

static void plugin_on_fd(int fd, unsigned events, void *arg)
{
	struct reeve_watch *w = arg;

	(void)fd;
	(void)events;
	w->fn(w->arg);
}

static struct reeve_watch *plugin_host_watch(const struct reeve_host *host,
	int fd, unsigned events, void (*fn)(void *arg), void *arg)
{
	const struct plugin *p = (const struct plugin *)host;
	struct reeve_watch *w = xcalloc(1, sizeof(*w));
	unsigned what = 0;

	if (events & REEVE_READ)
		what |= LOOP_READ;
	if (events & REEVE_WRITE)
		what |= LOOP_WRITE;
	w->fn = fn;
	w->arg = arg;
	w->watch =
		loop_fd_new(p->handler->all->loop, fd, what, plugin_on_fd, w);
	return w;
}

static void plugin_host_unwatch(struct reeve_watch *w)
{
	if (w == NULL)
		return;
	loop_fd_free(w->watch);
	free(w);
}

static void plugin_host_forget(struct reeve_timer *t)
{
	if (t == NULL)
		return;
	loop_timer_free(t->timer);
	free(t);
}

static void plugin_on_timer(void *arg)
{
	struct reeve_timer *t = arg;
	void (*fn)(void *) = t->fn;
	void *fn_arg = t->arg;

	plugin_host_forget(t);
	fn(fn_arg);
}

static struct reeve_timer *plugin_host_after(const struct reeve_host *host,
	int64_t ms, void (*fn)(void *arg), void *arg)
{
	const struct plugin *p = (const struct plugin *)host;
	struct reeve_timer *t = xcalloc(1, sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	t->timer = loop_timer_new(p->handler->all->loop, plugin_on_timer, t);
	loop_timer_start(t->timer,
		ms > INT64_MAX / US_PER_MS ? INT64_MAX : ms * US_PER_MS);
	return t;
}

/* Could somebody else than root and the daemon's user have put it there? */
static int plugin_check_owner(
	const struct handler *h, const char *path, struct err *err)
{
	const struct conf *conf = h->all->conf;
	char *slash, *dir;
	struct stat st;
	int failed = -1;

	if (stat(path, &st) == -1)
		return err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, 0, "%s is not a regular file", path);
	if (st.st_uid != 0 && st.st_uid != geteuid() &&
		(conf->uid == (uid_t)-1 || st.st_uid != conf->uid))
		return err_set(err, 0,
			"%s belongs neither to root nor to the daemon's user",
			path);
	if (st.st_mode & S_IWOTH)
		return err_set(err, 0, "%s is writable by all", path);
	dir = xstrdup(path);
	slash = strrchr(dir, '/');
	slash[slash == dir ? 1 : 0] = '\0';
	if (stat(dir, &st) == -1)
		err_errno(err, "%s", dir);
	else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		err_set(err, 0, "%s, where it lies, is writable by all", dir);
	else
		failed = 0;
	free(dir);
	return failed;
}

/* Its address by name, as POSIX wants it read (dlsym, RATIONALE). */
static void plugin_symbol(void *object, const char *name, void *ret_function)
{
	*(void **)ret_function = dlsym(object, name);
}

static int plugin_load(struct plugin *p, const char *path, struct err *err)
{
	const struct reeve_plugin *(*table)(void) = NULL;
	int (*abi)(void) = NULL;

	p->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (p->object == NULL)
		return err_set(err, 0, "%s", dlerror());
	plugin_symbol(p->object, "reeve_plugin_abi", &abi);
	plugin_symbol(p->object, "reeve_plugin", &table);
	if (abi == NULL || table == NULL)
		return err_set(err, 0,
			"%s is no plugin: it lacks reeve_plugin_abi or reeve_plugin",
			path);
	if (abi() != REEVE_PLUGIN_ABI)
		return err_set(err, 0, "%s has ABI %d, this daemon has %d",
			path, abi(), REEVE_PLUGIN_ABI);
	p->table = table();
	if (p->table == NULL || p->table->abi != REEVE_PLUGIN_ABI ||
		p->table->run == NULL)
		return err_set(err, 0, "%s has no usable table", path);
	return 0;
}

static int plugin_init(struct plugin *p, const char *config, struct err *err)
{
	char why[PLUGIN_ERROR_MAX] = "";

	if (p->table->init == NULL ||
		p->table->init(&p->host, config != NULL ? config : "",
			&p->state, why, sizeof(why)) == 0)
		return 0;
	why[sizeof(why) - 1] = '\0';
	return err_set(err, 0, "plugin %s: %s",
		p->table->name != NULL ? p->table->name : "",
		why[0] != '\0' ? why : "init failed");
}

static void plugin_free(struct plugin *p)
{
	struct plugin_task *t;

	while ((t = LIST_FIRST(&p->tasks)) != NULL)
		plugin_release(t);
	while ((t = LIST_FIRST(&p->spare)) != NULL) {
		LIST_REMOVE(t, entry);
		free(t);
	}
	if (p->object != NULL)
		dlclose(p->object);
	free(p);
}

static int plugin_open(struct handler *h, struct err *err)
{
	const char *path = h->conf->path;
	struct plugin *p = xcalloc(1, sizeof(*p));

	p->host = (struct reeve_host){ .abi = REEVE_PLUGIN_ABI,
		.done = plugin_host_done,
		.progress = plugin_host_progress,
		.log = plugin_host_log,
		.watch = plugin_host_watch,
		.unwatch = plugin_host_unwatch,
		.after = plugin_host_after,
		.forget = plugin_host_forget };
	p->handler = h;
	LIST_INIT(&p->tasks);
	LIST_INIT(&p->spare);
	if (path == NULL || path[0] != '/')
		err_set(err, EINVAL, "its path is not absolute");
	else if (plugin_check_owner(h, path, err) == 0 &&
		 plugin_load(p, path, err) == 0 &&
		 plugin_init(p, h->conf->config, err) == 0) {
		h->own = p;
		return 0;
	}
	plugin_free(p);
	return -1;
}

static void plugin_close(struct handler *h)
{
	struct plugin *p = h->own;

	if (p->table->free != NULL)
		p->table->free(p->state);
	plugin_free(p);
	h->own = NULL;
}

static struct plugin_task *plugin_take(struct plugin *p)
{
	struct plugin_task *t = LIST_FIRST(&p->spare);

	if (t == NULL)
		t = xmalloc(sizeof(*t));
	else
		LIST_REMOVE(t, entry);
	LIST_INSERT_HEAD(&p->tasks, t, entry);
	t->plugin = p;
	return t;
}

static void plugin_start(struct handler_run *run)
{
	const struct task *task = run->task;
	struct plugin *p = run->handler->own;
	struct plugin_task *t = plugin_take(p);
	size_t len;
	const char *params = task_given(task, &len);

	t->run = run;
	run->own = t;
	t->view = (struct reeve_task){ .host = &p->host,
		.id = task->id,
		.handler = task->handler,
		.topic = handler_topic(run),
		.tenant = task->tenant,
		.params = params,
		.params_len = len,
		.attempt = task->attempt,
		.epoch = task->epoch,
		.timeout_ms = run->timeout_us / US_PER_MS };
	p->table->run(p->state, &t->view);
}

/* Nobody waits for it: the plugin gives it back when it likes to. */
static void plugin_detach(struct handler_run *run)
{
	struct plugin_task *t = run->own;
	struct plugin *p = t->plugin;

	t->run = NULL;
	t->view.id = t->view.handler = t->view.topic = t->view.tenant = "";
	t->view.params = "";
	t->view.params_len = 0;
	if (p->table->cancel != NULL)
		p->table->cancel(p->state, &t->view);
}

static void plugin_stop(struct handler_run *run, enum handler_force force)
{
	(void)force;
	plugin_detach(run);
	handler_finish_text(run, HANDLER_CANCELLED, "cancelled");
}

static void plugin_trim(struct handler *h)
{
	struct plugin *p = h->own;
	struct plugin_task *t;

	while ((t = LIST_FIRST(&p->spare)) != NULL) {
		LIST_REMOVE(t, entry);
		free(t);
	}
}

const struct handler_kind handler_kind_plugin = {
	.open = plugin_open,
	.close = plugin_close,
	.trim = plugin_trim,
	.start = plugin_start,
	.stop = plugin_stop,
	.kill = plugin_detach,
};
