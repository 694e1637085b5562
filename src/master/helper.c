/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "master/helper.h"

struct helper {
	LIST_ENTRY(helper) entry;
	pid_t pid;
	helper_fn fn; /* NULL: nobody waits any more */
	void *arg;
};

static LIST_HEAD(, helper) helpers = LIST_HEAD_INITIALIZER(helpers);

static struct helper *helper_find(pid_t pid)
{
	struct helper *h;

	LIST_FOREACH(h, &helpers, entry)
		if (h->pid == pid)
			return h;
	return NULL;
}

void helper_add(pid_t pid, helper_fn fn, void *arg)
{
	struct helper *h = xcalloc(1, sizeof(*h));

	h->pid = pid;
	h->fn = fn;
	h->arg = arg;
	LIST_INSERT_HEAD(&helpers, h, entry);
}

void helper_kill(pid_t pid)
{
	struct helper *h = helper_find(pid);

	if (h == NULL)
		return;
	h->fn = NULL;
	/* Not reaped yet, so neither pid nor group can be a stranger's. */
	if (kill(-pid, SIGKILL) != 0)
		(void)kill(pid, SIGKILL);
}

bool helper_on_exit(pid_t pid, int status)
{
	struct helper *h = helper_find(pid);

	if (h == NULL)
		return false;
	LIST_REMOVE(h, entry);
	if (h->fn != NULL)
		h->fn(status, h->arg);
	free(h);
	return true;
}

bool helper_is(pid_t pid)
{
	return helper_find(pid) != NULL;
}

bool helper_is_none(void)
{
	return LIST_EMPTY(&helpers);
}
