/* SPDX-License-Identifier: ISC */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "board/series.h"
#include "govern/gauge.h"
#include "link/redis.h"

int64_t gauge_number(const char *info, const char *name)
{
	size_t len = strlen(name);
	const char *line;

	for (line = info; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return strtoll(line + len + 1, NULL, 10);
	}
	return -1;
}

static bool gauge_is_text(const struct redis_reply *reply)
{
	return reply != NULL && redis_type(reply) == REDIS_STRING;
}

static void gauge_on_clients(const struct redis_reply *reply, void *arg)
{
	struct series_redis *s = arg;
	const char *text;

	if (!gauge_is_text(reply))
		return;
	text = redis_text(reply, NULL);
	atomic_store(&s->connections, gauge_number(text, "connected_clients"));
	atomic_store(&s->connections_max, gauge_number(text, "maxclients"));
	atomic_store(&s->at_us, clock_now());
}

static void gauge_on_memory(const struct redis_reply *reply, void *arg)
{
	struct series_redis *s = arg;
	const char *text;

	if (!gauge_is_text(reply))
		return;
	text = redis_text(reply, NULL);
	atomic_store(&s->memory, gauge_number(text, "used_memory"));
	atomic_store(&s->memory_max, gauge_number(text, "maxmemory"));
}

/* What a proxy or an ACL refuses is told as -1, and not exported. */
void gauge_look(struct redis *r, struct series_redis *s)
{
	(void)redis_printf(r, gauge_on_memory, s, "INFO memory");
	(void)redis_printf(r, gauge_on_clients, s, "INFO clients");
}
