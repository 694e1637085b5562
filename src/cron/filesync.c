/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/mem.h"
#include "cron/crontab.h"
#include "cron/filedef.h"
#include "cron/filesync.h"
#include "worker/worker.h"

static const struct pg_statement filesync_statement = {
	.name = "filesync",
	.text = "SELECT what, name FROM"
		" reeve.definitions_sync($1, $2::jsonb)",
	.params = 2,
};

static void filesync_on_done(const struct pg_result *r, void *arg)
{
	struct crontab *c = arg;
	int i, n;

	if (r == NULL || pg_result_is_error(r)) {
		/* Again, when PostgreSQL is there again or at the next look. */
		c->is_synced = false;
		if (r != NULL)
			log_error("the definitions of %s can't be stored: %s",
				c->conf->path, pg_result_error(r));
		return;
	}
	n = pg_result_rows(r);
	for (i = 0; i < n; i++) {
		const char *what = pg_result_text(r, i, 0);

		if (strcmp(what, "foreign") == 0)
			log_warn("definition %s of %s is left alone: one of "
				 "that name is not from a file",
				pg_result_text(r, i, 1), c->conf->path);
		else if (strcmp(what, "alone") == 0)
			log_warn("definition %s of %s depends on none: the one "
				 "it names is not there, or depends on it",
				pg_result_text(r, i, 1), c->conf->path);
		else
			log_info("definition %s is %s", pg_result_text(r, i, 1),
				what);
	}
}

void filesync_run(struct crontab *c)
{
	const struct conf_strings *all = &c->conf->crontab_definitions;
	char *source = xasprintf("file:%s", c->conf->node);
	struct buf text = BUF_INIT;
	const char *values[2] = { source };
	struct filedef *f;
	struct jsonw j;
	struct err err;
	size_t i;

	if (c->is_synced || worker_child(c->worker)->index != 0) {
		free(source);
		return;
	}
	jsonw_init(&j, &text);
	jsonw_array(&j, NULL);
	for (i = 0; i < all->count; i++) {
		f = filedef_parse(
			all->items[i], strlen(all->items[i]), NULL, &err);
		if (f == NULL) {
			log_error("%s", err.text);
			continue;
		}
		filedef_write(f, crontab_now(c), &j);
		filedef_free(f);
	}
	jsonw_end_array(&j);
	values[1] = buf_str(&text);
	c->is_synced = pg_query(c->pg, &filesync_statement, values,
			       filesync_on_done, c) == 0;
	buf_done(&text);
	free(source);
}
