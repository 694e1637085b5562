/* SPDX-License-Identifier: ISC */
/*
 * conf_help - files in a temporary directory, read as a configuration.
 */
#ifndef T_UNIT_CONF_HELP_H
#define T_UNIT_CONF_HELP_H

#include <stddef.h>

#include "conf/conf.h"

/* A kind for these tests: it listens and has settings of its own. */
struct help_role {
	int64_t depth;
	bool is_loud;
	struct conf_strings tags;
};

extern const struct conf_kind help_kind_role, help_kind_internal;
/* One that needs the database. */
extern const struct conf_kind help_kind_keeps;
extern const struct conf_kind *const help_kinds[];

/* The path of a file in the directory, which is made at first use and gone
 * at exit.  The text lives until the next call but two. */
const char *help_path(const char *name);
/* Write a file there. */
void help_file(const char *name, const char *text);
void help_bytes(const char *name, const char *bytes, size_t len);

/* Read NAME; the report as text is then in help_text(), each path cut to the
 * file's name.  Overrides end with NULL; may be NULL. */
struct conf *help_read(const char *name, const char *const *overrides);
/* The same of a text written to "process.yaml". */
struct conf *help_conf(const char *text);
const char *help_text(void);
size_t help_errors(void);

/* One line of the report holds all of `part`, or the test fails. */
void help_is_error(const char *text, const char *part, const char *title);

#endif
