/* SPDX-License-Identifier: ISC */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/url.h"

#define URL_TOKEN_MAX 4096

static const char *url_env(const char *name)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? text : NULL;
}

const char *url_wanted(const struct ctl *c)
{
	if (c->url != NULL)
		return c->url;
	if (c->config != NULL || c->socket != NULL || c->database != NULL)
		return NULL;
	return url_env("REEVE_URL");
}

static int url_refuse(const char *text, const char *why)
{
	return ctl_fail(EXIT_USAGE,
		"the URL \"%s\" %s: it is like https://node:8443, "
		"http://node:8084 or unix:/run/reeve/http.sock",
		text, why);
}

/* A part of the URL is there. */
static bool url_has(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static int url_check(CURLU *u, const char *text)
{
	char *scheme = NULL;
	bool is_ours;

	if (curl_url_set(u, CURLUPART_URL, text, 0) != CURLUE_OK)
		return url_refuse(text, "cannot be read");
	curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	is_ours = scheme != NULL &&
		  (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	if (!is_ours)
		return url_refuse(text, "is of no kind that reevectl speaks");
	/* Not named in the complaint, for it may be secret. */
	if (url_has(u, CURLUPART_USER) || url_has(u, CURLUPART_PASSWORD))
		return ctl_fail(EXIT_USAGE,
			"the URL takes no user and no password: the token is "
			"read from REEVE_TOKEN or --token-file");
	if (url_has(u, CURLUPART_QUERY) || url_has(u, CURLUPART_FRAGMENT))
		return url_refuse(text, "has a query or a fragment");
	return EXIT_OK;
}

static int url_read_tcp(const char *text, struct url *u)
{
	CURLU *parts = curl_url();
	char *whole = NULL;
	size_t len;
	int rc;

	if (parts == NULL)
		abort(); /* out of memory */
	rc = url_check(parts, text);
	if (rc == EXIT_OK) {
		curl_url_get(parts, CURLUPART_URL, &whole, 0);
		len = whole != NULL ? strlen(whole) : 0;
		while (len > 0 && whole[len - 1] == '/')
			len--;
		u->base = xstrndup(whole != NULL ? whole : "", len);
		curl_free(whole);
	}
	curl_url_cleanup(parts);
	return rc;
}

/* "unix:PATH", as `listen` of a pool has it. */
static int url_read_unix(const char *text, struct url *u)
{
	const char *path = text + strlen("unix:");

	if (strncmp(path, "//", 2) == 0)
		path += 2;
	if (*path != '/')
		return url_refuse(text, "has no absolute path");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return url_refuse(text, "is longer than a socket's path");
	u->socket = xstrdup(path);
	u->base = xstrdup("http://localhost");
	return EXIT_OK;
}

/* It becomes a line of a header: nothing but what tokens are made of. */
static int url_take_token(struct url *u, const char *text, const char *from)
{
	size_t len = strlen(text), i;

	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	if (len == 0)
		return ctl_fail(EXIT_USAGE, "%s has no token in it", from);
	for (i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return ctl_fail(EXIT_USAGE,
				"%s has more than a token in it", from);
	u->token = xstrndup(text, len);
	u->token_from = xstrdup(from);
	return EXIT_OK;
}

static int url_read_token_file(const char *path, struct url *u)
{
	char text[URL_TOKEN_MAX + 1];
	FILE *f = fopen(path, "re");
	size_t len;
	int rc;

	if (f == NULL)
		return ctl_fail(EXIT_USAGE, "cannot read %s: %s", path,
			strerror(errno));
	len = fread(text, 1, sizeof(text) - 1, f);
	rc = ferror(f) ? ctl_fail(EXIT_USAGE, "cannot read %s", path) : EXIT_OK;
	if (rc == EXIT_OK && fgetc(f) != EOF)
		rc = ctl_fail(EXIT_USAGE, "%s is longer than a token", path);
	fclose(f);
	text[len] = '\0';
	if (rc == EXIT_OK && strlen(text) != len)
		rc = ctl_fail(
			EXIT_USAGE, "%s has more than a token in it", path);
	if (rc == EXIT_OK)
		rc = url_take_token(u, text, path);
	explicit_bzero(text, sizeof(text));
	return rc;
}

static int url_read_token(const struct ctl *c, struct url *u)
{
	const char *text = url_env("REEVE_TOKEN");

	if (c->token_file != NULL)
		return url_read_token_file(c->token_file, u);
	return text != NULL ? url_take_token(u, text, "REEVE_TOKEN") : EXIT_OK;
}

int url_read(const struct ctl *c, const char *text, struct url **ret_url)
{
	const char *cafile =
		c->cacert != NULL ? c->cacert : url_env("REEVE_CAFILE");
	struct url *u = xcalloc(1, sizeof(*u));
	int rc;

	u->name = xstrdup(text);
	u->cafile = cafile != NULL ? xstrdup(cafile) : NULL;
	rc = strncmp(text, "unix:", 5) == 0 ? url_read_unix(text, u)
					    : url_read_tcp(text, u);
	if (rc == EXIT_OK)
		rc = url_read_token(c, u);
	if (rc == EXIT_OK)
		*ret_url = u;
	else
		url_free(u);
	return rc;
}

void url_free(struct url *u)
{
	if (u == NULL)
		return;
	if (u->token != NULL)
		explicit_bzero(u->token, strlen(u->token));
	free(u->token);
	free(u->token_from);
	free(u->cafile);
	free(u->name);
	free(u->socket);
	free(u->base);
	free(u);
}
