/* SPDX-License-Identifier: ISC */
/* govern: the control socket, before a master made of this test. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "govern/command.h"
#include "govern/govern.h"
#include "govern/options.h"
#include "tap.h"
#include "worker/worker.h"

#define WAIT_MS 10000

static char dir[] = "/tmp/reeve-govern-XXXXXX", path[64];
static struct board board;
static int channel, listener, governor_slot;
static pid_t governor;

static int listen_unix(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
		listen(fd, 128) == -1)
		bail("cannot listen at %s", path);
	return fd;
}

static void make_board(void)
{
	struct board_pool *p;
	struct err err;

	if (board_open(&board, &err) != 0)
		bail("%s", err.text);
	board.map->header.state = BOARD_NODE_RUNNING;
	board.map->header.generation = 1;
	p = &board.map->pools[board_pool_take(&board)];
	snprintf(p->name, sizeof(p->name), "web");
	snprintf(p->kind, sizeof(p->kind), "http");
	p->hang_timeout_us = US_PER_S;
	governor_slot = board_slot_take(&board);
}

static void start_governor(void)
{
	static char title[256] = "governor";
	static char *argv[] = { title, NULL };
	static struct conf conf;
	static struct conf_pool pool = { .name = "governor" };
	static struct child child;
	int fds[2];

	if (msg_pair(fds) != 0)
		bail("no channel");
	pool.kind = &conf_kind_governor;
	child = (struct child){ .role = &role_governor,
		.conf = &conf,
		.pool = &pool,
		.board = &board,
		.slot = governor_slot,
		.generation = 1,
		.channel = fds[1],
		.listeners = &listener,
		.listener_count = 1,
		.argc = 1,
		.argv = argv };
	fflush(stdout);
	governor = fork();
	if (governor == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		_exit(worker_main(&child));
	}
	close(fds[1]);
	channel = fds[0];
}

/* The next message of the governor; bails when none comes. */
static struct msg next_msg(void)
{
	struct pollfd p = { channel, POLLIN, 0 };
	struct msg m;

	if (poll(&p, 1, WAIT_MS) != 1 || msg_recv(channel, &m, NULL) != 1)
		bail("the governor says nothing");
	return m;
}

static void answer(const struct msg *to, enum msg_type type, int64_t value,
	const char *text, int fd)
{
	struct msg m = { .type = type, .token = to->token, .value = value };

	snprintf(m.text, sizeof(m.text), "%s", text);
	if (msg_send(channel, &m, fd) != 0)
		bail("cannot answer");
}

static int request(const char *method, const char *target)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1)
		bail("cannot connect");
	dprintf(fd,
		"%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
		"Connection: close\r\n\r\n",
		method, target);
	return fd;
}

/* The whole answer; closes fd. */
static const char *response(int fd)
{
	static struct buf text;
	struct pollfd p = { fd, POLLIN, 0 };
	ssize_t n;

	buf_reset(&text);
	do {
		if (poll(&p, 1, WAIT_MS) != 1)
			bail("no answer");
		n = read(fd, buf_reserve(&text, 65536), 65536);
		if (n > 0)
			text.len += (size_t)n;
	} while (n > 0);
	text.data[text.len] = '\0';
	close(fd);
	return buf_str(&text);
}

static const char *get(const char *target)
{
	return response(request("GET", target));
}

static void test_reading(void)
{
	has_str("200 OK", get("/status"), "status is answered");
	has_str("{\"name\":\"web\",\"kind\":\"http\"", get("/status?pool=web"),
		"with the pool asked for");
	has_str("404 ", get("/status?pool=none"), "an unknown pool is 404");
	has_str("reeve_up 1\n", get("/metrics"), "metrics are answered");
	has_str("{\"ok\":false,\"error\":\"there is nothing at /x\"}",
		get("/x"), "an unknown path says so");
	has_str("405 ", get("/reload"), "a reload by GET is refused");
	has_str("Allow: POST\r\n", get("/reload"), "and says what is allowed");
	has_str("405 ", response(request("POST", "/status")),
		"a POST of what is only read too");
}

