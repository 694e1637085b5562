/* SPDX-License-Identifier: ISC */
/*
 * registry - this node's sign of life, in reeve.worker_registry and in Redis.
 *
 * Said every ten seconds by the first worker of each crontab pool.
 */
#ifndef CRON_REGISTRY_H
#define CRON_REGISTRY_H

struct crontab;
struct registry;

struct registry *registry_start(struct crontab *c);
void registry_stop(struct registry *r);
/* PostgreSQL is there (again). */
void registry_say(struct registry *r);

#endif
