/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link/pg_conn.h"

/* SQLSTATE of faults that pass, or a class of them: PostgreSQL, appendix A. */
static const char *const result_passing[] = {
	"08",    /* the connection */
	"25006", /* read-only: it became a standby */
	"40",    /* serialization, deadlock */
	"53",    /* out of connections, memory, disk */
	"55P03", /* a lock was not to be had */
	"57014", /* it took too long, or was cancelled */
	"57P01", /* shutting down */
	"57P02", /* a crash of another session */
	"57P03", /* starting up */
	"58",    /* the system below it */
	NULL,
};

bool pg_result_is_error(const struct pg_result *r)
{
	switch (pg_lib()->result_status(r->res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY: return false;
	default: return true;
	}
}

static const char *result_field(const struct pg_result *r, int field)
{
	const char *text = pg_lib()->error_field(r->res, field);

	return text != NULL ? text : "";
}

const char *pg_result_sqlstate(const struct pg_result *r)
{
	return result_field(r, PG_DIAG_SQLSTATE);
}

const char *pg_result_error(const struct pg_result *r)
{
	const char *text = result_field(r, PG_DIAG_MESSAGE_PRIMARY);

	return *text != '\0' ? text : pg_lib()->result_message(r->res);
}

const char *pg_result_column(const struct pg_result *r)
{
	return result_field(r, PG_DIAG_COLUMN_NAME);
}

bool pg_result_is_schema(const struct pg_result *r)
{
	/* A schema, a table, a column, a function. */
	static const char *const states[] = { "3F000", "42P01", "42703",
		"42883" };
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (strcmp(pg_result_sqlstate(r), states[i]) == 0)
			return true;
	return false;
}

bool pg_result_is_passing(const struct pg_result *r)
{
	const char *state = pg_result_sqlstate(r);
	size_t i;

	if (r->is_stale)
		return true;
	for (i = 0; result_passing[i] != NULL; i++)
		if (strncmp(state, result_passing[i],
			    strlen(result_passing[i])) == 0)
			return true;
	return false;
}

int pg_result_rows(const struct pg_result *r)
{
	return pg_lib()->ntuples(r->res);
}

int pg_result_columns(const struct pg_result *r)
{
	return pg_lib()->nfields(r->res);
}

int64_t pg_result_affected(const struct pg_result *r)
{
	return strtoll(pg_lib()->cmd_tuples(r->res), NULL, 10);
}

const char *pg_result_text(const struct pg_result *r, int row, int column)
{
	const struct pg_lib *lib = pg_lib();

	if (row < 0 || row >= lib->ntuples(r->res) || column < 0 ||
		column >= lib->nfields(r->res) ||
		lib->getisnull(r->res, row, column) != 0)
		return NULL;
	return lib->getvalue(r->res, row, column);
}

int64_t pg_result_int(
	const struct pg_result *r, int row, int column, int64_t otherwise)
{
	const char *text = pg_result_text(r, row, column);
	long long n;
	char *end;

	if (text == NULL || *text == '\0')
		return otherwise;
	errno = 0;
	n = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' ? n : otherwise;
}
