/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "api/local.h"
#include "loop/http.h"

/* "localhost", with a port or without; every 127.0.0.0/8 and ::1. */
static bool local_is_name(const char *host)
{
	size_t len = strcspn(host, ":");

	if (strncmp(host, "[::1]", 5) == 0)
		return host[5] == '\0' || host[5] == ':';
	if (len == 9 && strncasecmp(host, "localhost", len) == 0)
		return true;
	return strncmp(host, "127.", 4) == 0 &&
	       strspn(host, "0123456789.") == len;
}

/* "http://HOST" of the page, beside the Host that it was sent to. */
static bool local_is_same(const char *origin, const char *host)
{
	const char *name = strstr(origin, "://");

	return name != NULL && host != NULL && strcasecmp(name + 3, host) == 0;
}

bool local_is_own(
	const struct http_request *req, bool knows_names, const char **ret_why)
{
	const char *host = http_request_header(req, "Host");
	const char *origin = http_request_header(req, "Origin");
	const char *site = http_request_header(req, "Sec-Fetch-Site");
	struct http_peer peer;

	*ret_why = "Origin";
	if (origin != NULL && !local_is_same(origin, host))
		return false;
	*ret_why = "Sec-Fetch-Site";
	if (site != NULL && strcmp(site, "same-origin") != 0 &&
		strcmp(site, "none") != 0)
		return false;
	*ret_why = "Host";
	return host == NULL || knows_names || local_is_name(host) ||
	       http_request_peer(req, &peer);
}
