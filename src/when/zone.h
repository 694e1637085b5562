/* SPDX-License-Identifier: ISC */
/*
 * zone - what the clocks of a time zone show.
 *
 * Zones are those of the IANA database, read from its files (TZif, RFC 8536)
 * without the C library, whose one zone per process is of no use here.  Only
 * offsets are kept.  Beyond the table of a file, its footer rules for ever.
 */
#ifndef WHEN_ZONE_H
#define WHEN_ZONE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct zone;

#define ZONE_NAME_MAX 64
#define ZONE_FILE_MAX (128 * 1024)
/* What an offset can be (RFC 8536, section 3.2). */
#define ZONE_OFFSET_MIN (-89999)
#define ZONE_OFFSET_MAX 93599

/* Between two changes of the clocks; seconds since 1970 UTC. */
struct zone_span {
	int64_t from_s;   /* INT64_MIN: always was so */
	int64_t until_s;  /* the first second that is not of it; INT64_MAX */
	int32_t offset_s; /* of the clocks from UTC, to the east */
};

/*
 * The zone "Europe/Berlin": read when first asked for, then kept until the
 * process ends, so the answer is borrowed for ever.  "UTC" needs no file.
 * Returns NULL with err: there is no such zone, or its file is broken.
 */
const struct zone *zone_get(const char *name, struct err *err);
/* UTC, which is always there. */
const struct zone *zone_utc(void);
/* As zone_get was asked for it. */
const char *zone_name(const struct zone *z);

/* The span that the second is in. */
void zone_at(const struct zone *z, int64_t s, struct zone_span *ret_span);
/* What the clocks show then, as seconds since their own 1970-01-01. */
int64_t zone_wall(const struct zone *z, int64_t s);
/* The latest that the clocks have shown until then, which is ahead of
 * zone_wall where they were set back a moment ago. */
int64_t zone_wall_max(const struct zone *z, int64_t s);
/*
 * The first second at which the clocks show wall_s or later: the one such
 * second, the first of two when they were set back, and the end of the gap
 * when they were set forward over it.
 */
int64_t zone_first(const struct zone *z, int64_t wall_s);

/* A zone from the bytes of a TZif file; NULL with err.  zone_free takes it. */
struct zone *zone_parse(
	const char *name, const void *bytes, size_t len, struct err *err);
void zone_free(struct zone *z);

#endif
