/* SPDX-License-Identifier: ISC */
/*
 * pg_lib - the functions of libpq that we call, found at run time.
 */
#ifndef LINK_PG_LIB_H
#define LINK_PG_LIB_H

#include <libpq-fe.h>

#include "base/err.h"

struct pg_lib {
	__typeof__(&PQconninfoParse) conninfo_parse;
	__typeof__(&PQconndefaults) conndefaults;
	__typeof__(&PQconninfoFree) conninfo_free;
	__typeof__(&PQconnectStartParams) connect_start;
	__typeof__(&PQconnectPoll) connect_poll;
	__typeof__(&PQfinish) finish;
	__typeof__(&PQstatus) status;
	__typeof__(&PQsocket) socket;
	__typeof__(&PQerrorMessage) error_message;
	__typeof__(&PQsetnonblocking) set_nonblocking;
	__typeof__(&PQsetNoticeProcessor) set_notice_processor;
	__typeof__(&PQenterPipelineMode) enter_pipeline;
	__typeof__(&PQpipelineSync) pipeline_sync;
	__typeof__(&PQsendQuery) send_query;
	__typeof__(&PQsendQueryParams) send_params;
	__typeof__(&PQsendPrepare) send_prepare;
	__typeof__(&PQsendQueryPrepared) send_prepared;
	__typeof__(&PQflush) flush;
	__typeof__(&PQconsumeInput) consume_input;
	__typeof__(&PQisBusy) is_busy;
	__typeof__(&PQgetResult) get_result;
	__typeof__(&PQnotifies) notifies;
	__typeof__(&PQfreemem) freemem;
	__typeof__(&PQresultStatus) result_status;
	__typeof__(&PQresultErrorField) error_field;
	__typeof__(&PQresultErrorMessage) result_message;
	__typeof__(&PQntuples) ntuples;
	__typeof__(&PQnfields) nfields;
	__typeof__(&PQgetvalue) getvalue;
	__typeof__(&PQgetisnull) getisnull;
	__typeof__(&PQcmdTuples) cmd_tuples;
	__typeof__(&PQclear) clear;
};

/* Load it, once in a process; NULL with err. */
const struct pg_lib *pg_lib_load(struct err *err);
/* The one that was loaded. */
const struct pg_lib *pg_lib(void);

#endif
