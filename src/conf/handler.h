/* SPDX-License-Identifier: ISC */
/*
 * handler - how tasks of one name are carried out: the settings of
 * `handlers:`.
 */
#ifndef CONF_HANDLER_H
#define CONF_HANDLER_H

#include <sys/types.h>

#include "conf/opt.h"

struct conf;

/* Where a thing stands in a file; lines and columns from 1. */
struct conf_mark {
	const char *file; /* NULL: a default or the command line */
	int line, column;
};

enum conf_handler_kind {
	CONF_HANDLER_EXEC = 0,   /* a process per task */
	CONF_HANDLER_WORKER = 1, /* long-lived children, JSON lines */
	CONF_HANDLER_HTTP = 2,   /* a request to a service */
	CONF_HANDLER_POLL = 3,   /* submitted elsewhere, then asked after */
	CONF_HANDLER_PLUGIN = 4, /* a shared object */
	CONF_HANDLER_KIND_COUNT
};
extern const char *const conf_handler_kind_names[CONF_HANDLER_KIND_COUNT + 1];

/* One request to a service.  Secrets may stand in url and headers: none of
 * them is to be logged. */
struct conf_request {
	const char *url; /* NULL: none */
	const char *method;
	struct conf_map headers;
};

struct conf_handler {
	const char *name;
	struct conf_mark mark; /* of its key in the file */
	enum conf_handler_kind kind;
	uint64_t digest; /* of all settings: another one, another handler */

	/* Every kind. */
	int64_t timeout_us;    /* of one run */
	int64_t kill_after_us; /* from TERM to KILL */
	int64_t retry_max;     /* tries after the first; 0: none */
	int64_t retry_base_us, retry_cap_us;
	int64_t concurrency; /* runs at a time in one worker; 0: no limit */
	int64_t rate_count;  /* runs begun in rate_per_us, of one worker; 0: no
				limit */
	int64_t rate_per_us;
	bool tracked;
	int64_t task_logs_max; /* lines of a run kept in PostgreSQL */
	int64_t output_max;    /* bytes kept of a result */

	/* exec, worker. */
	struct conf_strings command;
	const char *directory; /* NULL: "/" */
	struct conf_map environment;
	bool clear_environment;   /* start from PATH, HOME, … only */
	const char *user, *group; /* NULL: those of the pool */
	uid_t uid;                /* resolved; (uid_t)-1: do not change */
	gid_t gid;

	/* worker. */
	int64_t processes;                /* children of one queue worker */
	int64_t max_tasks;                /* of one child; 0: no limit */
	int64_t memory_soft, memory_hard; /* bytes of one child, 0: no limit */

	/* http. */
	struct conf_request request;
	const char *ca_file; /* http, poll; NULL: the system's */

	/* poll; the URL of status holds {id} where the job's id belongs. */
	struct conf_request submit, status;
	const char *id_field, *state_field; /* dotted paths into the answers */
	struct conf_strings done, failed;   /* values of the state */
	int64_t interval_us;
	int64_t max_attempts; /* of asking */

	/* plugin. */
	const char *path;
	const char *config; /* handed to it; NULL: none */
};

/* NULL if there is none of that name. */
const struct conf_handler *conf_handler_find(
	const struct conf *c, const char *name);

/* The rows, NULL name at the end.  A name may have several, for different
 * kinds. */
extern const struct opt conf_handler_options[];
bool conf_handler_applies(const struct opt *o, enum conf_handler_kind kind);

#endif
