/* SPDX-License-Identifier: ISC */
/*
 * uuid - ids that sort by the time they were made (RFC 9562, version 7).
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

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

#endif
