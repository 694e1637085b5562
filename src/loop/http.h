/* SPDX-License-Identifier: ISC */
/*
 * http - an HTTP/1.1 server on the loop, for many connections and few words.
 *
 * Serves listening sockets it borrows.  Strict after RFC 9112: what two
 * readers could take in two ways is refused and the connection closed.  An
 * idle connection holds no buffer.
 */
#ifndef LOOP_HTTP_H
#define LOOP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/loop.h"

struct http_origin;
struct http_request;
struct http_server;

enum http_method {
	HTTP_GET = 0,
	HTTP_HEAD = 1,
	HTTP_POST = 2,
	HTTP_PUT = 3,
	HTTP_DELETE = 4,
	HTTP_PATCH = 5,
	HTTP_OPTIONS = 6,
	HTTP_METHOD_COUNT
};

struct http_limits {
	size_t header_max;         /* bytes of request line and header fields */
	size_t body_max;           /* bytes of a body */
	unsigned connections_max;  /* open at a time; others wait until one
				      is closed, or has been idle or slow
				      with its header for a second: that
				      one makes room */
	int64_t header_timeout_us; /* first byte to the end of the header */
	int64_t body_timeout_us;   /* all of the body */
	int64_t write_timeout_us;  /* all of an answer to a slow reader */
	int64_t idle_timeout_us;   /* keep-alive without a request */
	int64_t linger_us; /* draining: how long an idle connection may still
			      send its next request */
};

/* What the server counts; a worker copies it to the board. */
struct http_counts {
	uint64_t accepted, rejected, timeouts, bytes_in, bytes_out;
	uint64_t by_class[6]; /* answers: [2] is 2xx */
	unsigned connections, in_flight;
};

/*
 * A whole request (header and body) is there.  The handler answers it with
 * http_reply, or with a stream, at once or later; `req` lives until then,
 * whatever becomes of the client.  Requests of one connection come one after the other.
 */
typedef void (*http_handler_fn)(struct http_request *req, void *arg);

struct http_server *http_server_new(struct loop *l,
	const struct http_limits *limits, http_handler_fn fn, void *arg);
/* Accept from a listening socket (non-blocking, borrowed). */
void http_server_listen(struct http_server *s, int fd);
/*
 * Accept no more; answer what comes on open connections with `Connection:
 * close`; cut idle ones after linger_us.  done(arg) is called when the last
 * connection is gone (from the loop, also when there is none).
 */
void http_server_drain(struct http_server *s, loop_fn done, void *arg);
/* The limit linger_us anew: for a drain after which nobody else serves. */
void http_server_set_linger(struct http_server *s, int64_t linger_us);
/* Cuts every connection, answers just given being sent as far as that takes no
 * waiting; requests not yet answered become inert. */
void http_server_free(struct http_server *s);
const struct http_counts *http_server_counts(const struct http_server *s);
/* Call fn(arg) from the loop whenever http_server_counts may have changed. */
void http_server_on_change(struct http_server *s, loop_fn fn, void *arg);
/* What became of a request. */
struct http_done {
	/* For the time of the call.  Of a refused one only its id and its
	 * client are known. */
	struct http_request *req;
	bool is_refused; /* by the server itself: no handler has seen it */
	int status;
	uint64_t body_bytes; /* that were sent, or are waiting to be */
	int64_t duration_us; /* since the request's first byte */
	int64_t wait_us;     /* until its answer began: less for a stream */
};
/* Called after each answer, whoever gave it. */
typedef void (*http_done_fn)(const struct http_done *d, void *arg);
void http_server_on_done(struct http_server *s, http_done_fn fn, void *arg);

/* Compress answers by http_reply from 1 KiB to 1 MiB, of text or JSON, for
 * clients that accept gzip; those with an ETag, which stands for the bytes as
 * they are, excepted. */
void http_server_use_gzip(struct http_server *s);
/* Give each answer the field X-Request-Id, with http_request_id. */
void http_server_use_ids(struct http_server *s);
/* Whom to believe where requests come from; borrowed (NULL: nobody). */
void http_server_set_origin(
	struct http_server *s, const struct http_origin *origin);

/*
 * For a request that will be answered late: give it memory of its own size,
 * or it keeps the 16 KiB that it was read into.  What was borrowed from it
 * before is gone, and may be asked for again.
 */
void http_request_own(struct http_request *req);

