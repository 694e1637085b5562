/* SPDX-License-Identifier: ISC */
#include "api/call.h"
#include "api/send.h"
#include "api/service.h"
#include "base/log.h"
#include "conf/conf.h"
#include "store/outbox.h"

static void send_on_trouble(const char *text, void *arg)
{
	(void)arg;
	log_warn("outbox: %s", text);
}

static void send_open(struct service *s)
{
	const struct outbox_options o = { .conf = s->conf,
		.name = "reeve http",
		.trouble = send_on_trouble };
	struct err err;

	s->outbox = outbox_open(worker_loop(s->worker), &o, &err);
	if (s->outbox == NULL)
		log_error("outbox: %s", err.text);
}

bool send_is_possible(const struct call *call)
{
	const struct conf *conf = call->service->conf;

	return conf->redis_url != NULL || conf->redis_sentinel_master != NULL;
}

void send_poke(struct call *call)
{
	struct service *s = call->service;

	if (!send_is_possible(call))
		return; /* another node takes it */
	if (s->outbox == NULL)
		send_open(s);
	if (s->outbox != NULL)
		outbox_poke(s->outbox);
}

void send_drain(struct service *s, void (*done)(void *arg), void *arg)
{
	if (s->outbox != NULL)
		outbox_drain(s->outbox, done, arg);
	else
		done(arg);
}

void send_close(struct service *s)
{
	outbox_close(s->outbox);
	s->outbox = NULL;
}
