/* SPDX-License-Identifier: ISC */
/*
 * err - why something failed, in words for an operator.
 *
 * Functions that cross a room's border and can fail for several reasons take
 * a struct err as their last parameter.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TEXT_MAX 512

struct err {
	int code; /* an errno value, or 0 where none fits */
	char text[ERR_TEXT_MAX];
};

/* Fill `err` (NULL: nowhere) and return -1, so that `return err_set(…)` reads
 * well.  A text too long is cut. */
int err_set(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with ": strerror(errno)" behind the text; code is errno. */
int err_errno(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Exit codes of the programs: the man pages name them too. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_CONFIG = 1,  /* bad configuration, or the command failed */
	EXIT_USAGE = 2,   /* bad flags or arguments */
	EXIT_RUNNING = 3, /* another daemon holds the pid file */
	EXIT_SYSTEM = 71, /* the system said no (EX_OSERR) */
	EXIT_VERDICT = 78 /* from a child: do not start me again (EX_CONFIG) */
};

#endif
