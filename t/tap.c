/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

static int planned, run, failed;

void plan(int count)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	planned = count;
	printf("1..%d\n", count);
}

static bool tap_line(bool held, const char *fmt, va_list ap)
{
	printf("%sok %d - ", held ? "" : "not ", ++run);
	vprintf(fmt, ap);
	putchar('\n');
	if (!held)
		failed++;
	return held;
}

bool ok(bool held, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_line(held, fmt, ap);
	va_end(ap);
	return held;
}

bool is_int(int64_t wanted, int64_t seen, const char *fmt, ...)
{
	bool held = wanted == seen;
	va_list ap;

	va_start(ap, fmt);
	tap_line(held, fmt, ap);
	va_end(ap);
	if (!held)
		note("wanted %" PRId64 ", seen %" PRId64, wanted, seen);
	return held;
}

bool is_str(const char *wanted, const char *seen, const char *fmt, ...)
{
	bool held = wanted == NULL || seen == NULL ? wanted == seen
						   : strcmp(wanted, seen) == 0;
	va_list ap;

	va_start(ap, fmt);
	tap_line(held, fmt, ap);
	va_end(ap);
	if (!held) {
		note("wanted: %s", wanted ? wanted : "(null)");
		note("seen:   %s", seen ? seen : "(null)");
	}
	return held;
}

bool has_str(const char *part, const char *seen, const char *fmt, ...)
{
	bool held = seen != NULL && strstr(seen, part) != NULL;
	va_list ap;

	va_start(ap, fmt);
	tap_line(held, fmt, ap);
	va_end(ap);
	if (!held) {
		note("wanted a text with: %s", part);
		note("seen: %s", seen ? seen : "(null)");
	}
	return held;
}

void note(const char *fmt, ...)
{
	char text[4096], *line, *rest;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (line = strtok_r(text, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest))
		printf("# %s\n", line);
}

void skip(const char *why, int count)
{
	while (count-- > 0)
		printf("ok %d # SKIP %s\n", ++run, why);
}

void bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(255);
}

int tap_done(void)
{
	if (planned == 0)
		printf("1..%d\n", run);
	else if (planned != run)
		printf("# planned %d, ran %d\n", planned, run);
	return failed != 0 || (planned != 0 && planned != run);
}
