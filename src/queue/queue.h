/* SPDX-License-Identifier: ISC */
/*
 * queue - the queue worker: tasks from Redis Streams to their handlers.
 *
 *	stream --read--> flight --handler--> outcome --batch--> ack, delayed
 *	                                                        or dead
 *
 * One worker holds up to `concurrency` flights; what it has read is pending in
 * the group under its own consumer name until its outcome is stored.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

struct role;

extern const struct role role_queue;

#endif
