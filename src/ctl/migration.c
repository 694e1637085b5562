/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "ctl/ctl.h"
#include "ctl/db.h"
#include "ctl/migration.h"

#define MIGRATION_FILE_MAX  (16 * 1024 * 1024)
#define MIGRATION_FILES_MAX 10000

/* What a name begins with: "migration_YYYYMMDD_HHMMSS_". */
#define MIGRATION_PREFIX   "migration_"
#define MIGRATION_WHAT     26
#define MIGRATION_NAME_MAX 200

const char *const migration_state_names[MIGRATION_STATE_COUNT] = {
	[MIGRATION_PENDING] = "pending",
	[MIGRATION_APPLIED] = "applied",
	[MIGRATION_CHANGED] = "changed",
	[MIGRATION_MISSING] = "missing",
	[MIGRATION_LATE] = "late",
};

static bool migration_ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return len >= tail && strcmp(name + len - tail, end) == 0;
}

/* Is it meant to be one?  Anything else may lie beside them. */
static bool migration_is_meant(const char *name)
{
	return name[0] != '.' && migration_ends_in(name, ".sql");
}

/* A number of two digits, from `least` to `most`. */
static bool migration_is_number(const char *text, int least, int most)
{
	int n;

	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return false;
	n = (text[0] - '0') * 10 + text[1] - '0';
	return n >= least && n <= most;
}

/* "20261122_110000_" */
static bool migration_is_time(const char *t)
{
	return migration_is_number(t, 0, 99) &&
	       migration_is_number(t + 2, 0, 99) &&
	       migration_is_number(t + 4, 1, 12) &&
	       migration_is_number(t + 6, 1, 31) && t[8] == '_' &&
	       migration_is_number(t + 9, 0, 23) &&
	       migration_is_number(t + 11, 0, 59) &&
	       migration_is_number(t + 13, 0, 59) && t[15] == '_';
}

