/* SPDX-License-Identifier: ISC */
/*
 * source - how a version is got, proved and unpacked: as commands, which the
 * deploy worker and `reevectl deploy gate` run, each in its own way.
 *
 * What is proved is what is unpacked: a copy that nobody else writes to.
 */
#ifndef DEPLOY_SOURCE_H
#define DEPLOY_SOURCE_H

#include <stdint.h>

#include "base/err.h"

struct deploy_options;

#define SOURCE_WORDS_MAX 24

/* A version, and where it is put: PLACE.partial is its tree, PLACE.archive what
 * it was packed in. */
struct source {
	const struct deploy_options *options;
	const char *version;
	char *place;
};

/* In their order; a source has not all of them. */
enum source_part {
	SOURCE_CLEAR = 0, /* what an earlier try has left */
	SOURCE_MAKE_REPOSITORY,
	SOURCE_GET,
	SOURCE_GET_PROOF,
	SOURCE_PROVE,
	SOURCE_CLEAR_TREE,
	SOURCE_MAKE_TREE,
	SOURCE_UNPACK,
	SOURCE_INSPECT,
	SOURCE_PART_COUNT
};

/* A command, and how long it may take. */
struct source_command {
	char *words[SOURCE_WORDS_MAX]; /* heap, NULL at the end */
	int64_t timeout_us;
};

/* The command of a part: 1, with what source_command_done frees; 0 when this
 * source has no such part; -1 with err. */
int source_command(const struct source *s, enum source_part part,
	struct source_command *ret, struct err *err);
void source_command_done(struct source_command *c);
/* The command of a part ended with 0 and printed this: is it well?  0, or -1
 * with err. */
int source_check(const struct source *s, enum source_part part,
	const char *output, struct err *err);
/* What its commands have in their environment, NULL at the end; heap. */
char **source_env(const struct source *s);
/* Remove PLACE.archive and its proof. */
void source_drop_archive(const struct source *s);

#endif
