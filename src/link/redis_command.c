/* SPDX-License-Identifier: ISC */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <string.h>

#include "link/redis_conn.h"
#include "link/redis_sha1.h"

/* How often a script is loaded for one call. */
#define SCRIPT_LOADS_MAX 2

static void command_args(struct redis_queue *q, int argc,
	const char *const *argv, const size_t *lens)
{
	int i;

	for (i = 0; i < argc; i++)
		redis_queue_arg(
			q, argv[i], lens != NULL ? lens[i] : strlen(argv[i]));
}

/* Commands are taken: not on a connection that is for messages. */
static struct redis_queue *command_queue(struct redis *r)
{
	return SLIST_EMPTY(&r->channels) ? redis_open_queue(r) : NULL;
}

int redis_command(struct redis *r, redis_reply_fn fn, void *arg, int argc,
	const char *const *argv, const size_t *lens)
{
	const struct redis_request request = { .fn = fn, .arg = arg };
	struct redis_queue *q = command_queue(r);

	if (q == NULL)
		return -1;
	redis_queue_argc(q, argc);
	command_args(q, argc, argv, lens);
	redis_push(r, q, &request);
	return 0;
}

int redis_printf(
	struct redis *r, redis_reply_fn fn, void *arg, const char *fmt, ...)
{
	const struct redis_request request = { .fn = fn, .arg = arg };
	struct redis_queue *q = command_queue(r);
	char *text = NULL;
	va_list ap;
	int len;

	if (q == NULL)
		return -1;
	va_start(ap, fmt);
	len = redisvFormatCommand(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -1;
	buf_add(&q->bytes, text, (size_t)len);
	redisFreeCommand(text);
	redis_push(r, q, &request);
	return 0;
}

static void script_number(struct redis_queue *q, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	redis_queue_arg(q, text, (size_t)len);
}

int redis_script(struct redis *r, redis_reply_fn fn, void *arg,
	struct redis_script *s, int keys, int argc, const char *const *argv,
	const size_t *lens)
{
	const struct redis_request request = {
		.fn = fn,
		.arg = arg,
		.script = s,
	};
	struct redis_queue *q = command_queue(r);

	if (q == NULL)
		return -1;
	if (s->sha[0] == '\0')
		redis_sha1(s->text, strlen(s->text), s->sha);
	redis_queue_argc(q, argc + 3);
	redis_queue_arg(q, "EVALSHA", 7);
	redis_queue_arg(q, s->sha, REDIS_SHA1_MAX - 1);
	script_number(q, keys);
	command_args(q, argc, argv, lens);
	redis_push(r, q, &request);
	return 0;
}

static void script_load(
	struct redis *r, struct redis_queue *q, const struct redis_script *s)
{
	const struct redis_request load = { .kind = REDIS_LOAD };

	if (r->loading == s)
		return;
	r->loading = s;
	redis_queue_argc(q, 3);
	redis_queue_arg(q, "SCRIPT", 6);
	redis_queue_arg(q, "LOAD", 4);
	redis_queue_arg(q, s->text, strlen(s->text));
	redis_push(r, q, &load);
}

bool redis_script_judge(struct redis *r, const struct redis_reply *p)
{
	struct redis_request *head = redis_queue_head(&r->queue), again = *head;
	struct redis_queue *q = r->is_moving ? &r->held : &r->queue;

	if (again.script == NULL || again.loads >= SCRIPT_LOADS_MAX ||
		!redis_is_error(p, "NOSCRIPT"))
		return false;
	again.loads++;
	script_load(r, q, again.script);
	redis_queue_again(q, &again, &r->queue);
	(void)redis_queue_pop(&r->queue);
	redis_soon(r);
	return true;
}
