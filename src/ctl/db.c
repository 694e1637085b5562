/* SPDX-License-Identifier: ISC */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ctl/actor.h"
#include "ctl/ask.h"
#include "ctl/ctl.h"
#include "ctl/db.h"

/* The first with functions whose body is SQL. */
#define DB_VERSION_MIN 140000
#define DB_CONNECT_S   5

/* How this program reads and is read.  A server that is told to looks whether
 * we are still there, so that Ctrl-C ends a long statement. */
#define DB_SESSION                                                       \
	"SET client_min_messages = warning; SET DateStyle = ISO; "       \
	"SET IntervalStyle = postgres; SET TimeZone = 'UTC'; "           \
	"SET standard_conforming_strings = on; SET bytea_output = hex; " \
	"SET client_connection_check_interval = 1000"

struct db {
	PGconn *conn;
	char *where;
};

/* The rows are libpq's own; the name keeps its type in this file. */
struct db_rows;

static PGresult *db_result(const struct db_rows *r)
{
	return (PGresult *)(uintptr_t)r;
}

/* Messages of libpq and of servers are of several lines; a quoted piece of an
 * URL that cannot be read may be its password. */
static void db_line(const char *text, bool is_scrubbed, struct buf *out)
{
	bool is_quoted = false;

	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"')
			is_quoted = !is_quoted;
		if (is_scrubbed && is_quoted && byte != '"')
			continue;
		if (byte <= ' ' || byte == 0x7f) {
			if (out->len > 0 && out->data[out->len - 1] != ' ')
				buf_putc(out, ' ');
		} else {
			buf_putc(out, *text);
		}
	}
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
}

/* Where PostgreSQL is, and who says so; both heap. */
struct db_source {
	char *url, *from;
	int64_t connect_s;
};

static void db_source_done(struct db_source *s)
{
	if (s->url != NULL)
		explicit_bzero(s->url, strlen(s->url));
	free(s->url);
	free(s->from);
}

static void db_source_set(
	struct db_source *s, const char *url, const char *from)
{
	s->url = xstrdup(url);
	s->from = xstrdup(from);
	s->connect_s = DB_CONNECT_S;
}

static int db_source_read(const struct ctl *c, struct db_source *s)
{
	struct conf *conf;
	int rc = ask_read(c, &conf);

	if (rc != EXIT_OK)
		return rc;
	if (conf->database_url == NULL) {
		rc = ctl_fail(EXIT_CONFIG,
			"where is PostgreSQL?  %s has no database.url, and "
			"neither --database nor REEVE_DATABASE_URL is given",
			conf->path);
	} else {
		s->url = xstrdup(conf->database_url);
		s->from = xasprintf("database.url of %s", conf->path);
		s->connect_s = conf->database_connect_timeout_us / US_PER_S;
	}
	conf_free(conf);
	return rc;
}

static int db_source_find(const struct ctl *c, struct db_source *s)
{
	const char *from_env = getenv("REEVE_DATABASE_URL");

	if (c->database != NULL)
		db_source_set(s, c->database, "--database");
	else if (c->config == NULL && from_env != NULL && *from_env != '\0')
		db_source_set(s, from_env, "REEVE_DATABASE_URL");
	else
		return db_source_read(c, s);
	return EXIT_OK;
}

static int db_check_url(const struct db_source *s)
{
	struct buf why = BUF_INIT;
	char *text = NULL;
	PQconninfoOption *o = PQconninfoParse(s->url, &text);
	int rc = EXIT_OK;

	if (o == NULL) {
		db_line(text != NULL ? text : "out of memory", true, &why);
		rc = ctl_fail(EXIT_CONFIG, "%s cannot be read: %s", s->from,
			buf_str(&why));
	}
	PQconninfoFree(o);
	PQfreemem(text);
	buf_done(&why);
	return rc;
}

