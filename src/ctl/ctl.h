/* SPDX-License-Identifier: ISC */
/*
 * ctl - reevectl: what its command line said, and the way out.
 *
 * A command is one row of the table in main.c and one function here;
 * an option is a row in option.c.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define CTL_LIST_MAX 64

/* An option that may be given several times. */
struct ctl_list {
	const char *items[CTL_LIST_MAX];
	size_t count;
};

/* The options of cron; what was not given is NULL. */
struct ctl_cron {
	struct ctl_list exprs; /* --cron */
	const char *every, *start, *end;
	const char *handler, *params, *topic, *description;
	const char *misfire, *overlap, *depends_on;
	const char *timeout, *retry, *priority;
	bool is_inline, no_inline, disabled;
	long hours, days;
};

struct ctl {
	const char *config; /* -c; NULL */
	const char *socket; /* -S, or found; NULL where no daemon is needed */
	const char *url;    /* --url; NULL */
	const char *token_file, *cacert; /* NULL */
	const struct url *there; /* the API of another node; NULL: this one */
	bool help, version;
	bool json, follow, plan, now;
	long lines;             /* -n */
	bool wait;              /* queue push --wait */
	bool force;             /* cron, deploy */
	bool track;             /* queue push --track */
	bool all;               /* queue dead --all */
	const char *delay, *at; /* queue push; NULL */
	const char *unique;     /* queue push; NULL */
	long count;             /* queue push --count */
	const char *database;   /* --database; NULL */
	const char *migrations; /* migrate --migrations; NULL */
	bool dry_run;           /* migrate --dry-run */
	bool repair;            /* fsck --repair */
	const char *dialect;    /* cron next; NULL */
	const char *zone;       /* cron --tz; NULL */
	const char *from;       /* cron next; NULL */
	bool batch;             /* cron next */
	struct ctl_cron cron;
	const char *tenant;  /* cron, token; NULL */
	const char *role;    /* token add; NULL */
	const char *name;    /* token add, tenant; NULL */
	const char *expires; /* token add; NULL */
	/* tenant add and set: 0 is no limit, -1 what it was. */
	long requests_per_s, runs_max, definitions_max;
	const char *app; /* deploy; NULL: the only one */
	bool no_fetch;   /* deploy gate */
	int argc;        /* the words after the command's name */
	char **argv;
};

/* "reevectl: TEXT" on standard error; returns the exit code. */
int ctl_fail(int exit_code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
