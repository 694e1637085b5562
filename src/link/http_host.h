/* SPDX-License-Identifier: ISC */
/*
 * http_host - who may ask for a host's addresses, and who waits for them.
 *
 * libcurl starts a thread for every call that finds no address in its cache:
 * a thousand calls that begin at once would start a thousand.  So libcurl
 * keeps addresses for good, and here one call for each host and port is the
 * one that asks anew, while the others wait for it:
 *
 *	unknown -> asked by one call -> known for a minute -> unknown
 *	   ^             |
 *	   '-------------'  it ended, or took an open connection
 */
#ifndef LINK_HTTP_HOST_H
#define LINK_HTTP_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct http_host;

/* What of a call the hosts know; embedded in it. */
struct http_visit {
	TAILQ_ENTRY(http_visit) entry;
	struct http_host *host;
	bool is_waiting;
};

struct http_host {
	LIST_ENTRY(http_host) entry;
	char *key; /* "host:port" */
	int64_t known_until_us;
	unsigned visits;           /* calls that point here */
	struct http_visit *asking; /* NULL: nobody */
	TAILQ_HEAD(, http_visit) waiting;
};

LIST_HEAD(http_hosts, http_host);

enum http_host_turn {
	HTTP_HOST_GO = 0,  /* the addresses are known */
	HTTP_HOST_ASK = 1, /* go, and forget the addresses first */
	HTTP_HOST_WAIT = 2 /* until http_host_next hands it out */
};

/* A call begins; http_host_leave ends it. */
enum http_host_turn http_host_visit(
	struct http_hosts *hosts, const char *key, struct http_visit *v);
void http_host_leave(struct http_visit *v);
/* The one that asks has the addresses, or has a connection without them. */
void http_host_answered(struct http_visit *v);
void http_host_unasked(struct http_visit *v);
/* The next that need not wait any more, and how it may go; NULL: none. */
struct http_visit *http_host_next(
	struct http_hosts *hosts, enum http_host_turn *ret_turn);
/* Forget the hosts that nobody visits. */
void http_host_sweep(struct http_hosts *hosts, int64_t known_before_us);

#endif
