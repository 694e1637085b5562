/* SPDX-License-Identifier: ISC */
/*
 * fields - any bytes as a header field of a proxy or a client.
 *
 * Whatever stands in front of a hop that is not trusted, the client is that
 * hop; and gzip is asked for by who names it.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/http_gzip.h"
#include "loop/http_origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static void check_address(const char *text)
{
	unsigned char bytes[16];
	char again[HTTP_ORIGIN_TEXT_MAX] = "";

	if (inet_pton(AF_INET, text, bytes) == 1)
		inet_ntop(AF_INET, bytes, again, sizeof(again));
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		inet_ntop(AF_INET6, bytes, again, sizeof(again));
	must(strcmp(text, again) == 0, "an address is in its normal form");
}

static void check_walk(enum http_origin_field field, const char *text,
	const char *hop, const char *more)
{
	struct http_origin *o = http_origin_new(field);
	struct http_origin_walk w = { .origin = o };
	struct err err;
	char *joined;

	if (http_origin_add(o, "10.0.0.0/8", &err) != 0)
		abort();
	http_origin_feed(&w, text);
	if (w.has_address)
		check_address(w.address);
	http_origin_feed(&w, hop);
	must(w.has_address && strcmp(w.address, "1.2.3.4") == 0,
		"who is not trusted ends the walk");
	joined = xasprintf("%s,%s", text, more);
	http_origin_feed(&w, joined);
	/* A quote that is open may swallow the rest: then nobody is named. */
	must(field == HTTP_ORIGIN_FORWARDED
			? !w.has_address || strcmp(w.address, "1.2.3.4") == 0 ||
				  strcmp(w.address, "10.0.0.1") == 0
			: strcmp(w.address, "1.2.3.4") == 0,
		"who is not trusted ends the walk within a field as well");
	free(joined);
	http_origin_free(o);
}

static void check_trust(const char *text)
{
	struct http_origin *o = http_origin_new(HTTP_ORIGIN_FORWARDED);
	struct err err = { 0, "" };
	int added = http_origin_add(o, text, &err);

	must(added == 0 || err.text[0] != '\0', "a refusal says why");
	if (added == 0 && strchr(text, '/') == NULL)
		must(http_origin_trusts(o, text), "who is named is trusted");
	must(added == 0 || !http_origin_trusts(o, "10.0.0.1"),
		"a refusal trusts nobody");
	http_origin_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	check_walk(HTTP_ORIGIN_X_FORWARDED_FOR, text, "1.2.3.4, 10.0.0.1",
		"1.2.3.4,10.0.0.1");
	check_walk(HTTP_ORIGIN_FORWARDED, text, "for=1.2.3.4,for=10.0.0.1",
		"for=1.2.3.4, for=10.0.0.1");
	check_trust(text);
	if (http_gzip_is_wanted(text))
		must(strcasestr(text, "gzip") != NULL ||
				strchr(text, '*') != NULL,
			"gzip is wanted by who names it");
	free(text);
	return 0;
}
