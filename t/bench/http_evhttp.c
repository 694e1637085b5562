/* SPDX-License-Identifier: ISC */
/*
 * http_evhttp - a bare evhttp server, to hold the http pool against.
 *
 *	http_evhttp PORT PROCESSES
 *
 * Forked processes share one listening socket and answer /healthz as the
 * http pool does.  Runs until it is told to end.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_healthz(struct evhttp_request *req, void *arg)
{
	static const char text[] = "{\"status\":\"ok\"}\n";
	struct evbuffer *body = evbuffer_new();

	(void)arg;
	evhttp_add_header(evhttp_request_get_output_headers(req),
		"Content-Type", "application/json");
	evbuffer_add(body, text, sizeof(text) - 1);
	evhttp_send_reply(req, 200, "OK", body);
	evbuffer_free(body);
}

static int listen_on(int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
		listen(fd, 1024) != 0) {
		perror("http_evhttp");
		exit(1);
	}
	return fd;
}

static void serve(int fd)
{
	struct event_base *base = event_base_new();
	struct evhttp *http = evhttp_new(base);

	evhttp_set_cb(http, "/healthz", on_healthz, NULL);
	if (evhttp_accept_socket(http, fd) != 0)
		exit(1);
	event_base_dispatch(base);
	exit(0);
}

int main(int argc, char **argv)
{
	int fd, i;

	if (argc != 3) {
		fprintf(stderr, "usage: http_evhttp PORT PROCESSES\n");
		return 2;
	}
	fd = listen_on(atoi(argv[1]));
	for (i = 0; i < atoi(argv[2]); i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(fd);
		}
	while (wait(NULL) > 0)
		;
	return 0;
}
