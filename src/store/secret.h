/* SPDX-License-Identifier: ISC */
/*
 * secret - params that are kept sealed, and opened for the handler alone.
 *
 * The keys are in a file, never in the database.  What is sealed names the
 * tenant and the definition or instance it belongs to, and opens only there.
 * Opened it is in the memory of the worker that runs the task, and nowhere in
 * an envelope.
 */
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

#include <stddef.h>

#include "base/err.h"

struct buf;
struct secret;
struct task;

#define SECRET_MAX 65536 /* bytes of the JSON of one */

/* Read the keys of database.secret_key_file: the first seals, any may open.
 * path NULL: NULL with err, too, which says what is not set. */
struct secret *secret_open(const char *path, struct err *err);
/* Overwrites the keys.  NULL is a no-op. */
void secret_close(struct secret *s);

/* Append the sealed JSON object text[0..len) as a bytea's text to out. */
void secret_seal(const struct secret *s, const char *tenant, const char *owner,
	const char *text, size_t len, struct buf *out);
/* A hash of what has secrets in it, that tells who has not the key nothing: 32
 * bytes.  s NULL: of what has none. */
void secret_hash(const struct secret *s, const void *data, size_t len,
	unsigned char ret_hash[32]);
/* Append the names of its members as a JSON array. */
void secret_names(const char *text, size_t len, struct buf *out);
/*
 * Give the task what is sealed besides its params, where both have a name
 * instead of them.  sealed: as a run has it (store/writer.h): its owner, a
 * blank, and hex digits.  s may be NULL.
 * 0, or -1 with err, for the run's error: there is no key, or another one.
 */
int secret_give(const struct secret *s, struct task *t, const char *sealed,
	struct err *err) __attribute__((warn_unused_result));

#endif
