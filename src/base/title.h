/* SPDX-License-Identifier: ISC */
/*
 * title - what ps(1) shows for a process.
 */
#ifndef BASE_TITLE_H
#define BASE_TITLE_H

/* Remember where the kernel keeps the arguments; call it once in main, before
 * anything keeps a pointer into argv. Returns a copy of argv to use instead
 * (NULL-terminated, never freed). */
char **title_init(int argc, char **argv);
/* "reeved: TEXT"; cut to the room there is.  A no-op before title_init. */
void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
