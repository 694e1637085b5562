/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "store/store.h"

/*
 * On a table not yet analyzed the planner reads all of it for an UPDATE ...
 * FROM unnest.  Rows are to be locked in the order of the array, which a hash
 * join does not keep.
 */
#define STORE_SETUP                    \
	"SET enable_seqscan = off;"    \
	" SET enable_hashjoin = off;"  \
	" SET enable_mergejoin = off;" \
	" SET jit = off"

struct pg *store_open(struct loop *l, const struct conf *conf, const char *name,
	pg_state_fn fn, void *arg, struct err *err)
{
	struct pg_options o = { .url = conf->database_url,
		.connections = (unsigned)conf->database_connections,
		.name = name,
		.connect_timeout_us = conf->database_connect_timeout_us,
		.statement_timeout_us = conf->database_statement_timeout_us,
		.setup = STORE_SETUP };

	return pg_open(l, &o, fn, arg, err);
}

void store_add_text(struct pg_array *a, const char *text, size_t len)
{
	static const char replacement[] = "\xef\xbf\xbd";
	struct buf clean = BUF_INIT;
	size_t n, part;

	if (memchr(text, '\0', len) == NULL && utf8_valid(text, len) == len) {
		pg_array_add_bytes(a, text, len);
		return;
	}
	while (len > 0) {
		part = strnlen(text, len);
		n = utf8_valid(text, part);
		buf_add(&clean, text, n);
		text += n;
		len -= n;
		if (len == 0)
			break;
		buf_puts(&clean, replacement);
		text++;
		len--;
	}
	pg_array_add_bytes(a, buf_str(&clean), clean.len);
	buf_done(&clean);
}

bool store_is_passing(const struct pg_result *error)
{
	/* Classes of SQLSTATE: cardinality violation, data exception,
	 * integrity constraint violation, program limit exceeded. */
	static const char *const own[] = { "21", "22", "23", "54" };
	const char *state = pg_result_sqlstate(error);
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strncmp(state, own[i], 2) == 0)
			return false;
	return true;
}
