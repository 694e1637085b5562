/* SPDX-License-Identifier: ISC */
/*
 * http_lib - the functions of libcurl that we call, found at run time.
 */
#ifndef LINK_HTTP_LIB_H
#define LINK_HTTP_LIB_H

/* Its macros of the same names would check the arguments of nothing here. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/err.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

struct http_lib {
	__typeof__(&curl_global_init) global_init;
	__typeof__(&curl_easy_init) easy_init;
	__typeof__(&curl_easy_reset) easy_reset;
	__typeof__(&curl_easy_cleanup) easy_cleanup;
	__typeof__(&curl_easy_setopt) easy_setopt;
	__typeof__(&curl_easy_getinfo) easy_getinfo;
	__typeof__(&curl_easy_strerror) easy_strerror;
	__typeof__(&curl_multi_init) multi_init;
	__typeof__(&curl_multi_cleanup) multi_cleanup;
	__typeof__(&curl_multi_setopt) multi_setopt;
	__typeof__(&curl_multi_assign) multi_assign;
	__typeof__(&curl_multi_add_handle) multi_add_handle;
	__typeof__(&curl_multi_remove_handle) multi_remove_handle;
	__typeof__(&curl_multi_socket_action) multi_socket_action;
	__typeof__(&curl_multi_info_read) multi_info_read;
	__typeof__(&curl_multi_strerror) multi_strerror;
	__typeof__(&curl_slist_append) slist_append;
	__typeof__(&curl_slist_free_all) slist_free_all;
	__typeof__(&curl_url) url;
	__typeof__(&curl_url_set) url_set;
	__typeof__(&curl_url_get) url_get;
	__typeof__(&curl_url_cleanup) url_cleanup;
	__typeof__(&curl_url_strerror) url_strerror;
	__typeof__(&curl_free) free;
	__typeof__(&curl_getdate) getdate;
};

/* Load and initialise it, once in a process; NULL with err. */
const struct http_lib *http_lib_load(struct err *err);

#endif
