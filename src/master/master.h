/* SPDX-License-Identifier: ISC */
/*
 * master - the process that forks, watches and replaces all the others.
 *
 * It parses process.yaml and fixed-size messages and nothing else; it waits
 * for nothing but its loop.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "board/role.h"
#include "conf/conf.h"

struct master_params {
	struct conf_source source; /* read at start and at each reload */
	const char *pid_file;      /* -p; NULL: as configured */
	bool daemonize, quiet;
	int verbose;                     /* how many -v: raises the log level */
	const struct role *const *roles; /* NULL at the end */
	const struct role *governor, *logger;
	role_main_fn role_main;
	int argc;
	char **argv;         /* as given, for the upgrade's exec */
	const char *program; /* absolute path of the running binary */
	const char *version;
};

/*
 * Run the daemon with a configuration that was read from params->source; takes
 * conf.  Returns the exit code (enum exit_code) when all is stopped.
 */
int master_run(const struct master_params *params, struct conf *conf);

/* The environment variable that names the descriptor of the state which an
 * older master hands to the binary it execs. */
#define MASTER_STATE_ENV "REEVE_STATE_FD"
/* The format of that state; `reeved -t` refuses an upgrade from another. */
#define MASTER_STATE_VERSION 1

#endif