static void test_command(void)
{
	int fd = request("POST", "/reload");
	struct msg m = next_msg();

	is_int(MSG_GOVERN_COMMAND, m.type, "a command is a message");
	is_int(MSG_COMMAND_RELOAD, m.value, "that says which");
	answer(&m, MSG_MASTER_TEXT, 0, "one ", -1);
	answer(&m, MSG_MASTER_DONE, 0, "two", -1);
	has_str("{\"ok\":true,\"text\":\"one two\"}", response(fd),
		"pieces of an answer are put together");

	fd = request("POST", "/pools/web/stop");
	m = next_msg();
	is_str("web", m.name, "a pool is named");
	answer(&m, MSG_MASTER_DONE, 1, "web: it \"won't\"", -1);
	has_str("409 ", response(fd), "a failure is a 409");

	fd = request("POST", "/pools/web/scale?count=7");
	m = next_msg();
	is_str("7", m.text, "a count is handed on");
	answer(&m, MSG_MASTER_DONE, 1, "too many", -1);
	has_str("{\"ok\":false,\"error\":\"too many\"}", response(fd),
		"with the reason");
	has_str("400 ", response(request("POST", "/pools/web/scale?count=-1")),
		"a bad count is refused at once");
	has_str("404 ", response(request("POST", "/pools/none/stop")),
		"and an unknown pool");
}

static void test_plan(void)
{
	int fd = request("POST", "/reload?plan=1");
	struct msg m = next_msg();

	is_int(MSG_COMMAND_PLAN, m.value, "a plan is another command");
	answer(&m, MSG_MASTER_TEXT, 0, "roll\tweb\t2\tcpu, nice\nst", -1);
	answer(&m, MSG_MASTER_DONE, 0, "op\told\t1\t\n", -1);
	has_str("{\"ok\":true,\"plan\":["
		"{\"action\":\"roll\",\"pool\":\"web\",\"count\":2,"
		"\"changed\":\"cpu, nice\"},"
		"{\"action\":\"stop\",\"pool\":\"old\",\"count\":1,"
		"\"changed\":\"\"}]}",
		response(fd), "its lines become a list");
}

static void test_config(void)
{
	struct msg m;
	FILE *f = tmpfile();
	int fd;

	fprintf(f, "node: later\n");
	fflush(f);
	board.map->header.generation = 2;
	fd = request("GET", "/config");
	m = next_msg();
	is_int(MSG_COMMAND_CONFIG, m.value,
		"a newer configuration is asked of the master");
	answer(&m, MSG_MASTER_DONE, 0, "", fileno(f));
	has_str("\r\n\r\nnode: later\n", response(fd),
		"and comes with a descriptor");
	fclose(f);
}

static void test_gone_client(void)
{
	int fd = request("POST", "/reopen");
	struct msg m = next_msg();

	close(fd);
	answer(&m, MSG_MASTER_DONE, 0, "", -1);
	answer(&m, MSG_MASTER_DONE, 0, "", -1);
	has_str("200 OK", get("/status"),
		"a client that went away does no harm");
}

static void test_full(void)
{
	int fds[COMMAND_PENDING_MAX], i, good = 0;
	struct msg m[COMMAND_PENDING_MAX];

	for (i = 0; i < COMMAND_PENDING_MAX; i++) {
		fds[i] = request("POST", "/reopen");
		m[i] = next_msg();
	}
	has_str("503 ", response(request("POST", "/reopen")),
		"a command too many is refused");
	for (i = 0; i < COMMAND_PENDING_MAX; i++) {
		answer(&m[i], MSG_MASTER_DONE, 0, "well", -1);
		good += strstr(response(fds[i]), "well") != NULL;
	}
	is_int(COMMAND_PENDING_MAX, good, "the others are answered");
}

