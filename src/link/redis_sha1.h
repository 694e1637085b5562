/* SPDX-License-Identifier: ISC */
/*
 * redis_sha1 - the name Redis gives to a script (FIPS 180-4, section 6.1).
 * Not for anything that must be secure.
 */
#ifndef LINK_REDIS_SHA1_H
#define LINK_REDIS_SHA1_H

#include <stddef.h>

#define REDIS_SHA1_MAX 41

/* 40 small hexadecimal digits and the NUL. */
void redis_sha1(const void *data, size_t len, char ret_hex[REDIS_SHA1_MAX]);

#endif
