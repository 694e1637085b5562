/* SPDX-License-Identifier: ISC */
/*
 * http_help - a server on a loop, and clients of it in the same process.
 */
#ifndef T_HTTP_HELP_H
#define T_HTTP_HELP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "loop/http.h"

#define MS        ((int64_t)US_PER_MS)
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

struct help {
	struct loop *loop;
	struct loop_timer *tick;
	int listener;
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

extern struct help help;
/* Long enough for every test that is not about them. */
extern const struct http_limits help_limits;

/* A loop, and a server on it that listens on an address of its own. */
struct http_server *help_open(
	const struct http_limits *limits, int family, http_handler_fn fn);
/* After http_server_free. */
void help_close(void);
/* Let the server work for so long. */
void help_pump(int64_t span_us);

struct client {
	int fd;
	struct buf in;
	bool is_eof;
	int error; /* errno of a read that failed */
};

void client_open(struct client *c);
void client_close(struct client *c);
void client_send_bytes(struct client *c, const char *data, size_t len);
void client_send(struct client *c, const char *text);
/* Take what has come. */
void client_read(struct client *c);
bool client_is_over(const struct client *c);
/* Serve until c has received `text` (NULL: the end of the stream). */
bool client_wait(struct client *c, const char *text);
/* Answers seen so far. */
int client_answers(const struct client *c);

#endif