static void test_hang(void)
{
	int slot = board_slot_take(&board);
	struct board_slot *s = &board.map->slots[slot];
	struct msg m;

	board.map->live[slot].pulse_at_us = clock_now() - 5 * US_PER_S;
	board.map->live[slot].pulse = BOARD_PULSE_BUSY;
	board_write_begin(&s->version);
	s->state = BOARD_READY;
	s->pid = (int)getpid();
	board_write_end(&s->version);
	m = next_msg();
	is_int(MSG_GOVERN_SUSPECT, m.type, "a worker that hangs is suspected");
	is_int(slot, m.value, "by its slot");
	is_int(MSG_SUSPECT_HUNG, m.token, "with the reason");
	board.map->live[slot].pulse = BOARD_PULSE_IDLE;
	board.map->pools[0].hang_timeout_us = 0;
	board.map->pools[0].memory_soft = 4096;
	while ((m = next_msg()).token == MSG_SUSPECT_HUNG)
		;
	is_int(MSG_SUSPECT_MEMORY_SOFT, m.token, "one too big as well");
	board.map->pools[0].memory_hard = 8192;
	while ((m = next_msg()).token == MSG_SUSPECT_MEMORY_SOFT)
		;
	is_int(MSG_SUSPECT_MEMORY_HARD, m.token, "and one far too big");
	board.map->pools[0].memory_soft = 0;
	board.map->pools[0].memory_hard = 0;
}

static void test_drain(void)
{
	int fd = request("POST", "/pools/web/start"), status;
	struct msg m;

	do
		m = next_msg();
	while (m.type != MSG_GOVERN_COMMAND);
	kill(governor, SIGTERM);
	/* Reaped only once: it must still be there to answer. */
	answer(&m, MSG_MASTER_DONE, 0, "late", -1);
	has_str("late", response(fd),
		"a governor told to end answers first what waits");
	waitpid(governor, &status, 0);
	is_int(0, status, "then it ends well");
}

static void test_shutdown(void)
{
	int fd, status;
	struct msg m;

	start_governor();
	is_int(MSG_WORKER_READY, next_msg().type, "the next one is ready");
	fd = request("POST", "/shutdown");
	m = next_msg();
	is_int(MSG_COMMAND_SHUTDOWN, m.value, "a shutdown is told");
	board.map->header.state = BOARD_NODE_STOPPING;
	kill(governor, SIGTERM);
	has_str("{\"ok\":true", response(fd),
		"and answered when the node stops");
	waitpid(governor, &status, 0);
	is_int(0, status, "the governor ends without the master's word");
}

static void test_quit(void)
{
	int fd, status;
	struct msg m;

	board.map->header.state = BOARD_NODE_RUNNING;
	start_governor();
	is_int(MSG_WORKER_READY, next_msg().type, "one more is ready");
	fd = request("POST", "/shutdown?now=1");
	m = next_msg();
	kill(governor, SIGSTOP);
	answer(&m, MSG_MASTER_DONE, 0, "stopping", -1);
	kill(governor, SIGQUIT);
	kill(governor, SIGCONT);
	has_str("\"stopping\"", response(fd),
		"told to go at once it answers what has been answered");
	waitpid(governor, &status, 0);
	is_int(0, status, "and goes");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL)
		bail("no directory");
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	make_board();
	listener = listen_unix();
	start_governor();
	is_int(MSG_WORKER_READY, next_msg().type, "the governor is ready");
	board.map->pools[0].hang_timeout_us = 0;
	test_reading();
	test_command();
	test_plan();
	test_config();
	test_gone_client();
	test_full();
	board.map->pools[0].hang_timeout_us = US_PER_S;
	test_hang();
	test_drain();
	test_shutdown();
	test_quit();
	unlink(path);
	rmdir(dir);
	return tap_done();
}
