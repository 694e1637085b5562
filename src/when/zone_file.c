/* SPDX-License-Identifier: ISC */
/*
 * zone_file - the bytes of a TZif file (RFC 8536), versions 1 to 4.
 *
 * Whatever the bytes are, no more memory is taken than they are long.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "when/zone_data.h"

#define ZONE_FILE_HEADER   44
#define ZONE_FILE_TYPES    256
#define ZONE_FILE_TYPE_LEN 6

struct zone_file {
	const unsigned char *at, *end;
	const char *name;
	struct err *err;
	char version;
	size_t is_ut, is_std, leaps, times, types, chars; /* of the header */
	size_t time_len; /* of one time: 4 in the first block, then 8 */
};

static int zone_file_wrong(struct zone_file *f, const char *what)
{
	return err_set(f->err, 0, "time zone %s: %s", f->name, what);
}

static uint32_t zone_file_word(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static int64_t zone_file_time(const struct zone_file *f, size_t i)
{
	const unsigned char *p = f->at + i * f->time_len;

	if (f->time_len == 4)
		return (int32_t)zone_file_word(p);
	return (int64_t)((uint64_t)zone_file_word(p) << 32 |
			 zone_file_word(p + 4));
}

/* How long the block is that the header tells of. */
static size_t zone_file_block(const struct zone_file *f)
{
	return f->times * (f->time_len + 1) + f->types * ZONE_FILE_TYPE_LEN +
	       f->chars + f->leaps * (f->time_len + 4) + f->is_std + f->is_ut;
}

/* Reads a header and leaves `at` behind it. */
static int zone_file_header(struct zone_file *f, size_t time_len)
{
	const unsigned char *p = f->at;

	if ((size_t)(f->end - p) < ZONE_FILE_HEADER ||
		memcmp(p, "TZif", 4) != 0)
		return zone_file_wrong(f, "this is no file of a time zone");
	f->version = (char)p[4];
	f->is_ut = zone_file_word(p + 20);
	f->is_std = zone_file_word(p + 24);
	f->leaps = zone_file_word(p + 28);
	f->times = zone_file_word(p + 32);
	f->types = zone_file_word(p + 36);
	f->chars = zone_file_word(p + 40);
	f->time_len = time_len;
	f->at += ZONE_FILE_HEADER;
	if (zone_file_block(f) > (size_t)(f->end - f->at))
		return zone_file_wrong(f, "the file is cut off");
	return 0;
}

/* Offset of the type, checked. */
static int zone_file_offset(struct zone_file *f, size_t type, int32_t *ret)
{
	const unsigned char *types = f->at + f->times * (f->time_len + 1);

	if (type >= f->types)
		return zone_file_wrong(f, "a change to nothing");
	*ret = (int32_t)zone_file_word(types + type * ZONE_FILE_TYPE_LEN);
	if (*ret < ZONE_OFFSET_MIN || *ret > ZONE_OFFSET_MAX)
		return zone_file_wrong(f, "an offset of more than a day");
	return 0;
}

/* The table; changes that leave the offset alone are left out. */
static int zone_file_table(struct zone_file *f, struct zone *z)
{
	const unsigned char *types = f->at + f->times * f->time_len;
	int64_t before = INT64_MIN, at;
	int32_t offset;
	size_t i;

	if (f->types == 0 || f->types > ZONE_FILE_TYPES)
		return zone_file_wrong(f, "1 to 256 types were expected");
	if (f->leaps != 0)
		return zone_file_wrong(
			f, "it counts leap seconds, which no clock here does");
	z->at_s = xcalloc(f->times + 1, sizeof(*z->at_s));
	z->offset_s = xcalloc(f->times + 1, sizeof(*z->offset_s));
	if (zone_file_offset(f, 0, &z->offset_s[0]) != 0)
		return -1;
	for (i = 0; i < f->times; i++) {
		at = zone_file_time(f, i);
		if (i > 0 && at <= before)
			return zone_file_wrong(f, "changes out of order");
		before = at;
		if (zone_file_offset(f, types[i], &offset) != 0)
			return -1;
		if (offset == z->offset_s[z->count])
			continue;
		z->at_s[z->count++] = at;
		z->offset_s[z->count] = offset;
	}
	return 0;
}

/* "\nTZ\n" behind the second block. */
static int zone_file_footer(struct zone_file *f, struct zone *z)
{
	const unsigned char *text = f->at + zone_file_block(f);
	const unsigned char *end;

	if (text == f->end || *text != '\n')
		return zone_file_wrong(f, "the footer is missing");
	text++;
	end = memchr(text, '\n', (size_t)(f->end - text));
	if (end == NULL)
		return zone_file_wrong(f, "the footer is cut off");
	if (end == text)
		return 0;
	if (zone_rule_parse(
		    (const char *)text, (size_t)(end - text), &z->rule) != 0)
		return zone_file_wrong(f, "the rule of the footer is wrong");
	z->has_rule = true;
	return 0;
}

static int zone_file_read(struct zone_file *f, struct zone *z)
{
	if (zone_file_header(f, 4) != 0)
		return -1;
	if (f->version == '\0')
		return zone_file_table(f, z);
	f->at += zone_file_block(f);
	if (zone_file_header(f, 8) != 0 || zone_file_table(f, z) != 0)
		return -1;
	return zone_file_footer(f, z);
}

struct zone *zone_parse(
	const char *name, const void *bytes, size_t len, struct err *err)
{
	struct zone_file f = { .at = bytes, .name = name, .err = err };
	struct zone *z;

	if (len > ZONE_FILE_MAX || strlen(name) > ZONE_NAME_MAX) {
		(void)zone_file_wrong(&f, "the name or the file is too long");
		return NULL;
	}
	f.end = f.at + len;
	z = xcalloc(1, sizeof(*z));
	strcpy(z->name, name);
	if (zone_file_read(&f, z) == 0)
		return z;
	zone_free(z);
	return NULL;
}

void zone_free(struct zone *z)
{
	if (z == NULL)
		return;
	free(z->at_s);
	free(z->offset_s);
	free(z);
}
