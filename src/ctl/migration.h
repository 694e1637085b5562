/* SPDX-License-Identifier: ISC */
/*
 * migration - the files of a directory, and what the database says of them.
 */
#ifndef CTL_MIGRATION_H
#define CTL_MIGRATION_H

#include <stddef.h>
#include <stdint.h>

struct db;

#define MIGRATION_SUM_MAX 65

enum migration_state {
	MIGRATION_PENDING = 0,
	MIGRATION_APPLIED = 1,
	MIGRATION_CHANGED = 2, /* its file is not what was applied */
	MIGRATION_MISSING = 3, /* applied, but there is no file */
	MIGRATION_LATE = 4,    /* new, but older than one that is applied */
	MIGRATION_STATE_COUNT
};

extern const char *const migration_state_names[MIGRATION_STATE_COUNT];

struct migration {
	char *name;                       /* of the file */
	char *path;                       /* NULL: there is no file */
	char *text;                       /* UTF-8; NULL: there is no file */
	char checksum[MIGRATION_SUM_MAX]; /* SHA-256 of the file, hex; "" */
	char *applied_at;                 /* ISO 8601; NULL: is not applied */
	int64_t duration_ms;              /* of that */
	enum migration_state state;
};

struct migration_list {
	struct migration *items; /* by name, so by time */
	size_t count;
};

/* Read the files of a directory: 0, or the exit code, everything that is wrong
 * with them having been printed.  migration_done in any case. */
int migration_read(const char *dir, struct migration_list *ret);
/* Add what is recorded: every checksum and state is right then.  0, or the
 * exit code, printed. */
int migration_compare(struct db *db, struct migration_list *l);
size_t migration_count(
	const struct migration_list *l, enum migration_state state);
void migration_done(struct migration_list *l);

#endif
