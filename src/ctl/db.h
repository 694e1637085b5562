/* SPDX-License-Identifier: ISC */
/*
 * db - statements to PostgreSQL from the command line, one after the other.
 *
 * Where it is, is told by --database, else by database.url of a file named
 * with -c, else by $REEVE_DATABASE_URL, else by database.url of the usual
 * file.  Whoever is to be written to is looked for among several hosts, unless
 * the URL says otherwise.
 */
#ifndef CTL_DB_H
#define CTL_DB_H

#include <stdbool.h>
#include <stdint.h>

struct ctl;
struct db;
struct db_rows;

/* Why a statement failed, as the server says. */
struct db_fault {
	bool is_lost; /* the connection; nobody says what became of it */
	char sqlstate[6];
	int64_t position; /* the character of the statement, from 1; 0: none */
	char text[1024];  /* a line: what it is, and its detail and hint */
};

/* Connect: 0, or the exit code, the reason having been printed. */
int db_open(const struct ctl *c, struct db **ret_db);
/* Connect anew when the connection is lost: 0, or -1, and nothing is printed. */
int db_reconnect(struct db *db);
/* Rolls back what is open.  NULL is a no-op. */
void db_close(struct db *db);
/* "127.0.0.1:5432/reeve", for messages. */
const char *db_where(const struct db *db);

/*
 * Carry out one statement; $1 … are values[0..count), NULL an SQL NULL.
 * ret_rows  what it answered, db_free; may be NULL
 * Returns 0, or the exit code, printed.
 */
int db_query(struct db *db, struct db_rows **ret_rows, const char *sql,
	int count, const char *const *values);
/* The same without parameters or an answer; several statements, too. */
int db_run(struct db *db, const char *sql);
/* As db_query, but an error is for the caller: -1 with ret_fault. */
int db_try(struct db *db, struct db_rows **ret_rows, const char *sql, int count,
	const char *const *values, struct db_fault *ret_fault);
/* Print what db_try failed with; the exit code. */
int db_fail(const struct db *db, const struct db_fault *fault);
/* Is a transaction open, and not failed? */
bool db_is_in_transaction(const struct db *db);
/* Every setting of the session as it was at its start. */
int db_reset(struct db *db);

int db_count(const struct db_rows *r);
/* NULL for an SQL NULL. */
const char *db_text(const struct db_rows *r, int row, int column);
/* 0 for an SQL NULL. */
int64_t db_int(const struct db_rows *r, int row, int column);
bool db_bool(const struct db_rows *r, int row, int column);
/* Rows that were changed. */
int64_t db_affected(const struct db_rows *r);
void db_free(struct db_rows *r);

#endif
