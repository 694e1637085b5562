/* SPDX-License-Identifier: ISC */
/*
 * script - the statements of an SQL file, one by one.
 *
 * Knows as much of SQL as tells where a statement ends: quotes, dollar quotes,
 * comments, brackets, and bodies of functions between BEGIN ATOMIC and END.
 */
#ifndef CTL_SCRIPT_H
#define CTL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_WORD_MAX 16
#define SCRIPT_WORDS    4

struct script {
	const char *at;
	long line; /* of `at`, from 1 */
};

struct script_statement {
	const char *text; /* borrowed from the file, without the semicolon */
	size_t len;
	long line; /* where it begins, from 1 */
	/* Its first words in small letters, "" behind the last. */
	char words[SCRIPT_WORDS][SCRIPT_WORD_MAX];
};

/* Borrows the text, which ends with a NUL. */
void script_init(struct script *s, const char *text);
/* 1; 0: there is no further one; -1: what begins in line ret->line does not
 * end. */
int script_next(struct script *s, struct script_statement *ret);
/* Does it begin or end a transaction? */
bool script_is_transaction(const struct script_statement *st);
/* The line of the file that its character `position`, from 1, is in; without
 * one (0) that of its begin. */
long script_line(const struct script_statement *st, int64_t position);

#endif
