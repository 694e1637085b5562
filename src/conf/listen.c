/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/number.h"
#include "conf/draft.h"
#include "conf/listen.h"

static int listen_unix(struct draft *d, const struct node *at, const char *path,
	struct conf_listen *ret_listen)
{
	if (*path != '/')
		return draft_error(d, at,
			"the path of a unix socket must begin with \"/\", not %s",
			draft_show(d, path));
	if (strlen(path) > LISTEN_UNIX_MAX)
		return draft_error(d, at,
			"the path of a unix socket is longer than %d bytes",
			LISTEN_UNIX_MAX);
	ret_listen->family = LISTEN_UNIX;
	ret_listen->host = arena_strdup(d->keep, path);
	ret_listen->port = 0;
	ret_listen->text = arena_printf(d->keep, "unix:%s", path);
	return 0;
}

static int listen_bad(struct draft *d, const struct node *at, const char *text)
{
	return draft_error(d, at,
		"%s is no address: write a port (8084), \"0.0.0.0:8084\", "
		"\"[::1]:8084\" or unix:/path, hosts as numbers",
		draft_show(d, text));
}

/* Host and port in their normal form. */
static int listen_tcp(struct draft *d, const char *host, int64_t port,
	struct conf_listen *ret_listen)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	int family = *host == '[' ? AF_INET6 : AF_INET;
	char *bare = arena_strdup(d->scratch, host);

	if (family == AF_INET6) {
		bare++;
		if (*bare == '\0' || bare[strlen(bare) - 1] != ']')
			return -1;
		bare[strlen(bare) - 1] = '\0';
	} else if (*bare == '\0' || strcmp(bare, "*") == 0) {
		bare = arena_strdup(d->scratch, "0.0.0.0");
	} else if (strcmp(bare, "localhost") == 0) {
		bare = arena_strdup(d->scratch, "127.0.0.1");
	}
	if (inet_pton(family, bare, bytes) != 1 ||
		inet_ntop(family, bytes, text, sizeof(text)) == NULL)
		return -1;
	ret_listen->family = family == AF_INET6 ? LISTEN_TCP6 : LISTEN_TCP4;
	ret_listen->host = arena_strdup(d->keep, text);
	ret_listen->port = (int)port;
	ret_listen->text = arena_printf(d->keep,
		family == AF_INET6 ? "[%s]:%d" : "%s:%d", text, (int)port);
	return 0;
}

int listen_parse(struct draft *d, const struct node *at, const char *text,
	struct conf_listen *ret_listen)
{
	const char *colon = strrchr(text, ':');
	const char *digits = colon != NULL ? colon + 1 : text;
	int64_t port;
	char *host;

	if (strncmp(text, "unix:", 5) == 0)
		return listen_unix(d, at, text + 5, ret_listen);
	if (strlen(text) > 64 || *digits == '+' || *digits == '-' ||
		!number_int(digits, &port))
		return listen_bad(d, at, text);
	if (port < 1 || port > 65535)
		return draft_error(d, at, "a port is 1 to 65535, not %s",
			draft_show(d, digits));
	host = arena_strndup(
		d->scratch, text, colon != NULL ? (size_t)(colon - text) : 0);
	if (listen_tcp(d, host, port, ret_listen) != 0)
		return listen_bad(d, at, text);
	return 0;
}
