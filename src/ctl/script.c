/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "ctl/script.h"

/* What tells whether a semicolon ends the statement. */
struct script_state {
	int depth;  /* of brackets */
	int bodies; /* BEGIN and CASE without their END, in a function */
	int words;
	long begin; /* line of the token under way */
	struct script_statement *st;
};

static bool script_is_letter(char c)
{
	unsigned char u = (unsigned char)c;

	return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || u == '_' ||
	       u >= 0x80;
}

static bool script_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

void script_init(struct script *s, const char *text)
{
	s->at = text;
	s->line = 1;
}

static void script_step(struct script *s)
{
	if (*s->at++ == '\n')
		s->line++;
}

/* To behind the next `end`; -1: there is none. */
static int script_pass(struct script *s, const char *end, size_t len)
{
	while (*s->at != '\0' && strncmp(s->at, end, len) != 0)
		script_step(s);
	if (*s->at == '\0')
		return -1;
	s->at += len;
	return 0;
}

/* Comments may be nested. */
static int script_comment(struct script *s)
{
	int depth = 0;

	do {
		if (strncmp(s->at, "/*", 2) == 0 ||
			strncmp(s->at, "*/", 2) == 0) {
			depth += *s->at == '/' ? 1 : -1;
			s->at += 2;
		} else if (*s->at == '\0') {
			return -1;
		} else {
			script_step(s);
		}
	} while (depth > 0);
	return 0;
}

/* A string or a quoted name; a doubled quote in it looks like the next one. */
static int script_quoted(struct script *s, bool has_escapes)
{
	char quote = *s->at++;

	while (*s->at != quote) {
		if (has_escapes && *s->at == '\\')
			script_step(s);
		if (*s->at == '\0')
			return -1;
		script_step(s);
	}
	s->at++;
	return 0;
}

/* $$ or $tag$; $1 is none. */
static int script_dollar(struct script *s)
{
	const char *tag = s->at, *end = tag + 1;

	if (script_is_letter(*end))
		while (script_is_letter(*end) || script_is_digit(*end))
			end++;
	if (*end != '$') {
		s->at++;
		return 0;
	}
	end++;
	s->at = end;
	return script_pass(s, tag, (size_t)(end - tag));
}

static bool script_is_word(const char *word, size_t len, const char *wanted)
{
	return strlen(wanted) == len && strncasecmp(word, wanted, len) == 0;
}

/* CREATE [OR REPLACE] FUNCTION or PROCEDURE. */
static bool script_is_function(const struct script_statement *st)
{
	const char *what = st->words[1];

	if (strcmp(st->words[0], "create") != 0)
		return false;
	if (strcmp(what, "or") == 0)
		what = st->words[3];
	return strcmp(what, "function") == 0 || strcmp(what, "procedure") == 0;
}

static void script_note(struct script_state *x, const char *word, size_t len)
{
	size_t i;

	if (x->words < SCRIPT_WORDS) {
		char *to = x->st->words[x->words++];

		for (i = 0; i < len && i < SCRIPT_WORD_MAX - 1; i++)
			to[i] = (char)(word[i] >= 'A' && word[i] <= 'Z'
					       ? word[i] | 32
					       : word[i]);
		to[i] = '\0';
	}
	if (x->depth > 0 || !script_is_function(x->st))
		return;
	if (script_is_word(word, len, "begin") ||
		(x->bodies > 0 && script_is_word(word, len, "case")))
		x->bodies++;
	else if (x->bodies > 0 && script_is_word(word, len, "end"))
		x->bodies--;
}

static int script_word(struct script *s, struct script_state *x)
{
	const char *word = s->at;

	while (script_is_letter(*s->at) || script_is_digit(*s->at) ||
		*s->at == '$')
		s->at++;
	if (*s->at == '\'' && script_is_word(word, (size_t)(s->at - word), "e"))
		return script_quoted(s, true);
	script_note(x, word, (size_t)(s->at - word));
	return 0;
}

/* Over one token. */
static int script_token(struct script *s, struct script_state *x)
{
	char c = *s->at;

	x->begin = s->line;
	if (script_is_letter(c))
		return script_word(s, x);
	if (c == '\'' || c == '"')
		return script_quoted(s, false);
	if (c == '$')
		return script_dollar(s);
	if (strncmp(s->at, "/*", 2) == 0)
		return script_comment(s);
	if (strncmp(s->at, "--", 2) == 0) {
		s->at += strcspn(s->at, "\n");
		return 0;
	}
	if (script_is_digit(c)) {
		while (script_is_letter(*s->at) || script_is_digit(*s->at))
			s->at++;
		return 0;
	}
	if (c == '(')
		x->depth++;
	else if (c == ')' && x->depth > 0)
		x->depth--;
	script_step(s);
	return 0;
}

/* To where a statement, or a comment without an end, begins: *ret_line. */
static int script_begin(struct script *s, long *ret_line)
{
	for (;;) {
		*ret_line = s->line;
		if (strchr(" \t\r\n\f\v;", *s->at) != NULL && *s->at != '\0')
			script_step(s);
		else if (strncmp(s->at, "--", 2) == 0)
			s->at += strcspn(s->at, "\n");
		else if (strncmp(s->at, "/*", 2) != 0)
			return 0;
		else if (script_comment(s) != 0)
			return -1;
	}
}

int script_next(struct script *s, struct script_statement *ret)
{
	struct script_state x = { .st = ret };

	memset(ret, 0, sizeof(*ret));
	if (script_begin(s, &ret->line) != 0)
		return -1;
	ret->text = s->at;
	if (*s->at == '\0')
		return 0;
	while (*s->at != '\0' &&
		(*s->at != ';' || x.depth > 0 || x.bodies > 0)) {
		if (script_token(s, &x) != 0) {
			ret->line = x.begin;
			return -1;
		}
	}
	ret->len = (size_t)(s->at - ret->text);
	return 1;
}

bool script_is_transaction(const struct script_statement *st)
{
	static const char *const words[] = { "begin", "start", "commit", "end",
		"abort", "rollback" };
	size_t i;

	if (strcmp(st->words[0], "prepare") == 0)
		return strcmp(st->words[1], "transaction") == 0;
	/* To a savepoint. */
	if (strcmp(st->words[0], "rollback") == 0 &&
		(strcmp(st->words[1], "to") == 0 ||
			strcmp(st->words[2], "to") == 0))
		return false;
	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(st->words[0], words[i]) == 0)
			return true;
	return false;
}

long script_line(const struct script_statement *st, int64_t position)
{
	const char *at = st->text, *end = st->text + st->len;
	long line = st->line;

	for (; position > 1 && at < end; at++) {
		if (*at == '\n')
			line++;
		/* The next byte begins a character. */
		if (at + 1 < end && ((unsigned char)at[1] & 0xc0) != 0x80)
			position--;
	}
	return line;
}