static int db_refused(const PGconn *conn, const struct db_source *s)
{
	struct buf why = BUF_INIT;
	const char *hint = "";

	db_line(PQerrorMessage(conn), false, &why);
	if (strstr(buf_str(&why), "FATAL:  database \"") != NULL ||
		strstr(buf_str(&why), "FATAL: database \"") != NULL)
		hint = "; create it with createdb(1)";
	(void)ctl_fail(EXIT_SYSTEM, "cannot reach PostgreSQL (%s): %s%s",
		s->from, buf_str(&why), hint);
	buf_done(&why);
	return EXIT_SYSTEM;
}

static void db_on_notice(void *arg, const char *message)
{
	struct buf line = BUF_INIT;

	(void)arg;
	db_line(message, false, &line);
	fprintf(stderr, "reevectl: PostgreSQL says: %s\n", buf_str(&line));
	buf_done(&line);
}

static int db_connect(const struct db_source *s, struct db *db)
{
	char timeout[24];
	/* What the URL says comes later and wins. */
	const char *names[] = { "connect_timeout", "application_name",
		"target_session_attrs", "dbname", "client_encoding", NULL };
	const char *values[] = { timeout, "reevectl", "read-write", s->url,
		"UTF8", NULL };

	snprintf(timeout, sizeof(timeout), "%lld",
		(long long)(s->connect_s < 2 ? 2 : s->connect_s));
	db->conn = PQconnectdbParams(names, values, 1);
	if (db->conn == NULL || PQstatus(db->conn) != CONNECTION_OK)
		return db_refused(db->conn, s);
	PQsetNoticeProcessor(db->conn, db_on_notice, NULL);
	db->where = xasprintf(
		"%s:%s/%s", PQhost(db->conn), PQport(db->conn), PQdb(db->conn));
	if (PQserverVersion(db->conn) < DB_VERSION_MIN)
		return ctl_fail(EXIT_CONFIG,
			"%s is PostgreSQL %d: 14 is the oldest that will do",
			db->where, PQserverVersion(db->conn) / 10000);
	return db_reset(db);
}

int db_open(const struct ctl *c, struct db **ret_db)
{
	struct db_source s = { 0 };
	struct db *db = xcalloc(1, sizeof(*db));
	int rc = db_source_find(c, &s);

	if (rc == EXIT_OK)
		rc = db_check_url(&s);
	if (rc == EXIT_OK)
		rc = db_connect(&s, db);
	db_source_done(&s);
	if (rc != EXIT_OK)
		db_close(db);
	else
		*ret_db = db;
	return rc;
}

int db_reconnect(struct db *db)
{
	PQreset(db->conn);
	return PQstatus(db->conn) == CONNECTION_OK && db_reset(db) == EXIT_OK
		       ? 0
		       : -1;
}

void db_close(struct db *db)
{
	if (db == NULL)
		return;
	PQfinish(db->conn);
	free(db->where);
	free(db);
}

const char *db_where(const struct db *db)
{
	return db->where;
}

static void db_fault_part(
	const PGresult *res, int field, const char *before, struct buf *out)
{
	const char *text = PQresultErrorField(res, field);

	if (text == NULL)
		return;
	buf_puts(out, before);
	db_line(text, false, out);
}

/* An error that came with no result is one of the connection. */
static void db_fault_set(
	const struct db *db, const PGresult *res, struct db_fault *f)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *at = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	struct buf text = BUF_INIT;

	db_fault_part(res, PG_DIAG_MESSAGE_PRIMARY, "", &text);
	db_fault_part(res, PG_DIAG_MESSAGE_DETAIL, ": ", &text);
	db_fault_part(res, PG_DIAG_MESSAGE_HINT, "; ", &text);
	if (text.len == 0)
		db_line(PQerrorMessage(db->conn), false, &text);
	memset(f, 0, sizeof(*f));
	f->is_lost = PQstatus(db->conn) != CONNECTION_OK;
	snprintf(f->sqlstate, sizeof(f->sqlstate), "%s",
		state != NULL ? state : "");
	f->position = at != NULL ? strtoll(at, NULL, 10) : 0;
	snprintf(f->text, sizeof(f->text), "%s", buf_str(&text));
	buf_done(&text);
}

