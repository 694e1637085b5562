/* SPDX-License-Identifier: ISC */
/*
 * definition - what runs and when, as PostgreSQL keeps it.
 *
 * The commands of cron write there and nowhere else; the crontab workers hear
 * of it by what the tables notify.
 */
#ifndef CTL_DEFINITION_H
#define CTL_DEFINITION_H

#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "ctl/db.h"

struct ctl;
struct rule;

/* "to_char(TIME" DEFINITION_UTC is a time as ISO 8601, with milliseconds. */
#define DEFINITION_UTC \
	" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* One of them, as it was found by its name. */
struct definition {
	char id[UUID_TEXT_LEN + 1];
	struct rule *rule;
	char *rule_text;
	char *handler, *source;
	bool is_enabled, is_system;
	int64_t last_end_us; /* RULE_NO_END */
	bool is_busy;        /* a run is under way */
};

const char *definition_tenant(const struct ctl *c);
/*
 * Look up and lock (for this transaction) a definition of the tenant; a name
 * that looks like an id is one.
 * Returns 0, or the exit code, printed.  definition_done in any case.
 */
int definition_find(const struct ctl *c, struct db *db, const char *name,
	struct definition *ret);
void definition_done(struct definition *f);
/* Microseconds since 1970 by PostgreSQL's clock. */
int definition_now(struct db *db, int64_t *ret_us);
/* When it fires next, for a row: RULE_NEVER if never, or after a run that is
 * under way. */
int64_t definition_next(
	const struct definition *f, const struct rule *r, int64_t now_us);
/* Does its next time depend on the end of a run that is under way? */
bool definition_waits(const struct definition *f, const struct rule *r);
/* The first column of each row, which is JSON, in an array; takes the rows. */
json_t *definition_rows(struct db_rows *rows);
/* "0 3 * * * | 0 4 * * 1 (Europe/Berlin)": a rule for people; heap. */
char *definition_schedule(const json_t *rule);
/* "2026-11-22T10:00:00Z", with milliseconds only where there are some. */
const char *definition_iso(int64_t us, char ret_text[CLOCK_ISO_MAX]);
/* A time for people, "-" for none: to the second where that is all of it;
 * borrowed until the fourth next call. */
const char *definition_time(const json_t *object, const char *key);

#endif
