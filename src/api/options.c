/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "api/options.h"
#include "base/clock.h"
#include "conf/conf.h"

#define API(field) .offset = offsetof(struct api_options, field)
/* No client is given longer than an hour. */
#define API_HOUR_US (3600 * (int64_t)US_PER_S)

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
	{ .name = "access_log",
		.type = OPT_BOOL,
		API(access_log),
		.default_text = "false",
		.help = "log a line for each request" },
	{ .name = NULL },
};

const struct conf_kind conf_kind_http = {
	.name = "http",
	.options = api_options,
	.size = sizeof(struct api_options),
	.listens = true,
};
