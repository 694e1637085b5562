/* SPDX-License-Identifier: ISC */
/*
 * keys - the names of the queue's keys in Redis, and the scripts that both the
 * daemon and reevectl call.
 *
 *	<prefix>queue:{T}		stream: tasks to be done
 *	<prefix>queue:{T}:delayed	sorted set: envelopes by due time, ms
 *	<prefix>queue:{T}:dead		stream: dead letters
 *	<prefix>queue:{T}:stats		hash: ends counted since ever
 *	<prefix>queue:{T}:paused	string: there while the topic is paused
 *	<prefix>queue:{T}:unique:K	string: id of the task that holds K
 *	<prefix>cancels			sorted set: cancelled ids by the end of
 *					the mark, ms
 *	<prefix>task:ID			hash: outcome of a task with `reply`
 *	<prefix>worker:NODE		hash: heartbeat
 *	<prefix>consumers[:NODE]	YAML: counts by topic
 *	<prefix>control			channel
 */
#ifndef TASK_KEYS_H
#define TASK_KEYS_H

#include "link/redis.h"

#define KEYS_GROUP "reeve"
/* How long an outcome and a cancel mark are kept. */
#define KEYS_KEEP_S 86400

/* "<prefix>queue:{T}<suffix>"; freed by the caller. */
char *keys_topic(const char *prefix, const char *topic, const char *suffix);
/* "<prefix><name><rest>" */
char *keys_other(const char *prefix, const char *name, const char *rest);
/* Another name of a topic: `normal` is `common`. */
const char *keys_alias(const char *topic);

/*
 * Lengths of a topic.  KEYS: stream, delayed, dead.  ARGV: group.  Returns
 * waiting, pending, delayed, dead, age of the oldest that waits in ms,
 * consumers, entries ever added (-1: Redis is older than 7).
 */
extern struct redis_script keys_lengths;
/*
 * Enqueue.  KEYS: stream, delayed, and the unique key if the task has one.
 * ARGV: envelope, due in ms from now (0: at once), task id.  Returns the id of
 * the entry, "delayed", or an array with the id of the task that holds the
 * unique key.
 */
extern struct redis_script keys_push;

#endif
