/* SPDX-License-Identifier: ISC */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/env.h"
#include "master/master.h"

#define ENV_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const env_private[] = { "NOTIFY_SOCKET", "LISTEN_PID",
	"LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC",
	MASTER_STATE_ENV, NULL };

static const char *const env_kept[] = { "PATH", "HOME", "LANG", "LC_ALL", "TZ",
	"USER", "LOGNAME", "SHELL", "TERM", NULL };

struct env {
	char **items;
	size_t count;
};

static bool env_is_in(const char *entry, const char *const *names)
{
	size_t n = strcspn(entry, "=");

	for (; *names != NULL; names++)
		if (strlen(*names) == n && strncmp(entry, *names, n) == 0)
			return true;
	return false;
}

static void env_set(struct env *e, const char *name, const char *value)
{
	char *entry = xasprintf("%s=%s", name, value);
	size_t n = strlen(name) + 1, i;

	for (i = 0; i < e->count; i++)
		if (strncmp(e->items[i], entry, n) == 0) {
			e->items[i] = entry;
			return;
		}
	e->items = xreallocarray(e->items, e->count + 2, sizeof(*e->items));
	e->items[e->count++] = entry;
	e->items[e->count] = NULL;
}

static void env_set_number(struct env *e, const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	env_set(e, name, text);
}

static void env_inherit(struct env *e, bool clear)
{
	char **p, *value;

	for (p = environ; *p != NULL; p++) {
		if (env_is_in(*p, env_private) ||
			(clear && !env_is_in(*p, env_kept)) ||
			(value = strchr(*p, '=')) == NULL)
			continue;
		char *name = xstrndup(*p, (size_t)(value - *p));

		env_set(e, name, value + 1);
		free(name);
	}
	if (getenv("PATH") == NULL)
		env_set(e, "PATH", ENV_PATH);
}

static void env_set_user(struct env *e, const struct conf_pool *c)
{
	struct passwd *pw;

	if (c->uid == (uid_t)-1 || (pw = getpwuid(c->uid)) == NULL)
		return;
	env_set(e, "HOME", pw->pw_dir);
	env_set(e, "USER", pw->pw_name);
	env_set(e, "LOGNAME", pw->pw_name);
	env_set(e, "SHELL", pw->pw_shell);
}

char **env_for_child(const struct env_child *c)
{
	struct env e = { xcalloc(1, sizeof(char *)), 0 };
	size_t i;

	env_inherit(&e, c->conf->clear_environment);
	env_set_user(&e, c->conf);
	env_set(&e, "REEVE_POOL", c->conf->name);
	env_set_number(&e, "REEVE_INDEX", c->index);
	env_set_number(&e, "REEVE_GENERATION", (long)c->generation);
	env_set(&e, "REEVE_NODE", c->node);
	env_set(&e, "REEVE_INSTANCE", c->token);
	if (c->conf->business_config != NULL)
		env_set(&e, "REEVE_CONFIG", c->conf->business_config);
	if (c->notify_path != NULL)
		env_set(&e, "NOTIFY_SOCKET", c->notify_path);
	if (c->listener_count > 0) {
		env_set_number(&e, "LISTEN_PID", (long)getpid());
		env_set_number(&e, "LISTEN_FDS", (long)c->listener_count);
	}
	for (i = 0; i < c->conf->environment.count; i++)
		env_set(&e, c->conf->environment.items[i].name,
			c->conf->environment.items[i].value);
	return e.items;
}

void env_drop_supervision(void)
{
	const char *const *name;

	for (name = env_private; *name != NULL; name++)
		unsetenv(*name);
}
