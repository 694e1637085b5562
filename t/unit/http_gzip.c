/* SPDX-License-Identifier: ISC */
/* http: answers made smaller. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "loop/http_gzip.h"
#include "tap.h"

static void test_wanted(void)
{
	static const struct {
		const char *field;
		bool is_wanted;
	} rows[] = {
		{ NULL, false },
		{ "", false },
		{ "gzip", true },
		{ "GZip", true },
		{ "x-gzip", true },
		{ "gzip, deflate, br", true },
		{ "br, gzip;q=0.1", true },
		{ "deflate,\tgzip ; q=0.001 ", true },
		{ "gzip;q=1.000", true },
		{ "*", true },
		{ "*;q=0.5, br", true },
		{ "gzip;Q=0.5", true },
		{ "identity;q=0.5, gzip", true },
		{ "identity;q=0.5, gzip;q=0.5", true },
		{ "identity, gzip;q=0.5", false },
		{ "gzip;q=0", false },
		{ "gzip;q=0.000", false },
		{ "gzip;q=0, *", false },
		{ "*;q=0", false },
		{ "identity", false },
		{ "br", false },
		{ "gzipped", false },
		{ "zip", false },
		{ "gzip;q=", false },
		{ "gzip;q=2", false },
		{ "gzip;q=1.5", false },
		{ "gzip;q=0.5x", false },
		{ "gzip;q=0.0001", false },
		{ "gzip;level=1", false },
		{ ",,;;", false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ok(http_gzip_is_wanted(rows[i].field) == rows[i].is_wanted,
			"\"%s\" %s for gzip",
			rows[i].field == NULL ? "(none)" : rows[i].field,
			rows[i].is_wanted ? "asks" : "does not ask");
}

static void test_suits(void)
{
	ok(http_gzip_suits("application/json") &&
			http_gzip_suits("application/json; charset=utf-8") &&
			http_gzip_suits("application/problem+json") &&
			http_gzip_suits("text/plain; version=0.0.4") &&
			http_gzip_suits("Text/HTML"),
		"text and JSON can be made smaller");
	ok(!http_gzip_suits(NULL) && !http_gzip_suits("image/png") &&
			!http_gzip_suits("application/octet-stream") &&
			!http_gzip_suits("text/event-stream"),
		"other things can't, and a stream of events must not");
}

/* Is `packed` data[0..len)? */
static bool unpacks(const struct buf *packed, const char *data, size_t len)
{
	char *back = malloc(len + 1);
	z_stream z;
	bool is_same;

	memset(&z, 0, sizeof(z));
	z.next_in = (unsigned char *)packed->data;
	z.avail_in = (uInt)packed->len;
	z.next_out = (unsigned char *)back;
	z.avail_out = (uInt)len + 1;
	is_same = inflateInit2(&z, 15 + 16) == Z_OK &&
		  inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == len &&
		  memcmp(back, data, len) == 0;
	(void)inflateEnd(&z);
	free(back);
	return is_same;
}

static void test_pack(void)
{
	struct buf json = BUF_INIT, packed = BUF_INIT;
	unsigned i, seed = 1;

	for (i = 0; json.len < 300000; i++) {
		seed = seed * 1103515245U + 12345U;
		buf_printf(&json, "{\"id\":\"%08x\",\"status\":\"SUCCESS\"},",
			seed);
	}
	ok(http_gzip(json.data, json.len, &packed), "JSON is packed");
	ok(packed.len < json.len / 3, "to less than a third");
	ok(unpacks(&packed, json.data, json.len), "and unpacked the same");
	buf_reset(&packed);
	ok(http_gzip(json.data, HTTP_GZIP_MIN, &packed) &&
			unpacks(&packed, json.data, HTTP_GZIP_MIN),
		"so is little of it");
	buf_reset(&packed);
	for (i = 0; i < json.len; i++) {
		seed = seed * 1103515245U + 12345U;
		json.data[i] = (char)(seed >> 16);
	}
	ok(!http_gzip(json.data, json.len, &packed),
		"what would not be smaller is left");
	is_int(0, (int64_t)packed.len, "with nothing appended");
	buf_done(&json);
	buf_done(&packed);
}

int main(void)
{
	test_wanted();
	test_suits();
	test_pack();
	return tap_done();
}