/* All borrowed until http_reply. */
enum http_method http_request_method(const struct http_request *req);
/* "GET" of HTTP_GET. */
const char *http_method_name(enum http_method method);
/* Of HTTP/1.x: 0 or 1. */
int http_request_minor(const struct http_request *req);
/* The path, percent-decoded and without dot segments, NUL-terminated. */
const char *http_request_path(const struct http_request *req);
/* A query parameter, decoded; NULL when absent. */
const char *http_request_query(struct http_request *req, const char *name);
/*
 * The query's parameters one by one, decoded, in the order sent: begin with
 * *at = 0.  False behind the last.
 */
bool http_request_query_at(struct http_request *req, size_t *at,
	const char **ret_name, const char **ret_value);
/* The whole query as it was sent, behind the "?"; NULL when absent. */
const char *http_request_query_text(const struct http_request *req);
/* A header field's value (names without regard to case); NULL. */
const char *http_request_header(
	const struct http_request *req, const char *name);
/* The field number `index`, from 0; false behind the last. */
bool http_request_header_at(const struct http_request *req, unsigned index,
	const char **ret_name, const char **ret_value);
const char *http_request_body(const struct http_request *req, size_t *ret_len);

/* What the client calls the request in X-Request-Id, when that is up to 128
 * bytes of visible ASCII; else an id made here. */
const char *http_request_id(struct http_request *req);
/*
 * The client's address as text: of the other end of the connection, or what
 * trusted proxies say of it (http_server_set_origin).  "unix" for a unix
 * socket; "" when the client had left before this was asked.
 */
const char *http_request_client(struct http_request *req);

/* Who that is, in the words of the handler (copied), for a log; "" unless it
 * has been set. */
void http_request_set_user(struct http_request *req, const char *user);
const char *http_request_user(const struct http_request *req);

/* Who is on the other end of a unix socket; false for TCP. */
struct http_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};
bool http_request_peer(
	const struct http_request *req, struct http_peer *ret_peer);

/* A further header field of the answer; before http_reply.  Returns -1 for a
 * value that would split the header. */
int http_reply_header(
	struct http_request *req, const char *name, const char *value);
/* Answer and give up `req`.  `body` is copied; HEAD sends none of it.
 * content_type NULL: none. */
void http_reply(struct http_request *req, int status, const char *content_type,
	const void *body, size_t len);

/* The same with a problem document (RFC 9457); detail NULL: none. */
void http_reply_problem(
	struct http_request *req, int status, const char *detail);

/*
 * An answer in pieces, of a length that nobody knows yet: begin, a chunk
 * whenever there is one, finish; each of them at once or later.  Between begin
 * and finish `req` is a stream, and the handler's.
 *
 * Begin drops the request's body, and what was borrowed from `req` before is
 * gone; path, query and header may be asked for again.
 */
void http_reply_begin(
	struct http_request *req, int status, const char *content_type);

/* Bytes that wait for a slow client: beyond them a stream is full, though a
 * longer piece is taken when nothing waits. */
#define HTTP_STREAM_MAX 65536

/*
 * Send data[0..len), which is copied, in the next turn of the loop.
 * Returns 0; 1 when the stream is full: nothing was taken, HTTP_STREAM_ROOM
 * will tell when to try again; -1 when nobody is there to take it (the client
 * is gone, or asked by HEAD): finish.
 */
int http_reply_chunk(struct http_request *req, const void *data, size_t len)
	__attribute__((warn_unused_result));
/* The answer is whole: give up `req`. */
void http_reply_finish(struct http_request *req);
/* The rest cannot be had: end the connection so that the client sees that the
 * answer is not whole.  Gives up `req`. */
void http_reply_cut(struct http_request *req);

enum http_stream_event {
	HTTP_STREAM_GONE = 1,  /* the client has left: finish, soon or late;
				  nothing else is told any more */
	HTTP_STREAM_DRAIN = 2, /* the server drains: finish, it waits for it */
	HTTP_STREAM_ROOM = 4   /* all is sent, after a chunk was not taken */
};

/* Called from the loop, never from inside another call; it may finish `req`.
 * Not called any more after http_server_free. */
typedef void (*http_stream_fn)(
	struct http_request *req, enum http_stream_event event, void *arg);
/* Set with http_reply_begin, before returning to the loop. */
void http_reply_on_event(
	struct http_request *req, http_stream_fn fn, void *arg);

/* "Not Found" of 404; "Unknown" of one without a name. */
const char *http_status_text(int status);

#endif
