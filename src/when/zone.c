/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "when/zone_data.h"

#define ZONE_DIR "/usr/share/zoneinfo"
/* As far as clocks can be apart, nothing older is ahead of them. */
#define ZONE_REACH_S (ZONE_OFFSET_MAX - ZONE_OFFSET_MIN)

/* Every zone that was asked for, by name. */
static struct {
	struct zone **all;
	size_t count;
} zone_cache;

static int32_t zone_utc_offset;
static const struct zone zone_utc_data = {
	.name = "UTC",
	.offset_s = &zone_utc_offset,
};

const struct zone *zone_utc(void)
{
	return &zone_utc_data;
}

const char *zone_name(const struct zone *z)
{
	return z->name;
}

/* Letters, digits, _, + and - in parts with a slash between: no name leads
 * out of the directory. */
static bool zone_is_name(const char *name)
{
	size_t i, len = strlen(name);

	if (len == 0 || len > ZONE_NAME_MAX || name[len - 1] == '/')
		return false;
	for (i = 0; i < len; i++) {
		if (name[i] == '/' && (i == 0 || name[i - 1] == '/'))
			return false;
		if (!isalnum((unsigned char)name[i]) &&
			strchr("_+-/", name[i]) == NULL)
			return false;
	}
	return true;
}

/* The whole of a regular file, at most ZONE_FILE_MAX bytes. */
static int zone_load(int fd, struct buf *out)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
		st.st_size > ZONE_FILE_MAX)
		return -1;
	do {
		n = read(fd, buf_reserve(out, 4096), 4096);
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0 && out->len <= ZONE_FILE_MAX);
	return n == 0 ? 0 : -1;
}

static struct zone *zone_read(const char *name, struct err *err)
{
	char path[sizeof(ZONE_DIR) + ZONE_NAME_MAX + 1] = ZONE_DIR "/";
	struct buf bytes = BUF_INIT;
	struct zone *z = NULL;
	int fd;

	strcat(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 && access(ZONE_DIR, X_OK) != 0) {
		(void)err_errno(err, "time zone %s: " ZONE_DIR, name);
		return NULL;
	}
	if (fd == -1 || zone_load(fd, &bytes) != 0)
		(void)err_set(err, 0,
			"there is no time zone \"%s\": write it like "
			"Europe/Berlin",
			name);
	else
		z = zone_parse(name, bytes.data, bytes.len, err);
	if (fd != -1)
		close(fd);
	buf_done(&bytes);
	return z;
}

/* Where the name is, or would be. */
static size_t zone_cache_find(const char *name)
{
	size_t low = 0, high = zone_cache.count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (strcmp(zone_cache.all[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void zone_cache_put(size_t at, struct zone *z)
{
	zone_cache.all = xreallocarray(
		zone_cache.all, zone_cache.count + 1, sizeof(*zone_cache.all));
	memmove(&zone_cache.all[at + 1], &zone_cache.all[at],
		(zone_cache.count - at) * sizeof(*zone_cache.all));
	zone_cache.all[at] = z;
	zone_cache.count++;
}

const struct zone *zone_get(const char *name, struct err *err)
{
	struct zone *z;
	size_t at;

	if (strcmp(name, zone_utc_data.name) == 0)
		return &zone_utc_data;
	if (!zone_is_name(name)) {
		(void)err_set(err, 0,
			"this is no name of a time zone: write it like "
			"Europe/Berlin");
		return NULL;
	}
	at = zone_cache_find(name);
	if (at < zone_cache.count &&
		strcmp(zone_cache.all[at]->name, name) == 0)
		return zone_cache.all[at];
	z = zone_read(name, err);
	if (z != NULL)
		zone_cache_put(at, z);
	return z;
}

void zone_at(const struct zone *z, int64_t s, struct zone_span *ret_span)
{
	int low = 0, high = z->count, middle;

	/* low: how many changes there have been. */
	while (low < high) {
		middle = (low + high) / 2;
		if (z->at_s[middle] <= s)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == z->count && z->has_rule) {
		zone_rule_at(&z->rule, s, ret_span);
	} else {
		ret_span->from_s = INT64_MIN;
		ret_span->until_s = low < z->count ? z->at_s[low] : INT64_MAX;
		ret_span->offset_s = z->offset_s[low];
	}
	if (low > 0 && ret_span->from_s < z->at_s[low - 1])
		ret_span->from_s = z->at_s[low - 1];
}

int64_t zone_wall(const struct zone *z, int64_t s)
{
	struct zone_span span;

	zone_at(z, s, &span);
	return s + span.offset_s;
}

int64_t zone_wall_max(const struct zone *z, int64_t s)
{
	struct zone_span span;
	int64_t most, last;

	zone_at(z, s, &span);
	most = s + span.offset_s;
	while (span.from_s > s - ZONE_REACH_S) {
		last = span.from_s - 1;
		zone_at(z, last, &span);
		if (last + span.offset_s > most)
			most = last + span.offset_s;
	}
	return most;
}

int64_t zone_first(const struct zone *z, int64_t wall_s)
{
	struct zone_span span;
	int64_t s;

	/* The clocks can not show it before that. */
	zone_at(z, wall_s - ZONE_OFFSET_MAX, &span);
	for (;;) {
		s = wall_s - span.offset_s;
		if (s < span.from_s)
			return span.from_s;
		if (s < span.until_s)
			return s;
		zone_at(z, span.until_s, &span);
	}
}
