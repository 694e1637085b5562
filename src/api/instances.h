/* SPDX-License-Identifier: ISC */
/*
 * instances - runs of tasks: looked at, cancelled, and run again.
 */
#ifndef API_INSTANCES_H
#define API_INSTANCES_H

#include "api/route.h"

extern const struct route instance_routes[];
/* The rows of an instance, in the order of INSTANCE_COLUMNS, and of a list of
 * them, which are the first of these. */
extern const struct field instance_fields[];
extern const struct field instance_item_fields[];
/* Of a line of its log: id, time, level, message. */
extern const struct field instance_log_fields[];

/* Of a row `i` of reeve.task_instances. */
#define INSTANCE_ITEM_COLUMNS                                            \
	"i.id, i.task_definition_id, (SELECT d.task_name FROM"           \
	" reeve.task_definitions d WHERE d.id = i.task_definition_id),"  \
	" i.parent_id, i.handler, i.topic, i.status, i.trigger,"         \
	" i.execution_node, i.worker, reeve.iso(i.fire_time),"           \
	" reeve.iso(i.due_at), reeve.iso(i.start_time),"                 \
	" reeve.iso(i.end_time), i.execution_duration, i.retry_count,"   \
	" i.error_message, i.progress, i.progress_text, i.unique_key,"   \
	" i.priority, i.timeout_ms, i.retry_max, reeve.iso(i.deadline)," \
	" i.is_held, CASE WHEN i.children > 0 THEN json_build_object("   \
	"'total', i.children, 'done', i.children_done, 'failed',"        \
	" i.children_failed) END, reeve.iso(i.created_at)"
#define INSTANCE_COLUMNS      \
	INSTANCE_ITEM_COLUMNS \
	", i.execution_params, i.result, i.errors, i.secret_names"
/* Where i.status is RUNNING: is it the tenant's?  In words that only the index
 * of what runs goes with, which has few rows, of whatever tenant; the one of
 * the tenant's runs has all of them. */
#define INSTANCE_RUNS_OF(tenant) "i.tenant_id COLLATE \"C\" = " tenant
/* One, by id and tenant: INSTANCE_COLUMNS. */
extern const struct pg_statement instance_get;

#endif
