/* SPDX-License-Identifier: ISC */
/*
 * http_peer - a service to call, for the units of outgoing requests.
 *
 * Two processes of their own: one speaks HTTP well, the other as badly as it
 * is asked to.
 *
 *	/status/NNN[?retry=V]  that status, and Retry-After: V
 *	/echo                  the method, the header fields, the body
 *	/slow                  never answers
 *	/big?n=N               N bytes
 *	/barrier?n=N           answers when N of these wait
 *	/accepted              how many connections there were
 *	POST /jobs?id=ID       {"job":{"id":"ID"}}
 *	GET /jobs/ID           {"job":{"state":"running"}}; ID = S.N.X: from
 *	                       the Nth on the state S; "lost": 503 before, and
 *	                       then "done"
 */
#ifndef T_HTTP_PEER_H
#define T_HTTP_PEER_H

struct http_peer_ports {
	int good;
	int bad;    /* its paths stand in http_peer.c */
	int silent; /* nobody listens */
};

void http_peer_start(struct http_peer_ports *ret_ports);
void http_peer_stop(void);

#endif
