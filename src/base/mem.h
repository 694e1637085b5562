/* SPDX-License-Identifier: ISC */
/*
 * mem - allocation that cannot fail, and the arena.
 *
 * The x functions abort the process on exhaustion: they are for sizes the
 * program chooses itself.  A size that comes from outside is checked against
 * a named limit first.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size)
	__attribute__((malloc, returns_nonnull));
void *xrealloc(void *ptr, size_t size) __attribute__((returns_nonnull));
void *xreallocarray(void *ptr, size_t count, size_t size)
	__attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t len)
	__attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
	__attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/*
 * An arena: many allocations that die together.  Blocks of 4 KiB grow by
 * doubling to 64 KiB; nothing is freed one by one.
 */
struct arena;

struct arena *arena_new(void);
/* Frees all that came from it.  NULL is a no-op. */
void arena_free(struct arena *a);
/* Zeroed memory, aligned for any type; lives until arena_free. */
void *arena_alloc(struct arena *a, size_t size)
	__attribute__((returns_nonnull));
/* The same for a type that wants more: align is a power of two. */
void *arena_alloc_aligned(struct arena *a, size_t size, size_t align)
	__attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s)
	__attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t len)
	__attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((returns_nonnull, format(printf, 2, 3)));
/* Bytes handed out so far: for limits on what a hostile input may cost. */
size_t arena_used(const struct arena *a);

#endif
