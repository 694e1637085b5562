/* SPDX-License-Identifier: ISC */
/*
 * option - the flags of reevectl, one row each.
 *
 * They may stand before or behind the command; each command says which groups
 * of them it takes.
 */
#ifndef CTL_OPTION_H
#define CTL_OPTION_H

#include <stdint.h>

struct ctl;

/* Options that some commands take and others don't. */
enum option_group {
	OPTION_JSON = 1,
	OPTION_FOLLOW = 2,
	OPTION_LINES = 4,
	OPTION_PLAN = 8,
	OPTION_NOW = 16,
	OPTION_LOCAL = 32, /* no option: the command needs no daemon */
	OPTION_PUSH = 64,
	OPTION_ALL = 128,
	OPTION_DATABASE = 256,
	OPTION_MIGRATE = 512,
	OPTION_NEXT = 1024,
	OPTION_TENANT = 2048,
	OPTION_DEFINE = 4096, /* cron add and edit */
	OPTION_FORCE = 8192,
	OPTION_HOURS = 16384,
	OPTION_DAYS = 32768,
	OPTION_RUN = 65536,
	OPTION_TOKEN = 131072,
	OPTION_LIMITS = 262144,
	OPTION_APP = 524288,
	OPTION_DEPLOY = 1048576, /* deploy push and rollback */
	OPTION_REPAIR = 2097152,
	OPTION_GATE = 4194304
};

/*
 * Read the command line into `c`, and leave what is no option in c->argv.
 * ret_seen  the options that were there, for option_check
 * Returns 0, or EXIT_USAGE, printed.
 */
int option_parse(int argc, char **argv, struct ctl *c, uint64_t *ret_seen);
/* Does the command of that name take all that was seen?  0, or EXIT_USAGE,
 * printed.  groups: its enum option_group. */
int option_check(const char *command, unsigned groups, uint64_t seen);
/* Sets the numbers that were not said, as a command of these groups wants. */
void option_complete(unsigned groups, uint64_t seen, struct ctl *c);
/* A line for each option of these groups, and for those of every command. */
void option_help(unsigned groups, int column);

#endif
