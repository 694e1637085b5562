/* SPDX-License-Identifier: ISC */
/*
 * http_conn - the inside of the HTTP server: connections and requests.
 *
 * Only the http files include it.  A connection is in one state, and so in
 * one of the server's lists; each list has one timeout, which keeps it
 * ordered by deadline, so the server needs a single timer.
 *
 *	FRESH --> HEADER --> BODY --> HANDLING --> WRITING --> IDLE
 *	             ^---------------------------------------- /
 *	RESUME: goes on in the next turn of the loop
 *	STREAM: all that was given of an answer in pieces is sent
 *	LINGER: all is said; what still comes is discarded until the end
 *
 * A request that comes in one piece is parsed in the server's read buffer,
 * answered from the server's write buffer, and costs no allocation.
 */
#ifndef LOOP_HTTP_CONN_H
#define LOOP_HTTP_CONN_H

#include <sys/queue.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "loop/http.h"
#include "loop/http_origin.h"
#include "loop/http_parse.h"

#define HTTP_READ_SIZE  16384      /* of one read */
#define HTTP_WRITE_SIZE 65536      /* answers gathered before a write */
#define HTTP_HELD_MAX   (64 << 20) /* bytes of server->held */
#define HTTP_ACCEPT_MAX \
	4                             /* connections taken per wake-up, so
					that other processes get some */
#define HTTP_ACCEPT_PAUSE_US 100000   /* after running out of descriptors */
#define HTTP_WARN_US         60000000 /* between two warnings of one kind */
#define HTTP_LINGER_US       2000000
#define HTTP_SPARE_US \
	1000000 /* without a whole request for so long: may make room */
#define HTTP_NEVER INT64_MAX

enum http_conn_state {
	HTTP_CONN_FRESH = 0,    /* accepted, nothing received */
	HTTP_CONN_IDLE = 1,     /* between two requests */
	HTTP_CONN_HEADER = 2,   /* a part of a header is there */
	HTTP_CONN_BODY = 3,     /* a part of a body is missing */
	HTTP_CONN_HANDLING = 4, /* the handler will answer later */
	HTTP_CONN_WRITING = 5,  /* the client is slow to read */
	HTTP_CONN_RESUME = 6,
	HTTP_CONN_LINGER = 7,
	HTTP_CONN_STREAM = 8, /* the handler will go on with its answer */
	HTTP_CONN_STATE_COUNT
};

/* How it ends after the answers that are under way. */
enum http_conn_end {
	HTTP_END_NOT = 0,
	HTTP_END_CLOSE = 1, /* the client wants no more either */
	HTTP_END_LINGER = 2
};

TAILQ_HEAD(http_requests, http_request);

struct http_request {
	struct http_server *server;      /* NULL: inert, the server is gone */
	struct http_conn *conn;          /* NULL: the client is gone */
	TAILQ_ENTRY(http_request) entry; /* in `list` */
	struct http_requests *list;      /* the server's; NULL: in none */
	char *data;       /* what the offsets of `parse` refer to */
	char *owned;      /* the buffer `data` lies in, when late or asked */
	size_t held;      /* what it has put to server->held: bytes of that */
	int64_t began_us; /* its first byte */
	uint8_t timed;    /* enum http_conn_state: whose deadline it has got */
	bool is_stream;   /* http_reply_begin was called */
	bool is_chunked;  /* stream: it has pieces with their length */
	bool was_full;    /* stream: a chunk was not taken */
	uint8_t news;     /* stream: enum http_stream_event, to be told */
	int status;       /* stream: of the answer */
	int64_t begun_us; /* stream: when the answer began */
	uint64_t sent;    /* stream: bytes of its pieces */
	http_stream_fn on_event; /* stream; NULL */
	void *on_event_arg;
	struct buf extra; /* further fields of the answer */
	char *query;      /* decoded pairs, once asked for; owned */
	size_t query_len;
	char *user;                        /* NULL; owned */
	char id[UUID_TEXT_LEN + 1];        /* made here; "" */
	char client[HTTP_ORIGIN_TEXT_MAX]; /* once asked for; "" */
	struct http_parse parse; /* last: its fields are not cleared */
};

struct http_conn {
	struct http_server *server;
	TAILQ_ENTRY(http_conn) entry; /* in the list of its state */
	struct loop_fd *watch;
	struct http_request *req; /* being received or handled; NULL */
	struct buf in;            /* received, not yet used up */
	struct buf out;           /* answered, not yet sent */
	size_t held;              /* what it has put to server->held */
	int64_t deadline_us;
	int fd;
	uint8_t state;    /* enum http_conn_state */
	uint8_t end;      /* enum http_conn_end */
	uint8_t watching; /* enum loop_events */
	bool is_handling; /* `req` is with the handler */
	bool is_unix;
};

TAILQ_HEAD(http_conns, http_conn);

struct http_listener {
	struct http_server *server;
	SLIST_ENTRY(http_listener) entry;
	struct loop_fd *watch;
	int fd; /* borrowed */
	bool is_unix;
};

