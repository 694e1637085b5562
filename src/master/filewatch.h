/* SPDX-License-Identifier: ISC */
/*
 * filewatch - replace a pool's processes when files change (development).
 */
#ifndef MASTER_FILEWATCH_H
#define MASTER_FILEWATCH_H

struct pool;
struct filewatch;

/* Watch the paths of the pool's `watch:`, directories with all below them
 * (hidden ones left out).  What can't be watched is a warning.  NULL when
 * nothing can be. */
struct filewatch *filewatch_new(struct pool *p);
void filewatch_free(struct filewatch *w);

#endif
