/* SPDX-License-Identifier: ISC */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "link/pg_lib.h"

/* The ABI since PostgreSQL 8; what we need of it since 14 (pipelines). */
#define PG_LIB_NAME "libpq.so.5"

#define ROW(field, symbol)                                               \
	{                                                                \
		.name = symbol, .offset = offsetof(struct pg_lib, field) \
	}

static const struct {
	const char *name;
	size_t offset;
} pg_lib_rows[] = {
	ROW(conninfo_parse, "PQconninfoParse"),
	ROW(conndefaults, "PQconndefaults"),
	ROW(conninfo_free, "PQconninfoFree"),
	ROW(connect_start, "PQconnectStartParams"),
	ROW(connect_poll, "PQconnectPoll"),
	ROW(finish, "PQfinish"),
	ROW(status, "PQstatus"),
	ROW(socket, "PQsocket"),
	ROW(error_message, "PQerrorMessage"),
	ROW(set_nonblocking, "PQsetnonblocking"),
	ROW(set_notice_processor, "PQsetNoticeProcessor"),
	ROW(enter_pipeline, "PQenterPipelineMode"),
	ROW(pipeline_sync, "PQpipelineSync"),
	ROW(send_query, "PQsendQuery"),
	ROW(send_params, "PQsendQueryParams"),
	ROW(send_prepare, "PQsendPrepare"),
	ROW(send_prepared, "PQsendQueryPrepared"),
	ROW(flush, "PQflush"),
	ROW(consume_input, "PQconsumeInput"),
	ROW(is_busy, "PQisBusy"),
	ROW(get_result, "PQgetResult"),
	ROW(notifies, "PQnotifies"),
	ROW(freemem, "PQfreemem"),
	ROW(result_status, "PQresultStatus"),
	ROW(error_field, "PQresultErrorField"),
	ROW(result_message, "PQresultErrorMessage"),
	ROW(ntuples, "PQntuples"),
	ROW(nfields, "PQnfields"),
	ROW(getvalue, "PQgetvalue"),
	ROW(getisnull, "PQgetisnull"),
	ROW(cmd_tuples, "PQcmdTuples"),
	ROW(clear, "PQclear"),
};

static struct pg_lib pg_lib_loaded;
static bool pg_lib_is_loaded;

static int pg_lib_find(void *library, struct pg_lib *lib, struct err *err)
{
	void *symbol;
	size_t i;

	for (i = 0; i < sizeof(pg_lib_rows) / sizeof(*pg_lib_rows); i++) {
		symbol = dlsym(library, pg_lib_rows[i].name);
		if (symbol == NULL)
			return err_set(err, 0, "%s has no %s: it is too old",
				PG_LIB_NAME, pg_lib_rows[i].name);
		memcpy((char *)lib + pg_lib_rows[i].offset, &symbol,
			sizeof(symbol));
	}
	return 0;
}

const struct pg_lib *pg_lib_load(struct err *err)
{
	struct pg_lib lib;
	void *library;

	if (pg_lib_is_loaded)
		return &pg_lib_loaded;
	library = dlopen(PG_LIB_NAME, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		err_set(err, 0, "cannot load libpq: %s", dlerror());
		return NULL;
	}
	if (pg_lib_find(library, &lib, err) != 0) {
		dlclose(library);
		return NULL;
	}
	pg_lib_loaded = lib;
	pg_lib_is_loaded = true;
	return &pg_lib_loaded;
}

const struct pg_lib *pg_lib(void)
{
	return &pg_lib_loaded;
}
