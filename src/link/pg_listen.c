/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "link/pg_conn.h"

static char *listen_text(const char *channel)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, "LISTEN \"");
	for (; *channel != '\0'; channel++) {
		if (*channel == '"')
			buf_putc(&b, '"');
		buf_putc(&b, *channel);
	}
	buf_putc(&b, '"');
	return buf_take(&b);
}

static void listen_send(struct pg_conn *c, struct pg_listen *n)
{
	struct pg_batch *b =
		pg_batch_internal(c->pool, PG_BATCH_LISTEN, &n->statement);

	b->listen = n;
	pg_batch_put(c, b);
}

void pg_listen(struct pg *p, const char *channel, pg_notice_fn fn, void *arg)
{
	struct pg_listen *n = xcalloc(1, sizeof(*n));

	n->channel = xstrdup(channel);
	n->text = listen_text(channel);
	n->statement.text = n->text;
	n->fn = fn;
	n->arg = arg;
	SLIST_INSERT_HEAD(&p->listens, n, entry);
	if (p->conns[0].phase == PG_SERVING)
		listen_send(&p->conns[0], n);
}

void pg_listen_begin(struct pg_conn *c)
{
	struct pg_listen *n;

	SLIST_FOREACH(n, &c->pool->listens, entry)
		listen_send(c, n);
}

void pg_listen_begun(struct pg_listen *n, enum pg_verdict verdict,
	const struct pg_result *error)
{
	if (verdict == PG_COMMITTED)
		n->fn(NULL, n->arg);
	else if (verdict == PG_REFUSED)
		log_debug(
			"postgresql: %s: %s", n->text, pg_result_error(error));
}

/* A callback may close the pool, and may listen to more. */
static void listen_tell(struct pg *p, const PGnotify *notice)
{
	struct pg_listen *n;

	for (n = SLIST_FIRST(&p->listens); n != NULL && !p->is_closed;
		n = SLIST_NEXT(n, entry))
		if (strcmp(n->channel, notice->relname) == 0)
			n->fn(notice->extra, n->arg);
}

void pg_listen_hear(struct pg_conn *c)
{
	const struct pg_lib *lib = c->pool->lib;
	PGnotify *notice;

	while (c->phase == PG_SERVING &&
		(notice = lib->notifies(c->pq)) != NULL) {
		listen_tell(c->pool, notice);
		lib->freemem(notice);
	}
}

void pg_listen_done(struct pg *p)
{
	struct pg_listen *n;

	while ((n = SLIST_FIRST(&p->listens)) != NULL) {
		SLIST_REMOVE_HEAD(&p->listens, entry);
		free(n->channel);
		free(n->text);
		free(n);
	}
}
