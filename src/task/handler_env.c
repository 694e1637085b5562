/* SPDX-License-Identifier: ISC */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/handler.h"
#include "task/handler.h"
#include "task/handler_env.h"

#define ENV_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What is between the daemon and who started it, or told anew per task. */
static const char *const handler_env_private[] = { "NOTIFY_SOCKET",
	"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID",
	"WATCHDOG_USEC", "REEVE_TASK_ID", "REEVE_TOPIC", "REEVE_ATTEMPT",
	"REEVE_EPOCH", "REEVE_TENANT", NULL };

static const char *const handler_env_kept[] = { "PATH", "HOME", "LANG",
	"LC_ALL", "TZ", "USER", "LOGNAME", "SHELL", "TERM", NULL };

static bool handler_env_is_in(const char *entry, const char *const *names)
{
	size_t n = strcspn(entry, "=");

	for (; *names != NULL; names++)
		if (strlen(*names) == n && strncmp(entry, *names, n) == 0)
			return true;
	return false;
}

/* Takes entry. */
static void handler_env_put(struct handler_env *e, char *entry)
{
	size_t n = strcspn(entry, "=") + 1, i;

	for (i = 0; i < e->count; i++)
		if (strncmp(e->items[i], entry, n) == 0) {
			free(e->items[i]);
			e->items[i] = entry;
			return;
		}
	e->items = xreallocarray(e->items, e->count + 2, sizeof(*e->items));
	e->items[e->count++] = entry;
	e->items[e->count] = NULL;
}

static void handler_env_set(
	struct handler_env *e, const char *name, const char *value)
{
	if (value != NULL)
		handler_env_put(e, xasprintf("%s=%s", name, value));
}

static void handler_env_inherit(struct handler_env *e, bool clear)
{
	static const char param[] = "REEVE_PARAM_";
	char **p;

	handler_env_set(e, "PATH", ENV_PATH);
	for (p = environ; *p != NULL; p++)
		if (strchr(*p, '=') != NULL &&
			!handler_env_is_in(*p, handler_env_private) &&
			strncmp(*p, param, strlen(param)) != 0 &&
			(!clear || handler_env_is_in(*p, handler_env_kept)))
			handler_env_put(e, xstrdup(*p));
}

static void handler_env_set_user(
	struct handler_env *e, const struct conf_handler *c)
{
	struct passwd *pw;

	if (c->uid == (uid_t)-1 || (pw = getpwuid(c->uid)) == NULL)
		return;
	handler_env_set(e, "HOME", pw->pw_dir);
	handler_env_set(e, "USER", pw->pw_name);
	handler_env_set(e, "LOGNAME", pw->pw_name);
	handler_env_set(e, "SHELL", pw->pw_shell);
}

void handler_env_init(struct handler_env *e, const struct conf_handler *c,
	const struct handler_context *ctx)
{
	char index[24], instance[128];
	size_t i;

	*e = (struct handler_env){ NULL, 0 };
	snprintf(index, sizeof(index), "%d", ctx->index);
	snprintf(instance, sizeof(instance), "%s.%d/%s.%d",
		ctx->pool != NULL ? ctx->pool : "", ctx->index, c->name,
		(int)getpid());
	handler_env_inherit(e, c->clear_environment);
	handler_env_set_user(e, c);
	handler_env_set(e, "REEVE_NODE", ctx->node);
	handler_env_set(e, "REEVE_POOL", ctx->pool);
	handler_env_set(e, "REEVE_INDEX", index);
	handler_env_set(e, "REEVE_HANDLER", c->name);
	handler_env_set(e, "REEVE_INSTANCE", instance);
	for (i = 0; i < c->environment.count; i++)
		handler_env_set(e, c->environment.items[i].name,
			c->environment.items[i].value);
}

void handler_env_done(struct handler_env *e)
{
	size_t i;

	for (i = 0; i < e->count; i++)
		free(e->items[i]);
	free(e->items);
	*e = (struct handler_env){ NULL, 0 };
}

char **handler_env_join(const struct handler_env *e, char *const *more)
{
	size_t n = 0;
	char **all;

	while (more != NULL && more[n] != NULL)
		n++;
	all = xcalloc(e->count + n + 1, sizeof(*all));
	if (e->count > 0)
		memcpy(all, e->items, e->count * sizeof(*all));
	if (n > 0)
		memcpy(all + e->count, more, n * sizeof(*all));
	return all;
}

const char *handler_env_value(const struct handler_env *e, const char *name)
{
	size_t n = strlen(name), i;

	for (i = 0; i < e->count; i++)
		if (strncmp(e->items[i], name, n) == 0 && e->items[i][n] == '=')
			return e->items[i] + n + 1;
	return NULL;
}
