/* SPDX-License-Identifier: ISC */
/*
 * url - the API of a node that is not this one: where it is, and the token
 * that opens it.
 */
#ifndef CTL_URL_H
#define CTL_URL_H

#include <stdbool.h>

struct ctl;

struct url {
	char *base;       /* "https://node:8443/reeve", no slash at its end */
	char *socket;     /* of "unix:PATH"; NULL: by TCP */
	char *name;       /* as the operator wrote it */
	char *token;      /* NULL: none was given */
	char *token_from; /* "REEVE_TOKEN", or the file; NULL with it */
	char *cafile;     /* NULL: the certificates of the system */
};

/* What --url or REEVE_URL say; NULL: neither.  A flag that names a daemon, a
 * file or a database of its own counts more than the variable. */
const char *url_wanted(const struct ctl *c);

/*
 * Read where it is, and the token.
 * ret_url  url_free
 * Returns 0, or the exit code, printed.
 */
int url_read(const struct ctl *c, const char *text, struct url **ret_url)
	__attribute__((warn_unused_result));
/* NULL is a no-op. */
void url_free(struct url *u);

#endif
