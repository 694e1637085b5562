/* SPDX-License-Identifier: ISC */
/*
 * conf - process.yaml as an immutable struct.
 *
 * Read and checked as a whole, then swapped; every byte of it lives in one
 * arena.  libyaml is known in this room only.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <sys/types.h>

#include "conf/handler.h"
#include "conf/opt.h"

struct arena;
struct buf;
struct err;

/* Named limits: on this side of them nothing hostile costs more than a
 * second or 64 MiB. */
#define CONF_FILE_MAX         (1 << 20) /* bytes of one file */
#define CONF_FILES_MAX        128       /* files of one configuration */
#define CONF_NODES_MAX        100000    /* YAML nodes after merging */
#define CONF_DEPTH_MAX        32        /* nested maps and lists */
#define CONF_ERRORS_MAX       100       /* then reading ends with "too many" */
#define CONF_POOLS_MAX        200       /* pools of one node */
#define CONF_WORKERS_MAX      2000      /* workers of all pools of one node */
#define CONF_CPU_MAX          1024      /* CPU numbers below this */
#define CONF_KEY_MAX          48        /* bytes of a name: [a-z0-9_-]+ */
#define CONF_NAME_MAX         63        /* bytes of a pool's, also POOL.TOPIC */
#define CONF_HANDLERS_MAX     500
#define CONF_HANDLER_NAME_MAX 64 /* bytes: letters, digits and _ - . : / */

struct conf_pool;

/* How a pool's kind is run and what further settings it has. */
struct conf_kind {
	const char *name;          /* "http", "program" */
	const struct opt *options; /* NULL name at the end; may be NULL */
	size_t size;               /* of the struct that options fill */
	bool listens;              /* `listen:` is allowed */
	bool is_program;           /* `command:` and its like are allowed */
	bool is_internal;          /* not to be named in a file */
	bool uses_handlers;        /* runs tasks: it needs redis.url, and is
				      rolled when a handler changes */
	bool uses_database;        /* it needs database.url */
	const char *section;       /* what the settings outside the pools begin
				      with that are for it: it is rolled when
				      one changes; NULL: none */
	/* What the rows alone do not say of pool->own; may be NULL.  -1 with
	 * err, and ret_setting the kind's row to blame. */
	int (*check)(const struct conf_pool *pool, const char **ret_setting,
		struct err *err);
	/* Where the releases of an application are; NULL: it has none. */
	const char *(*root)(const struct conf_pool *pool);
};

enum conf_restart {
	CONF_RESTART_ALWAYS = 0,
	CONF_RESTART_ON_FAILURE = 1,
	CONF_RESTART_NEVER = 2
};

/*
 * A check from outside: at most one of the four is set.
 * tcp "host:port", unix "/path", http "http://host:port/path" (2xx or 3xx is
 * well) or "unix:/path.sock:/url", exec a command (exit 0 is well).
 */
struct conf_check {
	const char *tcp, *unix_path, *http;
	struct conf_strings exec;
	int64_t interval_us; /* between two tries */
	int64_t timeout_us;  /* of one try */
};

/* Resource limits; CONF_RLIMIT_UNSET leaves the inherited one. */
#define CONF_RLIMIT_UNSET    (-2)
#define CONF_RLIMIT_INFINITY (-1)

struct conf_rlimits {
	int64_t nofile, core, nproc, as, data, stack, fsize, memlock, cpu;
};

/*
 * A map of topics makes a pool of each one.  What they have in common: the
 * pool as it stands in the file.
 */
struct conf_split {
	const char *name;          /* "queue" */
	struct conf_topics topics; /* as written */
};

/* Scaling by the length of the queue, between the pool's min and max. */
struct conf_autoscale {
	bool is_on;
	int64_t initial; /* workers at the start, and when there is little
			    to do */
	int64_t step;    /* workers added or taken away at a time */
	int64_t up_every_us, down_every_us; /* between two steps */
};

