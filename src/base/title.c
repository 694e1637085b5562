/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/title.h"

static struct {
	char *start; /* of the first argument; NULL: not initialised */
	size_t size; /* bytes to the end of the environment strings */
	char **copy; /* the arguments, moved away */
	char **env;  /* the environment's strings, likewise */
} area;

char **title_init(int argc, char **argv)
{
	char **copy = xcalloc((size_t)argc + 1, sizeof(*copy));
	char *end = argv[0], **e;
	size_t count = 0;
	int i;

	for (i = 0; i < argc; i++) {
		copy[i] = xstrdup(argv[i]);
		if (argv[i] == end)
			end += strlen(end) + 1;
	}
	/* The environment lies behind the arguments: it is moved away, so
	 * that there is room for a title longer than the command was. */
	for (e = environ; *e != NULL; e++)
		count++;
	area.env = xcalloc(count + 1, sizeof(*area.env));
	for (e = environ, count = 0; *e != NULL; e++) {
		if (*e == end)
			end += strlen(end) + 1;
		*e = area.env[count++] = xstrdup(*e);
	}
	area.copy = copy;
	area.start = argv[0];
	area.size = (size_t)(end - argv[0]);
	return copy;
}

void title_set(const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n;

	if (area.start == NULL || area.size < 2)
		return;
	n = snprintf(text, sizeof(text), "reeved: ");
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	memset(area.start, 0, area.size);
	snprintf(area.start, area.size, "%s", text);
}
