/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/script.h"
#include "tap.h"

/* "1:a|3:b": where each statement begins, and what it is; "!4": where what
 * has no end begins. */
static const char *split(const char *text)
{
	static char out[512];
	struct script_statement st;
	struct script s;
	size_t n = 0;
	int more;

	out[0] = '\0';
	script_init(&s, text);
	while ((more = script_next(&s, &st)) == 1)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%ld:%.*s",
			n > 0 ? "|" : "", st.line, (int)st.len, st.text);
	if (more == -1)
		snprintf(out + n, sizeof(out) - n, "!%ld", st.line);
	return out;
}

static const struct {
	const char *what, *text, *wanted;
} splits[] = {
	{ "nothing", "", "" },
	{ "comments alone", "-- a;b\n/* ; /* ; */ ; */ ;\n", "" },
	{ "two statements", "a;\nb;\n", "1:a|2:b" },
	{ "the last without a semicolon", "a;\n\nb", "1:a|3:b" },
	{ "a comment before and inside", "-- x\n\na -- ;\nc;b",
		"3:a -- ;\nc|4:b" },
	{ "a semicolon in a string", "a 'x;''y;';b", "1:a 'x;''y;'|1:b" },
	{ "a backslash in a string", "a '\\';b", "1:a '\\'|1:b" },
	{ "an escape in an E string", "a E'\\';';b", "1:a E'\\';'|1:b" },
	{ "a name that ends in e", "a x_e '\\';b", "1:a x_e '\\'|1:b" },
	{ "a quoted name", "a \"x;y\"\"z;\";b", "1:a \"x;y\"\"z;\"|1:b" },
	{ "a dollar quote", "a $$ ;\n $x$ ' $$;b", "1:a $$ ;\n $x$ ' $$|2:b" },
	{ "a dollar quote with a tag", "a $x1$ ; $$ $x$ ; $x1$;b",
		"1:a $x1$ ; $$ $x$ ; $x1$|1:b" },
	{ "dollars that quote nothing", "a $1, b$x$;c", "1:a $1, b$x$|1:c" },
	{ "brackets", "a (b; (c;) d;);e", "1:a (b; (c;) d;)|1:e" },
	{ "the body of a function",
		"create function f() begin atomic\n a; case when b then c end; "
		"end;\nd",
		"1:create function f() begin atomic\n a; case when b then c "
		"end; end|3:d" },
	{ "that of a procedure, replaced",
		"CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC a; END; b",
		"1:CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC a; END|1:b" },
	{ "BEGIN and END elsewhere", "begin; a; end; case; b",
		"1:begin|1:a|1:end|1:case|1:b" },
	{ "a string without an end", "a;\nb 'c;\nd", "1:a!2" },
	{ "a name without an end", "\n\"c", "!2" },
	{ "a dollar quote without an end", "a\n$x$ $$", "!2" },
	{ "a comment without an end", "a;\n\n/* /* */", "1:a!3" },
	{ "a comment without an end, inside", "a\n/*", "!2" },
	{ "an escape at the very end", "E'\\", "!1" },
};

static const struct {
	const char *text;
	bool is_transaction;
} transactions[] = {
	{ "BEGIN", true },
	{ "start transaction", true },
	{ "commit and chain", true },
	{ "COMMIT PREPARED 'x'", true },
	{ "end", true },
	{ "abort", true },
	{ "rollback work", true },
	{ "prepare transaction 'x'", true },
	{ "rollback to savepoint x", false },
	{ "rollback work to x", false },
	{ "prepare x as select 1", false },
	{ "savepoint begin", false },
	{ "release x", false },
	{ "select 'commit'", false },
};

static void test_transactions(void)
{
	struct script_statement st;
	struct script s;
	size_t i;

	for (i = 0; i < sizeof(transactions) / sizeof(*transactions); i++) {
		script_init(&s, transactions[i].text);
		ok(script_next(&s, &st) == 1 &&
				script_is_transaction(&st) ==
					transactions[i].is_transaction,
			"\"%s\" %s a transaction", transactions[i].text,
			transactions[i].is_transaction ? "begins or ends"
						       : "leaves");
	}
}

static void test_lines(void)
{
	struct script_statement st;
	struct script s;

	script_init(&s, "-- a\nb\n  c\xc3\xa4\n\xe2\x82\xac d;");
	is_int(1, script_next(&s, &st), "a statement over lines");
	is_int(2, script_line(&st, 0), "without a position: where it begins");
	is_int(2, script_line(&st, 1), "its first character");
	is_int(3, script_line(&st, 5), "one of its second line");
	is_int(3, script_line(&st, 6), "characters count, not bytes");
	is_int(4, script_line(&st, 8), "the first of its third line");
	is_int(4, script_line(&st, 10), "its last");
	is_int(4, script_line(&st, 999), "beyond it: its last line");
}

int main(void)
{
	size_t i;

	for (i = 0; i < sizeof(splits) / sizeof(*splits); i++)
		is_str(splits[i].wanted, split(splits[i].text), "%s",
			splits[i].what);
	test_transactions();
	test_lines();
	return tap_done();
}