static bool migration_is_name(const char *name)
{
	size_t len = strlen(name), what;

	if (len <= MIGRATION_WHAT + 4 || len > MIGRATION_NAME_MAX ||
		strncmp(name, MIGRATION_PREFIX, strlen(MIGRATION_PREFIX)) != 0)
		return false;
	what = strspn(
		name + MIGRATION_WHAT, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return migration_is_time(name + strlen(MIGRATION_PREFIX)) && what > 0 &&
	       strcmp(name + MIGRATION_WHAT + what, ".sql") == 0;
}

static struct migration *migration_add(
	struct migration_list *l, const char *name)
{
	struct migration *m;

	l->items = xreallocarray(l->items, l->count + 1, sizeof(*l->items));
	m = &l->items[l->count++];
	memset(m, 0, sizeof(*m));
	m->name = xstrdup(name);
	return m;
}

/* -1 with errno; EFBIG: larger than a migration may be. */
static int migration_load(int fd, char **ret_text, size_t *ret_len)
{
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;
	char *text;

	if (fstat(fd, &st) != 0)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_size > MIGRATION_FILE_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return -1;
	}
	text = xmalloc((size_t)st.st_size + 1);
	while (n > 0 && len < (size_t)st.st_size) {
		n = read(fd, text + len, (size_t)st.st_size - len);
		if (n == -1 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	return n == -1 ? -1 : 0;
}

static int migration_open(struct migration *m)
{
	int fd = open(m->path, O_RDONLY | O_CLOEXEC), rc = EXIT_OK;
	size_t len = 0;

	if (fd == -1 || migration_load(fd, &m->text, &len) != 0)
		rc = ctl_fail(EXIT_SYSTEM, "%s: %s", m->path, strerror(errno));
	else if (utf8_valid(m->text, len) != len || strlen(m->text) != len)
		rc = ctl_fail(EXIT_CONFIG, "%s is not UTF-8", m->path);
	if (fd != -1)
		close(fd);
	return rc;
}

static int migration_entry(
	struct migration_list *l, const char *dir, const char *name)
{
	struct migration *m;

	if (!migration_is_meant(name))
		return EXIT_OK;
	if (!migration_is_name(name))
		return ctl_fail(EXIT_CONFIG,
			"%s/%s is no migration's name: "
			"migration_YYYYMMDD_HHMMSS_what.sql, what being of "
			"a-z, 0-9 and _",
			dir, name);
	if (l->count == MIGRATION_FILES_MAX)
		return ctl_fail(EXIT_CONFIG, "%s: too many files", dir);
	m = migration_add(l, name);
	m->path = xasprintf("%s/%s", dir, name);
	return migration_open(m);
}

static int migration_order(const void *a, const void *b)
{
	const struct migration *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void migration_sort(struct migration_list *l)
{
	if (l->count > 0)
		qsort(l->items, l->count, sizeof(*l->items), migration_order);
}

/* Two of one time have no order that somebody meant. */
static int migration_check_times(const struct migration_list *l)
{
	int rc = EXIT_OK;
	size_t i;

	for (i = 1; i < l->count; i++)
		if (strncmp(l->items[i].name, l->items[i - 1].name,
			    MIGRATION_WHAT) == 0)
			rc = ctl_fail(EXIT_CONFIG, "%s has the same time as %s",
				l->items[i].path, l->items[i - 1].name);
	return rc;
}

static int migration_worse(int a, int b)
{
	return a > b ? a : b;
}

int migration_read(const char *dir, struct migration_list *ret)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int rc = EXIT_OK;

	memset(ret, 0, sizeof(*ret));
	if (d == NULL)
		return ctl_fail(EXIT_SYSTEM,
			"%s: %s; --migrations says where the migrations are",
			dir, strerror(errno));
	errno = 0;
	while ((e = readdir(d)) != NULL)
		rc = migration_worse(rc, migration_entry(ret, dir, e->d_name));
	closedir(d);
	migration_sort(ret);
	return migration_worse(rc, migration_check_times(ret));
}

/* PostgreSQL has the function. */
static int migration_sum(struct db *db, struct migration *m)
{
	struct db_rows *r;
	const char *values[] = { m->text };
	int rc = db_query(db, &r,
		"SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')", 1,
		values);

	if (rc != EXIT_OK)
		return rc;
	snprintf(m->checksum, sizeof(m->checksum), "%s", db_text(r, 0, 0));
	db_free(r);
	return EXIT_OK;
}

static struct migration *migration_find(
	struct migration_list *l, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(l->items[i].name, name) == 0)
			return &l->items[i];
	return NULL;
}

static void migration_take(
	struct migration_list *l, size_t files, const struct db_rows *r, int i)
{
	struct migration *m = migration_find(l, files, db_text(r, i, 0));

	if (m == NULL) {
		m = migration_add(l, db_text(r, i, 0));
		m->state = MIGRATION_MISSING;
		snprintf(m->checksum, sizeof(m->checksum), "%s",
			db_text(r, i, 1));
	} else {
		m->state = strcmp(m->checksum, db_text(r, i, 1)) == 0
				   ? MIGRATION_APPLIED
				   : MIGRATION_CHANGED;
	}
	m->applied_at = xstrdup(db_text(r, i, 2));
	m->duration_ms = db_int(r, i, 3);
}

/* What came after one that is applied can't go before it any more. */
static void migration_mark_late(struct migration_list *l)
{
	bool is_passed = false;
	size_t i;

	for (i = l->count; i-- > 0;) {
		struct migration *m = &l->items[i];

		if (m->state != MIGRATION_PENDING)
			is_passed = true;
		else if (is_passed)
			m->state = MIGRATION_LATE;
	}
}

static int migration_recorded(struct db *db, struct db_rows **ret_rows)
{
	struct db_rows *r;
	bool is_there;
	int rc = db_query(db, &r,
		"SELECT to_regclass('reeve.migrations') IS NOT NULL", 0, NULL);

	if (rc != EXIT_OK)
		return rc;
	is_there = db_bool(r, 0, 0);
	db_free(r);
	*ret_rows = NULL;
	if (!is_there)
		return EXIT_OK;
	return db_query(db, ret_rows,
		"SELECT name, checksum, to_char(applied_at AT TIME ZONE 'UTC', "
		"'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), duration_ms "
		"FROM reeve.migrations ORDER BY name",
		0, NULL);
}

int migration_compare(struct db *db, struct migration_list *l)
{
	size_t files = l->count, k;
	struct db_rows *r = NULL;
	int rc = EXIT_OK, i;

	for (k = 0; rc == EXIT_OK && k < files; k++)
		rc = migration_sum(db, &l->items[k]);
	if (rc == EXIT_OK)
		rc = migration_recorded(db, &r);
	if (rc != EXIT_OK || r == NULL)
		return rc;
	for (i = 0; i < db_count(r); i++)
		migration_take(l, files, r, i);
	db_free(r);
	migration_sort(l);
	migration_mark_late(l);
	return EXIT_OK;
}

size_t migration_count(
	const struct migration_list *l, enum migration_state state)
{
	size_t i, n = 0;

	for (i = 0; i < l->count; i++)
		n += l->items[i].state == state;
	return n;
}

void migration_done(struct migration_list *l)
{
	size_t i;

	for (i = 0; i < l->count; i++) {
		free(l->items[i].name);
		free(l->items[i].path);
		free(l->items[i].text);
		free(l->items[i].applied_at);
	}
	free(l->items);
	memset(l, 0, sizeof(*l));
}
