/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "link/redis_conn.h"

struct move {
	bool is_ask;
	char host[REDIS_HOST_MAX + 1];
	uint16_t port;
};

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 ::1:6381", "MOVED 3999 :6381": without
 * a host, the node that said so. */
static bool move_read(const struct redis *r, const char *text, struct move *ret)
{
	const char *place = strrchr(text, ' '), *colon;
	unsigned port;
	size_t len;
	char end;

	if (place == NULL || (colon = strrchr(++place, ':')) == NULL)
		return false;
	len = (size_t)(colon - place);
	if (len > REDIS_HOST_MAX ||
		sscanf(colon + 1, "%u%c", &port, &end) != 1 || port < 1 ||
		port > 65535)
		return false;
	ret->port = (uint16_t)port;
	if (len == 0 || (len == 1 && *place == '?'))
		snprintf(ret->host, sizeof(ret->host), "%s", r->host);
	else
		snprintf(ret->host, sizeof(ret->host), "%.*s", (int)len, place);
	return true;
}

bool redis_move_judge(struct redis *r, const struct redis_reply *p)
{
	const struct redis_request asking = { .kind = REDIS_ASKING };
	struct redis_request again = *redis_queue_head(&r->queue);
	struct move move = { .is_ask = redis_is_error(p, "ASK") };

	if (!move.is_ask && !redis_is_error(p, "MOVED"))
		return false;
	if (again.moves >= REDIS_MOVES_MAX || redis_queue_is_full(&r->held) ||
		!move_read(r, redis_text(p, NULL), &move))
		return false;
	if (move.is_ask) {
		redis_queue_argc(&r->held, 1);
		redis_queue_arg(&r->held, "ASKING", 6);
		redis_queue_push(&r->held, asking);
	}
	again.moves++;
	redis_queue_again(&r->held, &again, &r->queue);
	(void)redis_queue_pop(&r->queue);
	memcpy(r->moved_host, move.host, sizeof(r->moved_host));
	r->moved_port = move.port;
	r->is_moving = true;
	return true;
}

bool redis_move_is_due(const struct redis *r)
{
	return r->is_moving && r->phase == REDIS_SERVING && r->queue.count == 0;
}

void redis_move_begin(struct redis *r)
{
	redis_wire_close(&r->wire);
	r->loading = NULL;
	r->use_moved = true;
	memcpy(r->host, r->moved_host, sizeof(r->host));
	r->port = r->moved_port;
	redis_begin(r);
}
