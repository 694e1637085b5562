/* SPDX-License-Identifier: ISC */
/*
 * local - what protects an API without tokens from web pages.
 *
 * With "auth: none" whoever can connect may do all, and only this machine can.
 * But a browser on it carries requests for any page that it shows: to another
 * site's address, or to a name of its own that is made to lead here.
 */
#ifndef API_LOCAL_H
#define API_LOCAL_H

#include <stdbool.h>

struct http_request;

/*
 * Does a request come from this machine's own words, not from a page of
 * elsewhere?  ret_why: else what tells so.
 * knows_names: the node stands behind a proxy, which knows the names that it
 * is called by; otherwise only those of this machine are good.
 */
bool local_is_own(
	const struct http_request *req, bool knows_names, const char **ret_why);

#endif
