/* SPDX-License-Identifier: ISC */
/*
 * app - which application a deploy command is about.
 */
#ifndef CTL_APP_H
#define CTL_APP_H

struct conf;
struct conf_pool;
struct ctl;

/* The pool of kind deploy that --app names, or the only one there is.  0, or
 * the exit code, printed. */
int app_find(const struct ctl *c, const struct conf *conf,
	const struct conf_pool **ret_app);
/* Is it the name of a release?  0, or EXIT_USAGE, printed. */
int app_check_version(const char *version);

#endif
