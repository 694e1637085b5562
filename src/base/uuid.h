/* SPDX-License-Identifier: ISC */
/*
 * uuid - ids that sort by the time they were made (RFC 9562, version 7).
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36

/*
 * A new id in its text form, 36 bytes and a NUL.
 *
 * Each is greater than all that this process has made before, also when the
 * wall clock goes back: behind the milliseconds stands a counter of 26 bits
 * (section 6.2, method 1), and behind that 48 bits of chance, so two
 * processes, forked or not, never meet.
 */
void uuid_new(char ret_text[UUID_TEXT_LEN + 1]);
/* One that always comes out the same for a time (ms since 1970) and `len`
 * bytes: the name of what has none.  No secret, and no proof against those
 * who look for two of a kind. */
void uuid_derive(int64_t ms, const void *data, size_t len,
	char ret_text[UUID_TEXT_LEN + 1]);
/* Is this the text form of a version 7, in lower or upper case? */
bool uuid_is_v7(const char *text);

#endif
