/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonr.h"
#include "base/mem.h"
#include "task/handler_kind.h"
#include "task/handler_vars.h"

#define VARS_NAME_MAX 64
#define VARS_PARAM    "REEVE_PARAM_"

static void handler_vars_add(struct handler_vars *v, char *entry)
{
	size_t n = strcspn(entry, "=") + 1, i;

	for (i = 0; i < v->count; i++)
		if (strncmp(v->items[i], entry, n) == 0)
			break;
	if (i < v->count || v->count == HANDLER_VARS_MAX) {
		free(entry);
		return;
	}
	v->items[v->count++] = entry;
	v->items[v->count] = NULL;
}

/* The name in capitals; false: it is none of a variable. */
static bool handler_vars_name(
	const struct jsonr_value *name, char ret_name[VARS_NAME_MAX])
{
	size_t i;
	char c;

	if (name->len == 0 || name->len >= VARS_NAME_MAX)
		return false;
	for (i = 0; i < name->len; i++) {
		c = name->text[i];
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if ((c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_')
			return false;
		ret_name[i] = c;
	}
	ret_name[i] = '\0';
	return true;
}

static void handler_vars_param(struct handler_vars *v,
	const struct jsonr_value *name, const struct jsonr_value *value)
{
	char upper[VARS_NAME_MAX];
	char *text;

	if (value->type == JSONR_NULL || value->type == JSONR_ARRAY ||
		value->type == JSONR_OBJECT ||
		value->len >= HANDLER_VAR_VALUE_MAX ||
		!handler_vars_name(name, upper))
		return;
	if (value->type == JSONR_STRING)
		text = jsonr_string(value, NULL);
	else
		text = xstrndup(value->text, value->len);
	handler_vars_add(v, xasprintf(VARS_PARAM "%s=%s", upper, text));
	free(text);
}

/* Secret ones are none of the environment's: others may read that. */
static void handler_vars_params(struct handler_vars *v, const struct task *t)
{
	struct jsonr_value name, value;
	struct jsonr r;

	if (jsonr_object(&r, t->params, t->params_len, TASK_DEPTH_MAX, NULL) !=
		0)
		return;
	while (jsonr_member(&r, &name, &value) == 1)
		handler_vars_param(v, &name, &value);
	jsonr_done(&r);
}

void handler_vars_init(struct handler_vars *v, const struct handler_run *run)
{
	const struct task *t = run->task;

	v->count = 0;
	v->items[0] = NULL;
	handler_vars_add(v, xasprintf("REEVE_TASK_ID=%s", t->id));
	handler_vars_add(v, xasprintf("REEVE_TOPIC=%s", handler_topic(run)));
	handler_vars_add(v, xasprintf("REEVE_ATTEMPT=%" PRId64, t->attempt));
	handler_vars_add(v, xasprintf("REEVE_EPOCH=%" PRId64, t->epoch));
	handler_vars_add(v, xasprintf("REEVE_TENANT=%s", t->tenant));
	handler_vars_add(v, xasprintf("REEVE_TIMEOUT_MS=%" PRId64,
				    run->timeout_us / US_PER_MS));
	handler_vars_params(v, t);
}

void handler_vars_done(struct handler_vars *v)
{
	size_t i;

	for (i = 0; i < v->count; i++)
		free(v->items[i]);
	v->count = 0;
}

int handler_vars_percent(char **text)
{
	char *end;
	long n;

	if (**text < '0' || **text > '9')
		return -1;
	n = strtol(*text, &end, 10);
	if (*end == '%')
		end++;
	if (n > 100 || (*end != '\0' && *end != ' ' && *end != '\t'))
		return -1;
	*text = end + strspn(end, " \t");
	return (int)n;
}

const char *handler_vars_signal(int signo)
{
	static char number[16];
	const char *name = sigabbrev_np(signo);

	if (name != NULL)
		return name;
	snprintf(number, sizeof(number), "%d", signo);
	return number;
}
