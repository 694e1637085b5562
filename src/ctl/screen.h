/* SPDX-License-Identifier: ISC */
/*
 * screen - what standard output is: its size, and whether it has colours.
 */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include <stdbool.h>

struct screen {
	bool is_terminal;
	bool colour; /* a terminal, and NO_COLOR is not set */
	bool utf8;
	int width; /* columns; 0: no limit */
	int height;
};

enum screen_colour {
	SCREEN_PLAIN = 0,
	SCREEN_GOOD = 1,
	SCREEN_CHANGING = 2,
	SCREEN_BAD = 3,
	SCREEN_DIM = 4,
	SCREEN_HEAD = 5,
	SCREEN_COLOUR_COUNT
};

void screen_init(struct screen *s);
/* The escape sequence that begins a colour, "" without colours. */
const char *screen_on(const struct screen *s, enum screen_colour colour);
const char *screen_off(const struct screen *s, enum screen_colour colour);
/* The colour of a state's name (worker, pool or node). */
enum screen_colour screen_state(const char *state);

#endif
