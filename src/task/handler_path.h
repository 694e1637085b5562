/* SPDX-License-Identifier: ISC */
/*
 * handler_path - a value deep in a JSON text, and an id in a URL.
 */
#ifndef TASK_HANDLER_PATH_H
#define TASK_HANDLER_PATH_H

#include <stddef.h>

#include "base/err.h"

/*
 * The string, number or boolean at a dotted path ("data.jobs.0.id": a number
 * is the place in an array), as text on the heap: strings as they mean, the
 * rest as written.
 * NULL with err: no JSON, no such place, or another type there.
 */
char *handler_path_find(
	const char *text, size_t len, const char *path, struct err *err);

/* `url` with each {id} replaced by the id, percent-encoded; heap. */
char *handler_path_url(const char *url, const char *id);

#endif
