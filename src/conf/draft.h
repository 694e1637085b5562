/* SPDX-License-Identifier: ISC */
/*
 * draft - what is known of a configuration while it is being read.
 *
 * Holds the tree of YAML nodes (thrown away at the end), the problems found
 * so far and the budget that keeps hostile files cheap.
 */
#ifndef CONF_DRAFT_H
#define CONF_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "conf/conf.h"

struct node;

/* All files together: with what is made of them below 64 MiB. */
#define DRAFT_BYTES_MAX (4 << 20)
/* Bytes of all values after ${} was filled in. */
#define DRAFT_TEXT_MAX (4 << 20)
/* Comparisons of names in search of the nearest. */
#define DRAFT_NEARS_MAX 20000
/* Rows of conf_pool_options. */
#define DRAFT_ROWS_MAX 128

/* A file, or the command line. */
struct source {
	const char *name; /* as the user gave it */
	const char *dir;  /* absolute: what relative paths stand on */
	const struct source *parent; /* whose `include:` names it */
	dev_t dev;
	ino_t ino;
};

/* A pool and where its settings stand. */
struct draft_pool {
	struct conf_pool *pool;
	const struct node *key;                  /* its name in the file */
	const struct node *rows[DRAFT_ROWS_MAX]; /* by row; NULL: unset */
	const struct node *const *own_rows;      /* the same, of its kind */
};

struct draft {
	const struct conf_source *src;
	const char *text; /* read instead of the file; NULL: the file */
	size_t text_len;
	struct conf_report *report;
	struct arena *scratch; /* the tree; ends with the reading */
	struct arena *keep;    /* of the configuration */
	const struct source *sources[CONF_FILES_MAX + 1];
	size_t source_count;
	size_t nodes, bytes, text_bytes, nears; /* spent so far */
	bool is_spent;  /* a limit was hit, or errors enough: give up */
	bool is_broken; /* some file is no YAML: what is missing is unknown */

	struct draft_pool *pools;
	size_t pool_count;
	const struct node *rows[DRAFT_ROWS_MAX]; /* the global settings */
};

void draft_init(struct draft *d, const struct conf_source *src,
	struct conf_report *report, struct arena *keep);
void draft_done(struct draft *d);

/* An empty pool that lives as long as the draft. */
struct conf_pool *draft_pool_new(struct draft *d);
/* A mark that outlives the reading. */
struct conf_mark draft_keep_mark(struct draft *d, const struct node *n);

/* Add a problem; at most one error for a place.  `at` may be NULL: of no
 * place.  Both return -1. */
int draft_error(struct draft *d, const struct node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int draft_warning(struct draft *d, const struct node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int draft_error_mark(struct draft *d, struct conf_mark mark, const char *fmt,
	...) __attribute__((format(printf, 3, 4)));

/* Take from the budget of nodes.  false, and an error the first time, when
 * it is used up. */
bool draft_spend(struct draft *d, const struct node *at, size_t nodes);

/* The same for entries of a map that are copied or walked over, which cost a
 * quarter of a node. */
bool draft_spend_entries(
	struct draft *d, const struct node *at, size_t entries);

/* `text` in quotes for a message: cut, and control bytes made harmless. */
const char *draft_show(struct draft *d, const char *text);

/* Where row `name` of a pool was set, or the pool itself. */
const struct node *draft_pool_at(const struct draft_pool *p, const char *name);
/* Where a global row was set, or NULL. */
const struct node *draft_at(const struct draft *d, const char *name);

#endif