struct conf_pool {
	/* Identity. */
	const char *name; /* "http"; "queue.high" of a split pool */
	const struct conf_kind *kind;
	struct conf_mark mark;   /* of its key in the file */
	void *own;               /* the kind's struct, kind->size bytes */
	const struct conf *conf; /* the one it belongs to */

	/* Topics. */
	const struct conf_split *split; /* NULL: it is whole */
	const char *topic;              /* of a split pool; NULL: see own */
	struct conf_autoscale autoscale;

	/* How many, and where. */
	int64_t count;   /* as written; CONF_AUTO */
	int64_t workers; /* what that comes to on this machine, >= 0 */
	int64_t min_count, max_count; /* bounds of `scale` */
	struct conf_cpus cpu;
	bool strict_affinity;

	/* As whom, and with what limits. */
	const char *user, *group; /* NULL: the global ones */
	uid_t uid;                /* resolved; (uid_t)-1: do not change */
	gid_t gid;
	int64_t nice; /* -20 to 19 */
	int64_t oom_score_adj;
	struct conf_rlimits rlimit;
	int64_t umask;
	const char *business_config; /* `config:`, handed on as REEVE_CONFIG */

	/* Its life. */
	int restart; /* enum conf_restart */
	bool required;
	int64_t start_timeout_us, stop_timeout_us, hang_timeout_us;
	int64_t healthy_after_us;
	int64_t backoff_max_us;
	int64_t give_up_deaths; /* in give_up_within_us; 0: never */
	int64_t give_up_within_us;
	int64_t max_tasks;                /* 0: no limit */
	int64_t max_age_us;               /* 0: no limit */
	int64_t memory_soft, memory_hard; /* bytes, 0: no limit */
	struct conf_share max_surge;
	struct conf_check probe;
	struct conf_strings after; /* names of pools */

	/* Sockets (kinds that listen). */
	struct conf_listens listen;
	const char *access_log; /* "off", "-" (its log) or an absolute path */

	/* Programs. */
	struct conf_strings command;
	const char *directory; /* NULL: "/" */
	struct conf_map environment;
	bool clear_environment; /* start from PATH, HOME, … only */
	int stop_signal;
	bool oneshot;
	struct conf_strings watch; /* paths */
	struct conf_check ready;
	bool ready_notify;      /* READY=1 over $NOTIFY_SOCKET */
	int64_t ready_after_us; /* no check: ready when it lived this long */
	const char *log_file;   /* NULL: log_dir/NAME.log */
};

struct conf {
	struct arena *arena; /* owns everything below */
	const char *path;    /* the file it came from, absolute */

	const char *node;
	const char *user, *group;
	uid_t uid; /* resolved; (uid_t)-1: do not change */
	gid_t gid;
	const char *run_dir;
	const char *log_dir; /* NULL: everything to standard error */
	const char *pid_file;
	int log_level; /* enum log_level */
	bool strict_affinity;
	int64_t shutdown_timeout_us; /* all of it; 0: the pools' own */
	int64_t reload_timeout_us;
	const char *control_path; /* the governor's unix socket */
	int64_t control_mode;
	const char *control_group; /* NULL: group */
	gid_t control_gid;
	const char *redis_url; /* NULL: there is no Redis; holds a secret */
	const char *redis_prefix;
	const char *redis_sentinel_master;        /* NULL: no Sentinel */
	struct conf_strings redis_sentinel_nodes; /* "host:port" */
	const char *database_url;     /* NULL: there is no PostgreSQL; holds a
				     secret */
	int64_t database_connections; /* of one worker */
	int64_t database_connect_timeout_us, database_statement_timeout_us;
	struct conf_strings crontab_definitions; /* a JSON object each */
	const char *database_secret_key_file;    /* NULL: no secret params */

	struct conf_handler *handlers; /* in file order */
	size_t handler_count;
	struct conf_pool *pools; /* in file order; governor and logger are not
				    among them */
	size_t pool_count;
	int cpus_allowed; /* CPUs of this process when it was read */
};

enum conf_severity { CONF_ERROR = 0, CONF_WARNING = 1 };

struct conf_problem {
	enum conf_severity severity;
	struct conf_mark mark;
	char *text;
};

