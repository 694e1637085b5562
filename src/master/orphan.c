/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/helper.h"
#include "master/node.h"
#include "master/orphan.h"

#define ORPHAN_ENVIRON_MAX (1 << 20)

static unsigned long serial;
static bool sweep_due;

const char *orphan_token(
	const char *pool, int index, char *ret_text, size_t size)
{
	/* An upgrade begins anew, with the same pid: not at the same number. */
	if (serial == 0)
		serial = (unsigned long)clock_now();
	snprintf(ret_text, size, "%d.%lu.%s.%d", (int)node.pid, ++serial, pool,
		index);
	return ret_text;
}

static bool orphan_read(const char *path, struct buf *ret_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf_reset(ret_text);
	if (fd == -1)
		return false;
	while (ret_text->len < ORPHAN_ENVIRON_MAX &&
		(n = read(fd, buf_reserve(ret_text, 4096), 4096)) > 0)
		ret_text->len += (size_t)n;
	close(fd);
	buf_add(ret_text, "", 0);
	return true;
}

static int orphan_compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* The pids of all processes, sorted; the caller frees them. */
static pid_t *orphan_known(size_t *ret_count)
{
	pid_t *pids = xcalloc((size_t)node_proc_count() + 1, sizeof(*pids));
	struct proc *pr;
	size_t n = 0;

	TAILQ_FOREACH(pr, &node.procs, in_node)
		pids[n++] = pr->pid;
	qsort(pids, n, sizeof(*pids), orphan_compare);
	*ret_count = n;
	return pids;
}

/* Every child of this process that is neither a worker nor a helper. */
static void orphan_each(void (*fn)(pid_t pid, void *arg), void *arg)
{
	struct buf text = BUF_INIT;
	char path[64], *p, *end;
	size_t count;
	pid_t *known = orphan_known(&count), pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		(int)getpid());
	if (orphan_read(path, &text))
		for (p = text.data;
			(pid = (pid_t)strtol(p, &end, 10)) > 0 && end > p;
			p = end)
			if (bsearch(&pid, known, count, sizeof(pid),
				    orphan_compare) == NULL &&
				!helper_is(pid))
				fn(pid, arg);
	free(known);
	buf_done(&text);
}

static bool orphan_has_parent(const char *token)
{
	struct proc *pr;

	TAILQ_FOREACH(pr, &node.procs, in_node)
		if (strcmp(pr->token, token) == 0)
			return true;
	return false;
}

static void orphan_look(pid_t pid, void *arg)
{
	static const char name[] = "REEVE_INSTANCE=";
	struct buf text = BUF_INIT;
	char path[64];
	size_t at;

	(void)arg;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	if (!orphan_read(path, &text))
		return;
	for (at = 0; at < text.len; at += strlen(text.data + at) + 1) {
		const char *token = text.data + at + sizeof(name) - 1;

		if (strncmp(text.data + at, name, sizeof(name) - 1) != 0)
			continue;
		if (orphan_has_parent(token))
			break;
		log_info("killing %d, left behind by %s", (int)pid, token);
		/* A child of ours, not reaped yet: the pid is its own. */
		(void)kill(pid, SIGKILL);
		break;
	}
	buf_done(&text);
}

void orphan_sweep(void)
{
	sweep_due = true;
	node_poke();
}

void orphan_step(void)
{
	if (!sweep_due)
		return;
	sweep_due = false;
	orphan_each(orphan_look, NULL);
}

static void orphan_kill(pid_t pid, void *arg)
{
	bool *none = arg;

	*none = false;
	(void)kill(pid, SIGKILL);
}

bool orphan_kill_all(void)
{
	bool none = true;

	orphan_each(orphan_kill, &none);
	return none;
}
