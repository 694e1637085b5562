/* SPDX-License-Identifier: ISC */
/*
 * handler_vars - a task as variables of the environment, and small things
 * that the kinds with processes share.
 */
#ifndef TASK_HANDLER_VARS_H
#define TASK_HANDLER_VARS_H

#include <stddef.h>

struct handler_run;

#define HANDLER_VARS_MAX      64   /* of all */
#define HANDLER_VAR_VALUE_MAX 4096 /* bytes of a value from params */

/*
 * REEVE_TASK_ID, REEVE_TOPIC, REEVE_ATTEMPT, REEVE_EPOCH, REEVE_TENANT,
 * REEVE_TIMEOUT_MS, and REEVE_PARAM_NAME of each string, number and boolean
 * at the top of params whose name is one of a variable.
 */
struct handler_vars {
	char *items[HANDLER_VARS_MAX + 1]; /* NULL at the end */
	size_t count;
};

void handler_vars_init(struct handler_vars *v, const struct handler_run *run);
void handler_vars_done(struct handler_vars *v);

/* "NN text": the number (0 to 100), *text moved to the text; -1: it begins
 * with none. */
int handler_vars_percent(char **text);
/* "SEGV"; of a signal without a name, its number. */
const char *handler_vars_signal(int signo);

#endif
