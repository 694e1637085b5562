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

/* There may be one for each program that starts. */
#define HELPER_HASH_SIZE 256

LIST_HEAD(helper_hash, helper);
static struct helper_hash helpers[HELPER_HASH_SIZE];
static size_t helper_count;

static struct helper_hash *helper_bucket(pid_t pid)
{
	return &helpers[(unsigned)pid % HELPER_HASH_SIZE];
}

static struct helper *helper_find(pid_t pid)
{
	struct helper *h;

	LIST_FOREACH(h, helper_bucket(pid), entry)
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
	LIST_INSERT_HEAD(helper_bucket(pid), h, entry);
	helper_count++;
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
	helper_count--;
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
	return helper_count == 0;
}
