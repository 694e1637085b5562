/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ARENA_FIRST_BLOCK 4096
#define ARENA_LAST_BLOCK  65536

struct arena_block {
	struct arena_block *next;
	size_t size; /* bytes of data[] */
	size_t used;
	max_align_t data[];
};

struct arena {
	struct arena_block *blocks; /* the newest first */
	size_t used;
};

static void mem_exhausted(size_t size) __attribute__((noreturn));

static void mem_exhausted(size_t size)
{
	fprintf(stderr, "reeve: out of memory (%zu bytes wanted)\n", size);
	abort();
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (p == NULL)
		mem_exhausted(size);
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (p == NULL)
		mem_exhausted(size);
	return p;
}

void *xrealloc(void *ptr, size_t size)
{
	void *p = realloc(ptr, size ? size : 1);

	if (p == NULL)
		mem_exhausted(size);
	return p;
}

void *xreallocarray(void *ptr, size_t count, size_t size)
{
	void *p = reallocarray(ptr, count ? count : 1, size ? size : 1);

	if (p == NULL)
		mem_exhausted(size);
	return p;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t len)
{
	char *p;

	len = strnlen(s, len);
	p = xmalloc(len + 1);
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n == -1)
		mem_exhausted(0);
	return p;
}

struct arena *arena_new(void)
{
	return xcalloc(1, sizeof(struct arena));
}

void arena_free(struct arena *a)
{
	struct arena_block *b, *next;

	if (a == NULL)
		return;
	for (b = a->blocks; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

static struct arena_block *arena_grow(struct arena *a, size_t size)
{
	size_t want = ARENA_FIRST_BLOCK;
	struct arena_block *b;

	if (a->blocks != NULL)
		want = a->blocks->size * 2;
	if (want > ARENA_LAST_BLOCK)
		want = ARENA_LAST_BLOCK;
	if (want < size)
		want = size;
	b = xmalloc(sizeof(*b) + want);
	b->size = want;
	b->used = 0;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = sizeof(max_align_t);
	struct arena_block *b = a->blocks;
	size_t need = (size + align - 1) / align * align;
	void *p;

	if (need == 0)
		need = align;
	if (b == NULL || b->size - b->used < need)
		b = arena_grow(a, need);
	p = (char *)b->data + b->used;
	b->used += need;
	a->used += need;
	return memset(p, 0, need);
}

void *arena_alloc_aligned(struct arena *a, size_t size, size_t align)
{
	uintptr_t p = (uintptr_t)arena_alloc(a, size + align - 1);

	return (void *)((p + align - 1) & ~(uintptr_t)(align - 1));
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p;

	len = strnlen(s, len);
	p = arena_alloc(a, len + 1);
	memcpy(p, s, len);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p, *q;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n == -1)
		mem_exhausted(0);
	q = arena_strndup(a, p, (size_t)n);
	free(p);
	return q;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
