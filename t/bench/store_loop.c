/* SPDX-License-Identifier: ISC */
/*
 * store_loop - the least that keeps a task in PostgreSQL: rows are inserted
 * as they begin and updated as they end, so many in one statement, and
 * nothing else is done.
 *
 *	store_loop URL COUNT BATCH
 *
 * Prints "spent_us N".
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/uuid.h"

static const char insert_text[] =
	"INSERT INTO reeve.task_instances (id, handler, topic,"
	" execution_params, status, epoch, worker, execution_node, start_time)"
	" SELECT id, 'noop', 'common', params, 'RUNNING', 1, 'node/loop/1',"
	" 'node', now() FROM unnest($1::uuid[], $2::text[]) AS v (id, params)";
static const char update_text[] =
	"UPDATE reeve.task_instances t SET status = 'SUCCESS',"
	" end_time = now(), execution_duration = 0, result = v.result"
	" FROM unnest($1::uuid[], $2::text[]) AS v (id, result)"
	" WHERE t.id = v.id AND t.epoch = 1 AND t.status"
	" COLLATE \"C\" = 'RUNNING'";
static const char params_text[] =
	"\"{\\\"order\\\":1234567890,\\\"to\\\":\\\"someone@example.org\\\","
	"\\\"text\\\":\\\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\\"}\"";

static void loop_must(PGconn *db, PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK) {
		fprintf(stderr, "store_loop: %s", PQerrorMessage(db));
		exit(1);
	}
	PQclear(r);
}

static void loop_run(
	PGconn *db, const char *name, const char *ids, const char *texts)
{
	const char *values[2] = { ids, texts };

	loop_must(db, PQexecPrepared(db, name, 2, values, NULL, NULL, 0));
}

static void loop_array(struct buf *b, const char *item, int count)
{
	int i;

	buf_reset(b);
	for (i = 0; i < count; i++)
		buf_printf(b, "%c%s", i == 0 ? '{' : ',', item);
	buf_putc(b, '}');
}

static void loop_batch(PGconn *db, int count, struct buf *ids,
	struct buf *params, struct buf *results)
{
	char id[UUID_TEXT_LEN + 1];
	int i;

	buf_reset(ids);
	for (i = 0; i < count; i++) {
		uuid_new(id);
		buf_printf(ids, "%c%s", i == 0 ? '{' : ',', id);
	}
	buf_putc(ids, '}');
	loop_array(params, params_text, count);
	loop_array(results, "\"\"", count);
	loop_run(db, "begin", buf_str(ids), buf_str(params));
	loop_run(db, "finish", buf_str(ids), buf_str(results));
}

int main(int argc, char **argv)
{
	struct buf ids = BUF_INIT, params = BUF_INIT, results = BUF_INIT;
	int count, batch, left, n;
	int64_t from_us;
	PGconn *db;

	if (argc != 4) {
		fprintf(stderr, "usage: store_loop URL COUNT BATCH\n");
		return 2;
	}
	count = atoi(argv[2]);
	batch = atoi(argv[3]);
	db = PQconnectdb(argv[1]);
	if (PQstatus(db) != CONNECTION_OK) {
		fprintf(stderr, "store_loop: %s", PQerrorMessage(db));
		return 1;
	}
	loop_must(db, PQexec(db, "SET enable_seqscan = off"));
	loop_must(db, PQprepare(db, "begin", insert_text, 2, NULL));
	loop_must(db, PQprepare(db, "finish", update_text, 2, NULL));
	from_us = clock_now();
	for (left = count; left > 0; left -= n) {
		n = left < batch ? left : batch;
		loop_batch(db, n, &ids, &params, &results);
	}
	printf("spent_us %lld\n", (long long)(clock_now() - from_us));
	PQfinish(db);
	buf_done(&ids);
	buf_done(&params);
	buf_done(&results);
	return 0;
}