struct http_server {
	struct loop *loop;
	struct http_limits limits;
	struct http_parse_limits parse_limits;
	http_handler_fn handler;
	void *arg;
	http_done_fn on_done;
	void *on_done_arg;
	loop_fn on_change;
	void *on_change_arg;
	struct http_counts counts;
	bool uses_ids, uses_gzip;
	const struct http_origin *origin; /* NULL */

	SLIST_HEAD(, http_listener) listeners;
	bool is_paused;           /* listeners are not watched */
	bool is_short;            /* of descriptors, hence the pause */
	int64_t resume_accept_us; /* end of the pause; HTTP_NEVER: when a
				     connection is gone or may go */
	int64_t warned_us;        /* of a lack of descriptors; 0: never */

	int64_t now_us; /* clock_now at the start of the callback */

	struct http_conns conns[HTTP_CONN_STATE_COUNT];
	struct loop_timer *timer;
	int64_t armed_us; /* when the timer fires; HTTP_NEVER: not set */

	bool is_draining;
	loop_fn drained; /* called once; NULL then */
	void *drained_arg;

	/* Requests whose handler has returned without an answer, and of
	 * those the streams that have something to be told. */
	struct http_requests late, news;
	struct http_request *spare; /* one for the next request; NULL */
	struct http_conn *current;  /* whose answers `out` gathers; NULL */
	char *read_buffer;          /* HTTP_READ_SIZE; NULL: given away */
	struct buf out;
	size_t held; /* bytes in buffers of connections and requests */

	int64_t date_s; /* second of `date` */
	char date[40];  /* "Date: …\r\n" */
};

/* http_conn.c */
/* Takes fd; it is non-blocking. */
void http_conn_new(struct http_server *s, int fd, bool is_unix);
/* Closes at once.  A request with the handler stays, without a client. */
void http_conn_free(struct http_conn *c);
/* The deadline of its state has come. */
void http_conn_expire(struct http_conn *c);
/* After a late answer, or a piece of one: send it in the next turn. */
void http_conn_resume(struct http_conn *c);
/* Before it is freed: send of its answers what goes at once. */
void http_conn_part(struct http_conn *c);
/* The address of its other end; "unix" for a unix socket, "" when it is not
 * known. */
void http_conn_peer(
	const struct http_conn *c, char ret_text[HTTP_ORIGIN_TEXT_MAX]);
/* Nothing that is not read yet has come from it. */
bool http_conn_is_silent(const struct http_conn *c);
/* A draining server waits for its next request no longer than until then. */
void http_conn_hurry(struct http_conn *c, int64_t deadline_us);

/* http_answer.c */
/* How the client sees where the body ends. */
enum http_framing {
	HTTP_FRAMING_LENGTH = 0,
	HTTP_FRAMING_CHUNKED = 1,
	HTTP_FRAMING_CLOSE = 2 /* with the connection */
};

/* Put an answer to out.  `extra`: "Name: value\r\n" lines. */
struct http_answer {
	enum http_framing framing;
	int status;
	const char *type; /* NULL: none */
	const void *body;
	size_t len;
	const struct buf *extra; /* NULL: none */
	const char *id;          /* NULL: none */
	bool is_head;            /* leave the body off */
	bool says_close, says_keep_alive;
};
void http_answer_put(
	struct http_server *s, struct buf *out, const struct http_answer *a);
/* Bytes of its body that are sent. */
uint64_t http_answer_bytes(const struct http_answer *a);
/* A problem document (RFC 9457). */
void http_answer_problem(struct buf *body, int status, const char *detail);

/* http_request.c */
/* A cleared one, and giving it back. */
struct http_request *http_request_take(struct http_server *s);
void http_request_drop(struct http_server *s, struct http_request *req);
/* Its handler has returned without an answer.  True: it owns `buffer` from
 * now on, `size` bytes; false: it has no need of it. */
bool http_request_keep(struct http_request *req, char *buffer, size_t size);
/* Move the first `len` bytes of it to memory of that size. */
void http_request_shrink(struct http_request *req, size_t len);
/* Move it to another list of its server; NULL: to none. */
void http_request_list(struct http_request *req, struct http_requests *list);
/* The handler's part is over: counted, told, freed. */
void http_request_end(
	struct http_request *req, int status, uint64_t body_bytes);
/* Put the head of its answer, or all of it, where it will be sent from. */
void http_request_answer(struct http_request *req, struct http_answer *a);
/* Where its answer goes. */
struct buf *http_request_out(const struct http_request *req);

/* http_stream.c */
/* Have it told in the next turn, if it is a stream. */
void http_stream_tell(struct http_request *req, enum http_stream_event event);
/* From the loop: tell all that is to be told. */
void http_stream_deliver(struct http_server *s);
/* The server drains: tell all streams. */
void http_stream_drain(struct http_server *s);

/* http.c */
/* Let the timer fire at deadline_us or before. */
void http_server_arm(struct http_server *s, int64_t deadline_us);
/* A connection is gone: there may be room for another. */
void http_server_gone(struct http_server *s);
/* Count an answer and tell on_done; before the request is dropped. */
void http_server_answered(struct http_server *s, struct http_done *d);
void http_server_changed(struct http_server *s);
/* A connection has become idle, or begins to say what it wants. */
void http_server_idled(struct http_server *s);

#endif
