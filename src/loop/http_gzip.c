/* SPDX-License-Identifier: ISC */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "loop/http_gzip.h"

#define GZIP_LIB    "libz.so.1"
#define GZIP_LEVEL  1
#define GZIP_WINDOW (13 + 16) /* 8 KiB; 16 asks for gzip's header */
#define GZIP_MEMORY 6         /* 64 KiB with the window */

static struct gzip_lib {
	bool is_tried;
	int (*init)(z_streamp z, int level, int method, int window, int memory,
		int strategy, const char *version, int size);
	int (*deflate)(z_streamp z, int flush);
	int (*end)(z_streamp z);
} gzip_lib;

static bool gzip_find(void *library, const char *name, void *ret_function)
{
	void *symbol = dlsym(library, name);

	memcpy(ret_function, &symbol, sizeof(symbol));
	return symbol != NULL;
}

/* Kept until the process ends. */
static const struct gzip_lib *gzip_load(void)
{
	struct gzip_lib *l = &gzip_lib;
	void *library;

	if (l->is_tried)
		return l->end == NULL ? NULL : l;
	l->is_tried = true;
	library = dlopen(GZIP_LIB, RTLD_NOW | RTLD_LOCAL);
	if (library != NULL && gzip_find(library, "deflateInit2_", &l->init) &&
		gzip_find(library, "deflate", &l->deflate) &&
		gzip_find(library, "deflateEnd", &l->end))
		return l;
	log_warn("cannot load " GZIP_LIB ": %s, answers are not compressed",
		library == NULL ? dlerror() : "it is no zlib");
	l->end = NULL;
	return NULL;
}

bool http_gzip_suits(const char *content_type)
{
	if (content_type == NULL ||
		strncasecmp(content_type, "text/event-stream", 17) == 0)
		return false;
	return strncasecmp(content_type, "text/", 5) == 0 ||
	       strncasecmp(content_type, "application/json", 16) == 0 ||
	       strcasestr(content_type, "+json") != NULL;
}

/* The weight of ";q=0.5" in thousandths; 1000 without one, -1 when it is
 * none. */
static int gzip_weight(const char *params, size_t len)
{
	const char *end = params + len;
	int weight = 0, scale = 1000;

	while (params < end && strchr(" \t;", *params) != NULL)
		params++;
	if (params == end)
		return 1000;
	if (end - params < 3 || (*params | 0x20) != 'q' || params[1] != '=' ||
		params[2] < '0' || params[2] > '1')
		return -1;
	weight = (params[2] - '0') * scale;
	params += 3;
	if (params < end && *params == '.')
		for (params++; params < end && scale > 1; params++) {
			if (*params < '0' || *params > '9')
				break;
			scale /= 10;
			weight += (*params - '0') * scale;
		}
	while (params < end && (*params == ' ' || *params == '\t'))
		params++;
	return params == end && weight <= 1000 ? weight : -1;
}

bool http_gzip_is_wanted(const char *accept_encoding)
{
	int any = -1, gzip = -1, identity = 0, weight;
	const char *at = accept_encoding;
	size_t len, name;

	for (; at != NULL && *at != '\0'; at += len) {
		at += strspn(at, ", \t");
		len = strcspn(at, ",");
		name = strcspn(at, ",; \t");
		weight = gzip_weight(at + name, len - name);
		if (name == 1 && *at == '*')
			any = weight;
		else if ((name == 4 && strncasecmp(at, "gzip", 4) == 0) ||
			 (name == 6 && strncasecmp(at, "x-gzip", 6) == 0))
			gzip = weight;
		else if (name == 8 && strncasecmp(at, "identity", 8) == 0)
			identity = weight;
	}
	if (gzip == -1)
		gzip = any;
	return gzip > 0 && gzip >= identity;
}

bool http_gzip(const void *data, size_t len, struct buf *out)
{
	const struct gzip_lib *l = gzip_load();
	z_stream z;
	int end;

	memset(&z, 0, sizeof(z));
	if (l == NULL || l->init(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
				 GZIP_MEMORY, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
				 (int)sizeof(z)) != Z_OK)
		return false;
	/* It does not write to what it reads. */
	memcpy(&z.next_in, &data, sizeof(data));
	z.avail_in = (uInt)len;
	/* With no more room than the answer has, longer is an error. */
	z.next_out = (unsigned char *)buf_reserve(out, len);
	z.avail_out = (uInt)len;
	end = l->deflate(&z, Z_FINISH);
	(void)l->end(&z);
	if (end != Z_STREAM_END)
		return false;
	out->len += z.total_out;
	out->data[out->len] = '\0';
	return true;
}
