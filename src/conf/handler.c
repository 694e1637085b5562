/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "conf/conf.h"

const char *const conf_handler_kind_names[CONF_HANDLER_KIND_COUNT + 1] = {
	[CONF_HANDLER_EXEC] = "exec",
	[CONF_HANDLER_WORKER] = "worker",
	[CONF_HANDLER_HTTP] = "http",
	[CONF_HANDLER_POLL] = "poll",
	[CONF_HANDLER_PLUGIN] = "plugin",
	[CONF_HANDLER_KIND_COUNT] = NULL,
};

bool conf_handler_applies(const struct opt *o, enum conf_handler_kind kind)
{
	return o->handlers == 0 || (o->handlers & 1u << kind) != 0;
}

const struct conf_handler *conf_handler_find(
	const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->handler_count; i++)
		if (strcmp(c->handlers[i].name, name) == 0)
			return &c->handlers[i];
	return NULL;
}