/* What a reading found, in the order of the files. */
struct conf_report {
	struct conf_problem *problems;
	size_t count;
	size_t errors; /* how many of them are errors */
};

void conf_report_done(struct conf_report *r);
/* All of it as "FILE:LINE:COL: error: TEXT" lines. */
void conf_report_print(const struct conf_report *r, struct buf *out);

struct conf_source {
	const char *path; /* process.yaml */
	/* The kinds a file may name, and the internal ones; NULL at the end.
	 */
	const struct conf_kind *const *kinds;
	/* "KEY=VALUE" of -e: dotted keys, values in YAML; NULL-terminated or
	 * NULL. */
	char *const *overrides;
	/* Files to include that are below the one directory are read below the
	 * other: what would it be with them?  NULL: none are. */
	const char *moved_from, *moved_to;
};

/*
 * Read, check, resolve.  `report` is initialised by the call and owned by the
 * caller (conf_report_done) whatever comes back.
 * Returns the configuration (conf_free), or NULL when report->errors > 0.
 * Blocks for file reads and name service look-ups (users, groups); opens
 * regular files only.
 */
struct conf *conf_read(
	const struct conf_source *src, struct conf_report *report);
/* The same of a text instead of a file: src->path is only its name in the
 * report.  It may not include files. */
struct conf *conf_read_text(const struct conf_source *src, const char *text,
	size_t len, struct conf_report *report);
void conf_free(struct conf *c);

/* NULL if there is none of that name. */
struct conf_pool *conf_pool_find(const struct conf *c, const char *name);

/* The whole effective configuration as YAML that reads back the same (-T). */
void conf_print(const struct conf *c, struct buf *out);

/* The strongest thing that differs. */
enum conf_change { CONF_SAME = 0, CONF_CHANGED_HOT = 1, CONF_CHANGED_ROLL = 2 };

/* ret_what (may be NULL) gets the names of the options that differ, joined
 * by ", ".  `workers` counts as hot. */
enum conf_change conf_pool_diff(const struct conf_pool *a,
	const struct conf_pool *b, struct buf *ret_what);
/* The same for the settings outside the pools.  OPT_RESTART rows that differ
 * are named in ret_restart. */
enum conf_change conf_global_diff(const struct conf *a, const struct conf *b,
	struct buf *ret_what, struct buf *ret_restart);

/* Are the pools that run tasks the same in both, with all that they use? */
bool conf_queues_same(const struct conf *a, const struct conf *b);

/* A pool of an internal kind (governor, logger) with the kind's defaults,
 * in c's arena. */
struct conf_pool *conf_pool_internal(
	struct conf *c, const struct conf_kind *kind, const char *name);

/* The kind "program", the one kind that is no role. */
extern const struct conf_kind conf_kind_program;

/* The rows, for listings (`reevectl config options`) and tests; NULL name at
 * the end.  Which kinds a common row serves is said by conf_opt_applies. */
extern const struct opt conf_global_options[];
extern const struct opt conf_pool_options[];
extern const struct opt conf_topic_options[]; /* a topic with bounds */
bool conf_opt_applies(const struct opt *o, const struct conf_kind *kind);
/* The topics that a pool serves; NULL: it is not of a kind that does. */
const struct conf_topics *conf_pool_topics(const struct conf_pool *p);
/* What its workers are counted by: its topic, or its own name when it serves
 * a list of them.  NULL: it serves none. */
const char *conf_pool_counted_as(const struct conf_pool *p);
/* The pool that is counted by this name, or NULL.  A topic with a pool of its
 * own goes before a pool of that name. */
const struct conf_pool *conf_pool_counted(
	const struct conf *c, const char *name);
/* Is the row of conf_pool_options said for each topic of a split pool? */
bool conf_opt_is_split(const struct opt *o);

/* The CPUs worker `index` of a pool runs on; 0 when it is left alone. */
size_t conf_pool_cpus(
	const struct conf_pool *p, int64_t index, int ret_cpus[CONF_CPU_MAX]);

#endif
