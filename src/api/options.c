/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "api/options.h"
#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "loop/http_origin.h"

#define API(field) .offset = offsetof(struct api_options, field)
/* No client is given longer than an hour. */
#define API_HOUR_US (3600 * (int64_t)US_PER_S)

static const char *const api_auth_names[] = {
	[API_AUTH_TOKEN] = "token",
	[API_AUTH_NONE] = "none",
	NULL,
};

static const struct opt api_options[] = {
	{ .name = "max_header",
		.type = OPT_SIZE,
		API(max_header),
		.minimum = 1024,
		.maximum = 1 << 20,
		.default_text = "16K",
		.unit = "bytes",
		.help = "largest request line and header fields together" },
	{ .name = "max_body",
		.type = OPT_SIZE,
		API(max_body),
		.minimum = 0,
		.maximum = 64 << 20,
		.default_text = "1M",
		.unit = "bytes",
		.help = "largest request body" },
	{ .name = "max_connections",
		.type = OPT_INT,
		API(max_connections),
		.minimum = 1,
		.maximum = 1000000,
		.default_text = "10000",
		.unit = "connections",
		.help = "connections that one worker holds open; more wait" },
	{ .name = "header_timeout",
		.type = OPT_DURATION,
		API(header_timeout_us),
		.minimum = 100 * US_PER_MS,
		.maximum = API_HOUR_US,
		.default_text = "10s",
		.help = "from the first byte of a request to the end of its "
			"header" },
	{ .name = "body_timeout",
		.type = OPT_DURATION,
		API(body_timeout_us),
		.minimum = 100 * US_PER_MS,
		.maximum = API_HOUR_US,
		.default_text = "30s",
		.help = "for the whole body of a request" },
	{ .name = "write_timeout",
		.type = OPT_DURATION,
		API(write_timeout_us),
		.minimum = 100 * US_PER_MS,
		.maximum = API_HOUR_US,
		.default_text = "30s",
		.help = "for a whole answer to a client that reads slowly" },
	{ .name = "keepalive_timeout",
		.type = OPT_DURATION,
		API(keepalive_timeout_us),
		.minimum = 100 * US_PER_MS,
		.maximum = API_HOUR_US,
		.default_text = "75s",
		.help = "how long a connection may wait between two requests" },
	{ .name = "linger",
		.type = OPT_DURATION,
		API(linger_us),
		.minimum = 0,
		.maximum = API_HOUR_US,
		.default_text = "5s",
		.help = "how long a draining worker waits for the next request "
			"of an idle connection" },
	{ .name = "auth",
		.type = OPT_ENUM,
		API(auth),
		.default_text = "token",
		.choices = api_auth_names,
		.help = "who may use /api/v1: holders of a token, or, where "
			"only this machine can connect, anybody" },
	{ .name = "gzip",
		.type = OPT_BOOL,
		API(gzip),
		.default_text = "true",
		.help = "compress large answers for clients that accept it" },
	{ .name = "trusted_proxies",
		.type = OPT_STRINGS,
		API(trusted_proxies),
		.help = "addresses and ranges whose word on a client's address "
			"is taken; unix: who connects to a unix socket" },
	{ .name = "proxy_header",
		.type = OPT_ENUM,
		API(proxy_header),
		.default_text = "x-forwarded-for",
		.choices = http_origin_field_names,
		.help = "the field in which trusted proxies say so" },
	{ .name = NULL },
};

struct http_origin *api_options_origin(
	const struct api_options *o, struct err *err)
{
	struct http_origin *origin =
		http_origin_new((enum http_origin_field)o->proxy_header);
	size_t i;

	for (i = 0; i < o->trusted_proxies.count; i++)
		if (http_origin_add(origin, o->trusted_proxies.items[i], err) !=
			0) {
			http_origin_free(origin);
			return NULL;
		}
	return origin;
}

static int api_options_check_origin(
	const struct conf_pool *pool, const char **ret_setting, struct err *err)
{
	struct http_origin *origin = api_options_origin(pool->own, err);

	*ret_setting = "trusted_proxies";
	if (origin == NULL)
		return -1;
	http_origin_free(origin);
	return 0;
}

/* Only this machine can connect. */
static bool api_options_is_local(const struct conf_listen *l)
{
	return l->family == LISTEN_UNIX || strncmp(l->text, "127.", 4) == 0 ||
	       strncmp(l->text, "[::1]:", 6) == 0;
}

static int api_options_check_auth(
	const struct conf_pool *pool, const char **ret_setting, struct err *err)
{
	const struct api_options *o = pool->own;
	size_t i;

	*ret_setting = "auth";
	if (o->auth != API_AUTH_NONE)
		return 0;
	for (i = 0; i < pool->listen.count; i++)
		if (!api_options_is_local(&pool->listen.items[i]))
			return err_set(err, 0,
				"\"auth: none\" is for addresses that only "
				"this machine can reach, not for %s",
				pool->listen.items[i].text);
	return 0;
}

static int api_options_check(
	const struct conf_pool *pool, const char **ret_setting, struct err *err)
{
	if (api_options_check_auth(pool, ret_setting, err) != 0)
		return -1;
	return api_options_check_origin(pool, ret_setting, err);
}

const struct conf_kind conf_kind_http = {
	.name = "http",
	.options = api_options,
	.size = sizeof(struct api_options),
	.listens = true,
	.check = api_options_check,
};
