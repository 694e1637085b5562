/* SPDX-License-Identifier: ISC */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "link/http_lib.h"

/* The ABI that has stood since 2006 (libcurl 7.16). */
#define HTTP_LIB_NAME "libcurl.so.4"

#define ROW(field)                                         \
	{                                                  \
		.name = "curl_" #field,                    \
		.offset = offsetof(struct http_lib, field) \
	}

static const struct {
	const char *name;
	size_t offset;
} http_lib_rows[] = {
	ROW(global_init),
	ROW(easy_init),
	ROW(easy_reset),
	ROW(easy_cleanup),
	ROW(easy_setopt),
	ROW(easy_getinfo),
	ROW(easy_strerror),
	ROW(multi_init),
	ROW(multi_cleanup),
	ROW(multi_setopt),
	ROW(multi_assign),
	ROW(multi_add_handle),
	ROW(multi_remove_handle),
	ROW(multi_socket_action),
	ROW(multi_info_read),
	ROW(multi_strerror),
	ROW(slist_append),
	ROW(slist_free_all),
	ROW(url),
	ROW(url_set),
	ROW(url_get),
	ROW(url_cleanup),
	ROW(url_strerror),
	ROW(free),
	ROW(getdate),
};

static int http_lib_find(void *library, struct http_lib *lib, struct err *err)
{
	void *symbol;
	size_t i;

	for (i = 0; i < sizeof(http_lib_rows) / sizeof(*http_lib_rows); i++) {
		symbol = dlsym(library, http_lib_rows[i].name);
		if (symbol == NULL)
			return err_set(err, 0, "%s has no %s: it is too old",
				HTTP_LIB_NAME, http_lib_rows[i].name);
		memcpy((char *)lib + http_lib_rows[i].offset, &symbol,
			sizeof(symbol));
	}
	return 0;
}

const struct http_lib *http_lib_load(struct err *err)
{
	static struct http_lib loaded;
	static bool is_loaded;
	struct http_lib lib;
	void *library;
	CURLcode code;

	if (is_loaded)
		return &loaded;
	library = dlopen(HTTP_LIB_NAME, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		err_set(err, 0, "cannot load libcurl: %s", dlerror());
		return NULL;
	}
	if (http_lib_find(library, &lib, err) != 0)
		goto fail;
	code = lib.global_init(CURL_GLOBAL_DEFAULT);
	if (code != CURLE_OK) {
		err_set(err, 0, "cannot initialise libcurl: %s",
			lib.easy_strerror(code));
		goto fail;
	}
	loaded = lib;
	is_loaded = true;
	return &loaded;
fail:
	dlclose(library);
	return NULL;
}
