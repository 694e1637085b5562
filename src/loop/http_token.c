/* SPDX-License-Identifier: ISC */
#include "loop/http_token.h"

#define VALUE  2 /* HTAB, SP, obs-text */
#define SYMBOL 6 /* visible, not of a token */
#define TOKEN  7

/* clang-format off */
const unsigned char http_token_table[256] = {
	['\t'] = VALUE, [' '] = VALUE,
	['!'] = TOKEN, ['"'] = SYMBOL, ['#' ... '\''] = TOKEN,
	['('] = SYMBOL, [')'] = SYMBOL, ['*'] = TOKEN, ['+'] = TOKEN,
	[','] = SYMBOL, ['-'] = TOKEN, ['.'] = TOKEN, ['/'] = SYMBOL,
	['0' ... '9'] = TOKEN, [':' ... '@'] = SYMBOL,
	['A' ... 'Z'] = TOKEN, ['[' ... ']'] = SYMBOL,
	['^' ... 'z'] = TOKEN, ['{'] = SYMBOL, ['|'] = TOKEN,
	['}'] = SYMBOL, ['~'] = TOKEN,
	[0x80 ... 0xff] = VALUE,
};
/* clang-format on */
