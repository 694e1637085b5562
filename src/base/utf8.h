/* SPDX-License-Identifier: ISC */
/*
 * utf8 - well-formed UTF-8 after table 3-7 of the Unicode standard: no
 * overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* Bytes (1 to 4) of the character at s, of which len bytes are there;
 * 0 if it is not well formed. */
size_t utf8_length(const char *s, size_t len);
/* Bytes of the longest well-formed start of s: len if all is well. */
size_t utf8_valid(const char *s, size_t len);

#endif
