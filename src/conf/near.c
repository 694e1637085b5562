/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/draft.h"
#include "conf/near.h"

/* As many as one in three letters, and one more, may be wrong. */
static size_t near_limit(size_t len)
{
	return 1 + len / 3;
}

void near_init(struct near *n, struct draft *d, const char *wanted)
{
	memset(n, 0, sizeof(*n));
	n->d = d;
	n->wanted = wanted;
	n->distance = near_limit(strnlen(wanted, NEAR_NAME_MAX)) + 1;
}

static size_t near_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t near_distance(const char *a, const char *b)
{
	size_t rows[3][NEAR_NAME_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2], *swap;
	size_t alen = strlen(a), blen = strlen(b), i, j;

	for (j = 0; j <= blen; j++)
		last[j] = before[j] = j;
	for (i = 1; i <= alen; i++) {
		now[0] = i;
		for (j = 1; j <= blen; j++) {
			now[j] = near_least(last[j], now[j - 1]) + 1;
			now[j] = near_least(
				now[j], last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
				a[i - 2] == b[j - 1])
				now[j] = near_least(now[j], before[j - 2] + 1);
		}
		swap = before;
		before = last;
		last = now;
		now = swap;
	}
	return last[blen];
}

void near_try(struct near *n, const char *candidate)
{
	size_t distance;

	if (strnlen(n->wanted, NEAR_NAME_MAX) == NEAR_NAME_MAX ||
		strnlen(candidate, NEAR_NAME_MAX) == NEAR_NAME_MAX)
		return;
	if (n->d->nears == DRAFT_NEARS_MAX)
		return;
	n->d->nears++;
	distance = near_distance(n->wanted, candidate);
	if (distance >= n->distance || distance >= strlen(candidate))
		return;
	n->distance = distance;
	snprintf(n->best, sizeof(n->best), "%s", candidate);
}

const char *near_hint(const struct near *n)
{
	if (n->best[0] == '\0')
		return "";
	return arena_printf(n->d->scratch, "; did you mean \"%s\"?", n->best);
}
