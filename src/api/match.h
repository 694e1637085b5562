/* SPDX-License-Identifier: ISC */
/*
 * match - If-Match and If-None-Match (RFC 9110, 13.1), of versions.
 */
#ifndef API_MATCH_H
#define API_MATCH_H

#include <stdbool.h>

struct arena;

/* Does If-None-Match name a version, or `*`?  Weak tags count, too. */
bool match_knows(const char *header, const char *version);

/*
 * The versions that If-Match names, as an array of PostgreSQL; NULL: any will
 * do, for header is NULL or `*`.  Weak tags, and what is none of ours, are left
 * out: no version is like that.
 */
const char *match_versions(struct arena *a, const char *header);

#endif
