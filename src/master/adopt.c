/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "board/msg.h"
#include "master/adopt.h"
#include "master/order.h"
#include "master/listen.h"
#include "master/pidfile.h"
#include "master/pool.h"
#include "master/proc.h"
#include "master/slot.h"
#include "master/upgrade.h"

#define ADOPT_STATE_MAX (8 << 20)

static int adopt_config_fd = -1;

void adopt_keep_fd(int fd)
{
	if (fd != -1)
		(void)fcntl(fd, F_SETFD, 0);
}

void adopt_close_fd(int fd)
{
	if (fd != -1)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void adopt_each_listener(int fd, const char *text, bool ours, void *arg)
{
	void (**fn)(int fd) = arg;

	(void)text;
	(void)ours;
	(*fn)(fd);
}

void adopt_each_fd(void (*fn)(int fd))
{
	struct proc *pr;

	fn(node.board.fd);
	fn(node.board.live_fd);
	fn(adopt_config_fd);
	fn(pidfile_fd());
	listen_each(adopt_each_listener, &fn);
	TAILQ_FOREACH(pr, &node.procs, in_node) {
		fn(pr->channel);
		fn(pr->streams[0]);
		fn(pr->streams[1]);
	}
}

static int adopt_memfd(
	const char *name, const struct buf *text, struct err *err)
{
	int fd = memfd_create(name, 0);
	size_t at = 0;

	if (fd == -1)
		return err_errno(err, "memfd");
	while (at < text->len) {
		ssize_t n = write(fd, text->data + at, text->len - at);

		if (n <= 0) {
			(void)err_errno(err, "memfd");
			close(fd);
			return -1;
		}
		at += (size_t)n;
	}
	(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

static void adopt_write_listener(int fd, const char *text, bool ours, void *arg)
{
	buf_printf(arg, "listen %d %d %s\n", fd, ours, text);
}

static void adopt_write_waiter(pid_t asker, uint32_t token, void *arg)
{
	buf_printf(arg, "upgrade %d %" PRIu32 "\n", (int)asker, token);
}

static void adopt_write_pool(const struct pool *p, struct buf *out)
{
	int i;

	buf_printf(out, "pool %s %u %d %d %s\n", p->name, p->generation,
		p->is_stopped, p->override, p->source);
	for (i = 0; i < p->slot_count; i++) {
		const struct slot *s = p->slots[i];

		buf_printf(out, "slot %s %d %u %" PRIu64 " %u\n", p->name, i,
			s->deaths, s->restarts, s->done_generation);
	}
}

static void adopt_write_proc(const struct proc *pr, struct buf *out)
{
	buf_printf(out, "proc %s %d %d %u %d %d %d %d %d %d %d %s\n",
		pr->pool->name, pr->slot->index, (int)pr->pid, pr->generation,
		pr->state, pr->board_slot, pr->channel, pr->stream_count,
		pr->streams[0], pr->streams[1], pr->said_ready,
		pr->token[0] ? pr->token : "-");
}

int adopt_write(struct err *err)
{
	struct buf text = BUF_INIT, config = BUF_INIT;
	struct pool *p;
	struct proc *pr;
	int fd;

	conf_print(node.conf, &config);
	adopt_config_fd = adopt_memfd("reeve-config", &config, err);
	buf_done(&config);
	if (adopt_config_fd == -1)
		return -1;
	buf_printf(&text,
		"version %d\ngeneration %u %u\nboard %d %d\nconfig %d\n",
		MASTER_STATE_VERSION, node.generation, node.last_generation,
		node.board.fd, node.board.live_fd, adopt_config_fd);
	buf_printf(&text, "pidfile %d %s\n", pidfile_fd(), pidfile_path());
	buf_printf(&text, "nofile %" PRId64 "\n", node.nofile);
	listen_each(adopt_write_listener, &text);
	TAILQ_FOREACH(p, &node.pools, entry)
		adopt_write_pool(p, &text);
	TAILQ_FOREACH(pr, &node.procs, in_node)
		adopt_write_proc(pr, &text);
	order_each_upgrade(adopt_write_waiter, &text);
	fd = adopt_memfd("reeve-state", &text, err);
	buf_done(&text);
	return fd;
}

bool upgrade_is_due(void)
{
	return getenv(MASTER_STATE_ENV) != NULL;
}

/* Call fn for each line of the state that begins with `word`. */
static void adopt_lines(
	const char *word, void (*fn)(const char *rest, void *arg), void *arg)
{
	static struct buf state = BUF_INIT;
	const char *env = getenv(MASTER_STATE_ENV);
	size_t n = strlen(word);
	char *line, *copy, *rest;
	ssize_t got;

	if (state.len == 0 && env != NULL) {
		int fd = atoi(env);

		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		while (state.len < ADOPT_STATE_MAX &&
			(got = read(fd, buf_reserve(&state, 65536), 65536)) > 0)
			state.len += (size_t)got;
		buf_add(&state, "", 0);
		close(fd);
	}
	copy = xstrdup(buf_str(&state));
	for (line = strtok_r(copy, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest))
		if (strncmp(line, word, n) == 0 && line[n] == ' ')
			fn(line + n + 1, arg);
	free(copy);
}

static void adopt_number(const char *rest, void *arg)
{
	*(int *)arg = atoi(rest);
}

struct conf *upgrade_conf(const struct conf_source *src)
{
	struct conf_source effective = *src;
	struct conf_report report;
	struct conf *c;
	char path[64];
	int fd = -1;

	adopt_lines("config", adopt_number, &fd);
	if (fd == -1)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	effective.path = path;
	effective.overrides = NULL;
	c = conf_read(&effective, &report);
	close(fd);
	if (c != NULL)
		c->path = arena_strdup(c->arena, src->path);
	else
		log_warn("the configuration in force can't be read by this "
			 "version, using %s",
			src->path);
	conf_report_done(&report);
	return c;
}

static void adopt_generation(const char *rest, void *arg)
{
	(void)arg;
	if (sscanf(rest, "%u %u", &node.generation, &node.last_generation) != 2)
		log_warn("adopted state without a generation");
}

static void adopt_pidfile(const char *rest, void *arg)
{
	int fd = -1, n = 0;

	(void)arg;
	if (sscanf(rest, "%d %n", &fd, &n) == 1 && fd != -1)
		pidfile_adopt(fd, rest + n);
}

static void adopt_nofile(const char *rest, void *arg)
{
	(void)arg;
	node.nofile = strtoll(rest, NULL, 10);
}

static void adopt_listener(const char *rest, void *arg)
{
	int fd, ours, n = 0;

	(void)arg;
	if (sscanf(rest, "%d %d %n", &fd, &ours, &n) == 2)
		listen_adopt(fd, rest + n, ours != 0);
}

static void adopt_board(const char *rest, void *arg)
{
	int *fds = arg;

	if (sscanf(rest, "%d %d", &fds[0], &fds[1]) < 1)
		log_warn("adopted state without a scoreboard");
}

int upgrade_adopt(struct err *err)
{
	int version = 0, fds[2] = { -1, -1 };
	struct board_header *h;

	adopt_lines("version", adopt_number, &version);
	if (version != MASTER_STATE_VERSION)
		return err_set(err, 0, "a state of version %d can't be taken",
			version);
	adopt_lines("generation", adopt_generation, NULL);
	adopt_lines("pidfile", adopt_pidfile, NULL);
	adopt_lines("nofile", adopt_nofile, NULL);
	adopt_lines("listen", adopt_listener, NULL);
	adopt_lines("board", adopt_board, fds);
	adopt_close_fd(fds[0]);
	adopt_close_fd(fds[1]);
	if (board_adopt(&node.board, fds[0], fds[1], err) != 0) {
		log_warn("starting with a new scoreboard: %s", err->text);
		close(fds[0]);
		close(fds[1]);
		return board_open(&node.board, err);
	}
	h = &node.board.map->header;
	board_write_begin(&h->version);
	h->upgrades++;
	board_write_end(&h->version);
	return 0;
}

static void adopt_pool(const char *rest, void *arg)
{
	char name[64], source[96] = "";
	int stopped, override;
	unsigned generation;
	struct pool *p;

	(void)arg;
	if (sscanf(rest, "%63s %u %d %d %95[^\n]", name, &generation, &stopped,
		    &override, source) < 4 ||
		(p = node_pool(name)) == NULL)
		return;
	p->generation = generation;
	p->is_stopped = stopped != 0;
	if (override >= 0) {
		p->override = override;
		snprintf(p->source, sizeof(p->source), "%s", source);
	}
	pool_resize(p);
}

static void adopt_slot(const char *rest, void *arg)
{
	unsigned deaths, done;
	uint64_t restarts;
	struct pool *p;
	char name[64];
	int index;

	(void)arg;
	if (sscanf(rest, "%63s %d %u %" SCNu64 " %u", name, &index, &deaths,
		    &restarts, &done) != 5 ||
		(p = node_pool(name)) == NULL || index < 0 ||
		index >= CONF_WORKERS_MAX)
		return;
	pool_reserve(p, index + 1);
	p->slots[index]->deaths = deaths;
	p->slots[index]->restarts = restarts;
	p->slots[index]->done_generation = done;
	slot_on_generation(p->slots[index]);
}

/* A process whose pool nobody knows any more can only be ended. */
static void adopt_stranger(pid_t pid)
{
	log_warn("process %d belongs to no pool, ending it", (int)pid);
	(void)kill(pid, SIGTERM);
}

static void adopt_proc(const char *rest, void *arg)
{
	int index, pid, state, slot, channel, count, fds[2], said;
	char name[64], token[96];
	unsigned generation;
	struct proc *pr;
	struct pool *p;
	struct err err;

	(void)arg;
	if (sscanf(rest, "%63s %d %d %u %d %d %d %d %d %d %d %95s", name,
		    &index, &pid, &generation, &state, &slot, &channel, &count,
		    &fds[0], &fds[1], &said, token) != 12)
		return;
	p = node_pool(name);
	if (p == NULL || index < 0 || index >= CONF_WORKERS_MAX) {
		adopt_stranger(pid);
		return;
	}
	pool_reserve(p, index + 1);
	pr = proc_adopt(p->slots[index], pid, generation,
		(enum board_state)state, &err);
	if (pr == NULL) {
		log_error("%s", err.text);
		adopt_stranger(pid);
		return;
	}
	pr->channel = channel;
	pr->stream_count = count;
	pr->streams[0] = fds[0];
	pr->streams[1] = fds[1];
	pr->said_ready = said != 0;
	snprintf(pr->token, sizeof(pr->token), "%s", token);
	adopt_close_fd(channel);
	adopt_close_fd(fds[0]);
	adopt_close_fd(fds[1]);
	proc_adopt_record(pr, slot);
	proc_resume(pr);
}

static void adopt_waiter(const char *rest, void *arg)
{
	struct proc *pr;
	uint32_t token;
	int pid;

	(void)arg;
	if (sscanf(rest, "%d %" SCNu32, &pid, &token) == 2 &&
		(pr = node_proc(pid)) != NULL)
		order_adopt_upgrade(pr, token);
}

void upgrade_adopt_procs(void)
{
	adopt_lines("pool", adopt_pool, NULL);
	adopt_lines("slot", adopt_slot, NULL);
	adopt_lines("proc", adopt_proc, NULL);
	adopt_lines("upgrade", adopt_waiter, NULL);
	unsetenv(MASTER_STATE_ENV);
	node_clear_board();
	log_info("upgraded: %d processes taken over", node_proc_count());
}
