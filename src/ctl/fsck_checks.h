/* SPDX-License-Identifier: ISC */
/*
 * fsck_checks - what fsck looks for, and how it is mended: SQL, a row each.
 *
 * `found` selects a key (for people, and for `mend`) and a mark that changes
 * with what was found.  `mend` runs in a transaction of its own, looks at
 * pg_temp.fsck_found (name, key, sig), takes only what is still the same, and
 * returns how many it has mended; `after` follows in the same transaction.
 */
#ifndef CTL_FSCK_CHECKS_H
#define CTL_FSCK_CHECKS_H

#include <stddef.h>

struct fsck_check {
	const char *name;
	const char *text;  /* what was found, for people */
	const char *found; /* SQL */
	const char *mend;  /* SQL; NULL: not by SQL */
	const char *after; /* SQL; NULL: nothing */
	const char *done;  /* what was done, for people */
};

extern const struct fsck_check fsck_checks[];
extern const size_t fsck_check_count;

#endif
