/* SPDX-License-Identifier: ISC */
/*
 * task_batch - tasks that are created at the same moment are one transaction.
 *
 * While one of a tenant is under way the next gathers: alone a request waits
 * for nobody, and under load they are many.  Each call is answered when all of
 * it is committed; where the server refuses a batch, each of its tasks is sent
 * by itself, so that a bad one harms no other.
 */
#ifndef API_TASK_BATCH_H
#define API_TASK_BATCH_H

struct call;
struct service;

/* Parameters of reeve.task_create; times in us since the epoch, NULL: unset. */
enum task_value {
	TASK_ID,
	TASK_HANDLER,
	TASK_TOPIC,
	TASK_PARAMS,
	TASK_DELAY,
	TASK_AT,
	TASK_KEY,
	TASK_PRIORITY,
	TASK_TIMEOUT,
	TASK_RETRY,
	TASK_DEADLINE,
	TASK_WHO,
	TASK_REQUEST,
	TASK_SECRET,
	TASK_NAMES,
	TASK_MINE, /* the same in all calls of a worker */
	TASK_SUBTASKS,
	TASK_VALUES
};

/* Create one without a unique key, subtasks or Idempotency-Key, and answer the
 * call; the values live on its arena. */
void task_batch_add(struct call *call, const char *const values[TASK_VALUES]);
/* It is committed: say where it is found, and see that it is sent. */
void task_batch_done(struct call *call, const char *id);
/* Calls that were not sent are answered: 503.  After db_close. */
void task_batch_close(struct service *s);

#endif
