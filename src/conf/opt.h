/* SPDX-License-Identifier: ISC */
/*
 * opt - one row per setting.
 *
 * A row alone drives reading, limits, defaults, error texts, `reeved -T`,
 * the difference that a reload makes, and the checks that the man page and
 * the templates name the setting.
 */
#ifndef CONF_OPT_H
#define CONF_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* The C type of the field at `offset` stands behind each. */
enum opt_type {
	OPT_BOOL = 0,     /* bool */
	OPT_INT = 1,      /* int64_t, minimum and maximum included */
	OPT_DURATION = 2, /* int64_t microseconds: 500ms 10s 5m 2h 1d */
	OPT_SIZE = 3,     /* int64_t bytes: 64K 128M 1G */
	OPT_STRING = 4,   /* const char *, NULL when unset */
	OPT_PATH = 5,     /* const char *, absolute or relative to its file */
	OPT_ENUM = 6,     /* int: index into choices */
	OPT_COUNT = 7,    /* int64_t: a number, or CONF_AUTO for "auto" */
	OPT_PERCENT = 8,  /* struct conf_share: a number, or "50%" */
	OPT_CPUS = 9,     /* struct conf_cpus: auto, list, range, lists */
	OPT_STRINGS = 10, /* struct conf_strings: a list; a scalar is a list of
			     one */
	OPT_COMMAND = 11, /* struct conf_strings: a list of words; a scalar is
			     run by /bin/sh -c */
	OPT_MAP = 12,     /* struct conf_map: names to strings, in file order */
	OPT_SIGNAL = 13,  /* int: TERM, SIGTERM or 15 */
	OPT_MODE = 14,    /* int64_t: octal permissions, "0660" */
	OPT_LISTEN = 15,  /* struct conf_listens */
	OPT_PATHS = 16,   /* struct conf_strings: as OPT_PATH, several */
	OPT_LIMIT = 17,   /* int64_t: a number (4096, 64K), "unlimited" (-1);
			     unset is -2 */
	OPT_TOPICS = 18,  /* struct conf_topics: a list, or a map to counts or
			     bounds */
	OPT_WEIGHTS = 19, /* struct conf_weights: a map of topics to numbers */
	OPT_OBJECTS = 20, /* struct conf_strings: JSON of each map of a list, or
			     of a map by names */
	OPT_TYPE_COUNT
};

/* What a reload does when the value changed. */
enum opt_reload {
	OPT_ROLL = 0,   /* the pool's workers are replaced */
	OPT_HOT = 1,    /* taken over as it is, no worker touched */
	OPT_RESTART = 2 /* only read at start: a change is a reload error */
};

/* Whose setting it is. */
enum opt_scope {
	OPT_ANY = 0,
	OPT_LISTENER = 1, /* kinds that listen */
	OPT_PROGRAM = 2,  /* programs */
	OPT_ROLE = 3,     /* all but programs */
	OPT_SOCKET = 4    /* kinds that listen, and programs */
};

struct opt {
	const char *name; /* "stop_timeout"; "memory.soft" in a nested map */
	enum opt_type type;
	size_t offset;            /* of the field in the struct it fills */
	int64_t minimum;          /* numbers: in the field's unit */
	int64_t maximum;          /* both 0: no limits but the type's */
	const char *default_text; /* as in YAML; NULL: unset (0, NULL, empty) */
	const char *unit;         /* "bytes", "workers"; NULL: none to name */
	enum opt_reload reload;
	enum opt_scope scope;
	unsigned handlers; /* kinds of handlers that have it, a bit each; 0:
			      all of them */
	const char *const *choices; /* OPT_ENUM: names, NULL at the end */
	const char *help;           /* one line */
};

#define CONF_AUTO (-1)

#define CONF_TOPIC_MAX  48 /* bytes of a topic's name: [a-z0-9_-]+ */
#define CONF_TOPICS_MAX 64 /* topics of one list */

struct conf_strings {
	char **items; /* NULL-terminated, so it serves as argv */
	size_t count;
};

struct conf_pair {
	char *name, *value;
};

struct conf_map {
	struct conf_pair *items;
	size_t count;
};

/* A number of workers, or a share of a pool's. */
struct conf_share {
	int64_t value;
	bool is_percent;
};

/*
 * CPU placement as written: not yet held against the CPUs there are.
 * auto: spread one per worker over the allowed CPUs; none (default): leave
 * as inherited.
 */
struct conf_cpus {
	enum { CPUS_NONE = 0, CPUS_AUTO = 1, CPUS_SET = 2, CPUS_EACH = 3 } mode;
	/* CPUS_SET: one list for all workers; CPUS_EACH: worker i gets
	 * lists[i % count]. */
	struct conf_cpu_list {
		int *cpus; /* ascending, unique, 0 to CONF_CPU_MAX - 1 */
		size_t count;
	} * lists;
	size_t count;
};

struct conf_listen {
	char *text; /* normal form, the key across reloads: "0.0.0.0:80",
		       "[::1]:80", "unix:/run/x.sock" */
	enum { LISTEN_TCP4 = 4, LISTEN_TCP6 = 6, LISTEN_UNIX = 1 } family;
	char *host; /* numeric address, or the path of a unix socket */
	int port;   /* TCP only */
};

struct conf_listens {
	struct conf_listen *items;
	size_t count;
};

/* `normal` is another name of `common`, and never seen here. */
struct conf_topic {
	char *name;
	/* Of a map: */
	int64_t count; /* workers; at first, if is_scaled */
	int64_t min, max;
	bool is_scaled; /* written with bounds: the rest is valid */
	int64_t initial;
	int64_t step;
	int64_t up_every_us, down_every_us;
};

struct conf_topics {
	struct conf_topic *items; /* the most urgent first */
	size_t count;
	bool is_split; /* a map: each topic has a pool of its own */
};

struct conf_weight {
	char *topic;
	int64_t value;
};

struct conf_weights {
	struct conf_weight *items;
	size_t count;
};

/* The value at `base` as YAML on one line, as -T and errors show it. */
void opt_print(const struct opt *o, const void *base, struct buf *out);
/* Do the two structs hold the same value for this row? */
bool opt_equal(const struct opt *o, const void *a, const void *b);

#endif
