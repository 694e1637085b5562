/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "link/redis_queue.h"

#define QUEUE_FIRST 32
/* Answered bytes are moved over when there are so many of them. */
#define QUEUE_SLACK ((size_t)64 << 10)
/* An empty queue keeps at most so much memory. */
#define QUEUE_KEPT ((size_t)128 << 10)

void redis_queue_done(struct redis_queue *q)
{
	free(q->ring);
	buf_done(&q->bytes);
	*q = (struct redis_queue){ .ring = NULL };
}

static void queue_grow(struct redis_queue *q)
{
	size_t i, cap = q->cap ? q->cap * 2 : QUEUE_FIRST;
	struct redis_request *ring = xreallocarray(NULL, cap, sizeof(*ring));

	for (i = 0; i < q->count; i++)
		ring[i] = q->ring[(q->head + i) & (q->cap - 1)];
	free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
}

static uint64_t queue_end(const struct redis_queue *q)
{
	return q->base + q->bytes.len;
}

/* Where the newest request's bytes end: those behind are not yet of one. */
static uint64_t queue_pushed(const struct redis_queue *q)
{
	const struct redis_request *last;

	if (q->count == 0)
		return q->base;
	last = &q->ring[(q->head + q->count - 1) & (q->cap - 1)];
	return last->at + last->len;
}

void redis_queue_push(struct redis_queue *q, struct redis_request r)
{
	r.at = queue_pushed(q);
	r.len = (size_t)(queue_end(q) - r.at);
	if (q->count == q->cap)
		queue_grow(q);
	q->ring[(q->head + q->count++) & (q->cap - 1)] = r;
}

void redis_queue_again(struct redis_queue *q, const struct redis_request *r,
	const struct redis_queue *from)
{
	struct redis_request copy = *r;
	size_t at = (size_t)(r->at - from->base);

	/* `from` may be q itself: room first, then its bytes. */
	(void)buf_reserve(&q->bytes, r->len);
	buf_add(&q->bytes, from->bytes.data + at, copy.len);
	redis_queue_push(q, copy);
}

struct redis_request *redis_queue_head(const struct redis_queue *q)
{
	return q->count > 0 ? &q->ring[q->head] : NULL;
}

/* All is answered: begin at the front again. */
static void queue_empty(struct redis_queue *q)
{
	q->base = queue_end(q);
	if (q->sent < q->base)
		q->sent = q->base;
	if (q->bytes.cap > QUEUE_KEPT)
		buf_done(&q->bytes);
	else
		buf_reset(&q->bytes);
}

static void queue_drop(struct redis_queue *q, uint64_t until)
{
	size_t slack = (size_t)(until - q->base);

	if (slack < QUEUE_SLACK || slack < q->bytes.len / 2)
		return;
	buf_drop(&q->bytes, slack);
	q->base = until;
	if (q->sent < until)
		q->sent = until;
}

struct redis_request redis_queue_pop(struct redis_queue *q)
{
	struct redis_request r = q->ring[q->head];

	q->head = (q->head + 1) & (q->cap - 1);
	if (--q->count == 0)
		queue_empty(q);
	else
		queue_drop(q, q->ring[q->head].at);
	return r;
}

const char *redis_queue_unsent(const struct redis_queue *q, size_t *ret_len)
{
	size_t at = (size_t)(q->sent - q->base);

	*ret_len = q->bytes.len - at;
	return buf_str(&q->bytes) + at;
}

void redis_queue_rewind(struct redis_queue *q)
{
	q->sent = q->base;
}

bool redis_queue_is_full(const struct redis_queue *q)
{
	return q->bytes.len > REDIS_QUEUE_MAX;
}

/* "<sign><n>\r\n" */
static void queue_number(struct redis_queue *q, char sign, size_t n)
{
	char text[24], *p = text + sizeof(text);

	*--p = '\n';
	*--p = '\r';
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	*--p = sign;
	buf_add(&q->bytes, p, (size_t)(text + sizeof(text) - p));
}

void redis_queue_argc(struct redis_queue *q, int argc)
{
	queue_number(q, '*', (size_t)argc);
}

void redis_queue_arg(struct redis_queue *q, const char *arg, size_t len)
{
	queue_number(q, '$', len);
	buf_add(&q->bytes, arg, len);
	buf_add(&q->bytes, "\r\n", 2);
}