/* Takes res. */
static int db_take(struct db *db, PGresult *res, struct db_rows **ret_rows,
	struct db_fault *ret_fault)
{
	ExecStatusType status = PQresultStatus(res);

	if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
		*ret_fault = (struct db_fault){ .sqlstate = "0A000",
			.text = "COPY from or to the client is not supported" };
		PQclear(res);
		return -1;
	}
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		status != PGRES_EMPTY_QUERY) {
		db_fault_set(db, res, ret_fault);
		PQclear(res);
		return -1;
	}
	if (ret_rows != NULL)
		*ret_rows = (struct db_rows *)res;
	else
		PQclear(res);
	return 0;
}

int db_try(struct db *db, struct db_rows **ret_rows, const char *sql, int count,
	const char *const *values, struct db_fault *ret_fault)
{
	return db_take(db,
		PQexecParams(db->conn, sql, count, NULL, values, NULL, NULL, 0),
		ret_rows, ret_fault);
}

/* Tables that are not there, or of another release. */
static bool db_is_schema(const char *sqlstate)
{
	static const char *const states[] = { "3F000", "42P01", "42703",
		"42883" };
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	return false;
}

int db_fail(const struct db *db, const struct db_fault *fault)
{
	if (fault->is_lost)
		return ctl_fail(EXIT_SYSTEM,
			"the connection to PostgreSQL at %s is lost: %s",
			db->where, fault->text);
	return ctl_fail(EXIT_CONFIG, "PostgreSQL at %s says: %s%s", db->where,
		fault->text,
		db_is_schema(fault->sqlstate)
			? "; `reevectl migrate` makes what reeve needs"
			: "");
}

int db_query(struct db *db, struct db_rows **ret_rows, const char *sql,
	int count, const char *const *values)
{
	struct db_fault fault;

	if (db_try(db, ret_rows, sql, count, values, &fault) != 0)
		return db_fail(db, &fault);
	return EXIT_OK;
}

int db_run(struct db *db, const char *sql)
{
	struct db_fault fault;

	if (db_take(db, PQexec(db->conn, sql), NULL, &fault) != 0)
		return db_fail(db, &fault);
	return EXIT_OK;
}

bool db_is_in_transaction(const struct db *db)
{
	return PQtransactionStatus(db->conn) == PQTRANS_INTRANS;
}

/* For reeve.actor(), which the audit log asks. */
static int db_say_who(struct db *db)
{
	char *who = actor_name();
	const char *values[] = { who };
	int rc = db_query(db, NULL,
		"SELECT set_config('reeve.actor', $1, false)", 1, values);

	free(who);
	return rc;
}

int db_reset(struct db *db)
{
	int rc = db_run(db, "RESET ALL");

	if (rc == EXIT_OK)
		rc = db_run(db, DB_SESSION);
	return rc == EXIT_OK ? db_say_who(db) : rc;
}

int db_count(const struct db_rows *r)
{
	return PQntuples(db_result(r));
}

const char *db_text(const struct db_rows *r, int row, int column)
{
	if (PQgetisnull(db_result(r), row, column))
		return NULL;
	return PQgetvalue(db_result(r), row, column);
}

int64_t db_int(const struct db_rows *r, int row, int column)
{
	const char *text = db_text(r, row, column);

	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

bool db_bool(const struct db_rows *r, int row, int column)
{
	const char *text = db_text(r, row, column);

	return text != NULL && *text == 't';
}

int64_t db_affected(const struct db_rows *r)
{
	return strtoll(PQcmdTuples(db_result(r)), NULL, 10);
}

void db_free(struct db_rows *r)
{
	PQclear(db_result(r));
}
