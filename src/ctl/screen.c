/* SPDX-License-Identifier: ISC */
#include <langinfo.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/screen.h"

#define SCREEN_WIDTH_DEFAULT  80
#define SCREEN_HEIGHT_DEFAULT 24

/* ECMA-48 select graphic rendition. */
static const char *const screen_colours[SCREEN_COLOUR_COUNT] = {
	[SCREEN_PLAIN] = "",
	[SCREEN_GOOD] = "\033[32m",
	[SCREEN_CHANGING] = "\033[33m",
	[SCREEN_BAD] = "\033[31m",
	[SCREEN_DIM] = "\033[2m",
	[SCREEN_HEAD] = "\033[1m",
};

static const struct {
	const char *state;
	enum screen_colour colour;
} screen_states[] = {
	{ "running", SCREEN_GOOD },
	{ "ready", SCREEN_GOOD },
	{ "starting", SCREEN_CHANGING },
	{ "draining", SCREEN_CHANGING },
	{ "rolling", SCREEN_CHANGING },
	{ "reloading", SCREEN_CHANGING },
	{ "upgrading", SCREEN_CHANGING },
	{ "waiting", SCREEN_CHANGING },
	{ "degraded", SCREEN_CHANGING },
	{ "backoff", SCREEN_BAD },
	{ "failed", SCREEN_BAD },
	{ "stopped", SCREEN_DIM },
	{ "stopping", SCREEN_CHANGING },
	{ "drained", SCREEN_DIM },
	{ "done", SCREEN_DIM },
};

void screen_init(struct screen *s)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size = { 0 };

	s->is_terminal = isatty(STDOUT_FILENO);
	s->colour = s->is_terminal &&
		    (no_colour == NULL || *no_colour == '\0') &&
		    (term == NULL || strcmp(term, "dumb") != 0);
	s->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	s->width = 0;
	s->height = SCREEN_HEIGHT_DEFAULT;
	if (!s->is_terminal)
		return;
	s->width = SCREEN_WIDTH_DEFAULT;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1)
		return;
	if (size.ws_col > 0)
		s->width = size.ws_col;
	if (size.ws_row > 0)
		s->height = size.ws_row;
}

const char *screen_on(const struct screen *s, enum screen_colour colour)
{
	return s->colour ? screen_colours[colour] : "";
}

const char *screen_off(const struct screen *s, enum screen_colour colour)
{
	return s->colour && colour != SCREEN_PLAIN ? "\033[0m" : "";
}

enum screen_colour screen_state(const char *state)
{
	size_t i;

	for (i = 0; i < sizeof(screen_states) / sizeof(*screen_states); i++) {
		if (strcmp(screen_states[i].state, state) == 0)
			return screen_states[i].colour;
	}
	return SCREEN_PLAIN;
}
