/* SPDX-License-Identifier: ISC */
/*
 * app - which application a deploy command is about.
 */
#ifndef CTL_APP_H
#define CTL_APP_H

struct conf;
struct ctl;
struct deploy_options;

/* The pool of kind deploy that --app names, or the only one there is.  0, or
 * the exit code, printed. */
int app_find(const struct ctl *c, const struct conf *conf, const char **ret_app,
	const struct deploy_options **ret_options);
/* Is it the name of a release?  0, or EXIT_USAGE, printed. */
int app_check_version(const char *version);

#endif
