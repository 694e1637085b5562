/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "link/redis_url.h"

static int url_number(
	const char *text, size_t len, long least, long most, long *ret)
{
	long n = 0;
	size_t i;

	if (len == 0 || len > 9)
		return -1;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + (text[i] - '0');
	}
	if (n < least || n > most)
		return -1;
	*ret = n;
	return 0;
}

static int url_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* len bytes with %XX read; NULL when a % is not followed by two digits of a
 * byte other than 0. */
static char *url_decode(const char *text, size_t len)
{
	char *out = xmalloc(len + 1);
	size_t i, n = 0;

	for (i = 0; i < len; i++, n++) {
		out[n] = text[i];
		if (text[i] != '%')
			continue;
		if (i + 2 >= len || url_hex(text[i + 1]) < 0 ||
			url_hex(text[i + 2]) < 0)
			goto fail;
		out[n] = (char)(url_hex(text[i + 1]) << 4 |
				url_hex(text[i + 2]));
		if (out[n] == '\0')
			goto fail;
		i += 2;
	}
	out[n] = '\0';
	return out;
fail:
	explicit_bzero(out, len + 1);
	free(out);
	return NULL;
}

static int url_host_fault(const char *host, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_:%";

	return len == 0 || len > REDIS_HOST_MAX || strspn(host, allowed) < len;
}

/* "host[:port]" or "[ip6][:port]" of len bytes. */
static int url_place(const char *text, size_t len, char **ret_host,
	uint16_t *ret_port, struct err *err)
{
	const char *host = text, *end = text + len, *colon, *close;
	size_t host_len;
	long port = REDIS_PORT;

	if (len > 0 && *text == '[') {
		host++;
		close = memchr(text, ']', len);
		if (close == NULL)
			return err_set(err, 0, "a [ without its ]");
		host_len = (size_t)(close - host);
		colon = close + 1 < end ? close + 1 : NULL;
		if (colon != NULL && *colon != ':')
			return err_set(err, 0, "a : must follow the ]");
	} else {
		colon = memchr(text, ':', len);
		host_len = colon != NULL ? (size_t)(colon - text) : len;
	}
	if (colon != NULL && url_number(colon + 1, (size_t)(end - colon - 1), 1,
				     65535, &port) != 0)
		return err_set(err, 0, "the port is a number of 1 to 65535");
	if (url_host_fault(host, host_len))
		return err_set(err, 0, "that is no host name");
	*ret_host = xstrndup(host, host_len);
	*ret_port = (uint16_t)port;
	return 0;
}

int redis_url_node(
	const char *text, char **ret_host, uint16_t *ret_port, struct err *err)
{
	return url_place(text, strlen(text), ret_host, ret_port, err);
}

static int url_login(
	struct redis_url *u, const char *text, size_t len, struct err *err)
{
	const char *colon = memchr(text, ':', len);

	if (colon == NULL)
		return err_set(err, 0,
			"redis url: a user needs a password: "
			"redis://user:password@host");
	if (colon != text &&
		(u->user = url_decode(text, (size_t)(colon - text))) == NULL)
		return err_set(err, 0, "redis url: bad %% in the user");
	colon++;
	u->password = url_decode(colon, len - (size_t)(colon - text));
	if (u->password == NULL)
		return err_set(err, 0, "redis url: bad %% in the password");
	return 0;
}

static int url_db(struct redis_url *u, const char *text, struct err *err)
{
	long db = 0;

	if (*text != '\0' &&
		url_number(text, strlen(text), 0, REDIS_DB_MAX, &db) != 0)
		return err_set(err, 0,
			"redis url: the database is a number of 0 to %d",
			REDIS_DB_MAX);
	u->db = (int)db;
	return 0;
}

static int url_tcp(struct redis_url *u, const char *text, struct err *err)
{
	size_t len = strcspn(text, "/?#");
	const char *rest = text + len, *at;
	struct err why;

	at = memrchr(text, '@', len);
	if (at != NULL) {
		if (url_login(u, text, (size_t)(at - text), err) != 0)
			return -1;
		len -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	if (len == 0) {
		u->host = xstrdup("127.0.0.1");
		u->port = REDIS_PORT;
	} else if (url_place(text, len, &u->host, &u->port, &why) != 0) {
		return err_set(err, 0, "redis url: %s", why.text);
	}
	return url_db(u, *rest == '/' ? rest + 1 : rest, err);
}

static int url_unix(struct redis_url *u, const char *text, struct err *err)
{
	size_t len = strcspn(text, "?");
	struct sockaddr_un addr;

	u->is_unix = true;
	if (*text != '/')
		return err_set(err, 0,
			"redis url: the path of a socket begins with /: "
			"unix:///run/redis.sock");
	if (len >= sizeof(addr.sun_path))
		return err_set(err, 0,
			"redis url: the path of a socket has at most %zu bytes",
			sizeof(addr.sun_path) - 1);
	u->host = xstrndup(text, len);
	text += len;
	if (*text == '\0')
		return 0;
	if (strncmp(text, "?db=", 4) != 0)
		return err_set(err, 0, "redis url: only ?db=N may follow");
	return url_db(u, text + 4, err);
}

static int url_scheme(struct redis_url *u, const char *text, struct err *err)
{
	if (strncmp(text, "redis://", 8) == 0)
		return url_tcp(u, text + 8, err);
	if (strncmp(text, "unix://", 7) == 0)
		return url_unix(u, text + 7, err);
	if (strncmp(text, "rediss://", 9) == 0)
		return err_set(err, 0,
			"redis url: this hiredis has no TLS, use redis:// or a "
			"local tunnel");
	return err_set(err, 0, "redis url: it begins with redis:// or unix://");
}

int redis_url_parse(const char *text, struct redis_url *ret, struct err *err)
{
	struct redis_url u = { .host = NULL };

	*ret = u;
	if (url_scheme(&u, text, err) != 0) {
		redis_url_done(&u);
		return -1;
	}
	*ret = u;
	return 0;
}

void redis_url_done(struct redis_url *u)
{
	if (u->password != NULL)
		explicit_bzero(u->password, strlen(u->password));
	free(u->password);
	free(u->user);
	free(u->host);
	*u = (struct redis_url){ .host = NULL };
}
