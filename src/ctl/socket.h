/* SPDX-License-Identifier: ISC */
/*
 * socket - where the control socket of the daemon is.
 */
#ifndef CTL_SOCKET_H
#define CTL_SOCKET_H

struct ctl;

/* The file to read: -c, or the installed one; the path is not checked. */
const char *socket_config(const struct ctl *c);

/*
 * -S, else what -c says, else $REEVE_SOCKET, else what the installed
 * process.yaml says, else the default path.  A file with errors is no
 * obstacle, the daemon may run with an older one: then only its run_dir and
 * control.path are looked for.
 * ret_path  the caller's (free)
 * Returns EXIT_OK, or the exit code when it can't be told where the socket
 * is, the reason having been printed: never is another daemon spoken to than
 * the one that was meant.
 */
int socket_find(const struct ctl *c, char **ret_path)
	__attribute__((warn_unused_result));

#endif
