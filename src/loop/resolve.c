/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "loop/loop_base.h"
#include "loop/resolve.h"

struct resolve {
	struct loop *loop;
	resolve_fn fn; /* NULL: cancelled */
	void *arg;
	struct evdns_base *dns; /* NULL: not needed */
	struct evdns_getaddrinfo_request *request;
	bool is_answered; /* what is left is to call fn */
	struct resolve_answer answer;
};

static const char *resolve_conf = "/etc/resolv.conf";
static const char *resolve_hosts = "/etc/hosts";

void resolve_set_files(const char *resolv_conf, const char *hosts)
{
	resolve_conf = resolv_conf != NULL ? resolv_conf : "/etc/resolv.conf";
	resolve_hosts = hosts != NULL ? hosts : "/etc/hosts";
}

static void resolve_free(struct resolve *q)
{
	if (q->dns != NULL)
		evdns_base_free(q->dns, 0);
	free(q);
}

static void resolve_deliver(void *arg)
{
	struct resolve *q = arg;

	if (q->fn != NULL)
		q->fn(&q->answer, q->arg);
	resolve_free(q);
}

/* The library may still have calls of its own waiting in this turn: what it
 * made is taken down one turn later. */
static void resolve_settle(void *arg)
{
	struct resolve *q = arg;

	loop_defer(q->loop, resolve_deliver, q);
}

static void resolve_add(
	struct resolve_answer *a, const void *addr, socklen_t len)
{
	struct resolve_address *to;

	if (a->count == RESOLVE_ADDRESSES_MAX || len > sizeof(to->addr))
		return;
	to = &a->addresses[a->count++];
	to->len = len;
	memcpy(&to->addr, addr, len);
}

static void resolve_add4(
	struct resolve_answer *a, const struct in_addr *ip, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_port = htons(port);
	in.sin_addr = *ip;
	resolve_add(a, &in, sizeof(in));
}

static void resolve_add6(
	struct resolve_answer *a, const struct in6_addr *ip, uint16_t port)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6 };

	in.sin6_port = htons(port);
	in.sin6_addr = *ip;
	resolve_add(a, &in, sizeof(in));
}

/* What needs nobody's help. */
static bool resolve_known(
	struct resolve_answer *a, const char *host, uint16_t port)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	struct in_addr ip4;
	struct in6_addr ip6;

	if (inet_pton(AF_INET, host, &ip4) == 1) {
		resolve_add4(a, &ip4, port);
	} else if (inet_pton(AF_INET6, host, &ip6) == 1) {
		resolve_add6(a, &ip6, port);
	} else if (strcasecmp(host, "localhost") == 0) {
		resolve_add4(a, &loopback, port);
		resolve_add6(a, &in6addr_loopback, port);
	}
	return a->count > 0;
}

static const char *resolve_fault(int error)
{
	switch (error) {
	case EVUTIL_EAI_NONAME: return "no such host";
	case EVUTIL_EAI_NODATA: return "the host has no address";
	case EVUTIL_EAI_AGAIN: return "the name servers do not answer";
	case EVUTIL_EAI_FAIL: return "the name servers failed";
	case EVUTIL_EAI_MEMORY: return "out of memory";
	default: return "the name cannot be resolved";
	}
}

static void on_addrinfo(int error, struct evutil_addrinfo *list, void *arg)
{
	struct resolve *q = arg;
	struct evutil_addrinfo *p;

	q->is_answered = true;
	q->request = NULL;
	for (p = list; error == 0 && p != NULL; p = p->ai_next)
		resolve_add(&q->answer, p->ai_addr, p->ai_addrlen);
	if (list != NULL)
		evutil_freeaddrinfo(list);
	if (q->answer.count == 0)
		q->answer.error = resolve_fault(error);
	loop_defer(q->loop, resolve_settle, q);
}

static void resolve_ask(struct resolve *q, const char *host, uint16_t port)
{
	struct evutil_addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = EVUTIL_AI_ADDRCONFIG,
	};
	struct evdns_getaddrinfo_request *request;
	char service[8];

	q->dns = evdns_base_new(loop_base(q->loop), 0);
	if (q->dns == NULL) {
		on_addrinfo(EVUTIL_EAI_MEMORY, NULL, q);
		return;
	}
	/* Missing files are no fault: the library has its defaults. */
	(void)evdns_base_resolv_conf_parse(
		q->dns, DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE, resolve_conf);
	(void)evdns_base_load_hosts(q->dns, resolve_hosts);
	snprintf(service, sizeof(service), "%u", (unsigned)port);
	request = evdns_getaddrinfo(
		q->dns, host, service, &hints, on_addrinfo, q);
	if (!q->is_answered)
		q->request = request;
}

struct resolve *resolve_start(struct loop *l, const char *host, uint16_t port,
	resolve_fn fn, void *arg)
{
	struct resolve *q = xcalloc(1, sizeof(*q));

	q->loop = l;
	q->fn = fn;
	q->arg = arg;
	if (!resolve_known(&q->answer, host, port)) {
		resolve_ask(q, host, port);
		return q;
	}
	q->is_answered = true;
	loop_defer(l, resolve_deliver, q);
	return q;
}

void resolve_cancel(struct resolve *q)
{
	if (q == NULL)
		return;
	q->fn = NULL;
	if (q->request != NULL) {
		evdns_getaddrinfo_cancel(q->request);
	} else if (q->dns == NULL) {
		loop_defer_cancel(q->loop, resolve_deliver, q);
		resolve_free(q);
	}
}
