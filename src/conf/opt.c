/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/number.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "conf/opt.h"
#include "conf/objects.h"
#include "conf/topics.h"

/* Words that YAML readers take for something else than text. */
static bool opt_is_word(const char *s)
{
	static const char *const words[] = { "null", "true", "false", "yes",
		"no", "on", "off", "y", "n", NULL };
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	return false;
}

static bool opt_is_plain(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '/')
		return false;
	if (opt_is_word(s))
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr("/._@+-", *s) == NULL)
			return false;
	return true;
}

static unsigned opt_code_point(const char *s, size_t n)
{
	static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned c = (unsigned char)s[0] & lead[n];
	size_t i;

	for (i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

/* Characters that must not stand in quotes as they are: controls, line
 * breaks of all kinds, the byte order mark. */
static bool opt_needs_escape(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
	       c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

/* `dollar` is what is put for a "$". */
static void opt_print_char(
	const char *s, size_t n, const char *dollar, struct buf *out)
{
	unsigned c = opt_code_point(s, n);

	if (c == '"' || c == '\\')
		buf_printf(out, "\\%c", (int)c);
	else if (c == '$')
		buf_puts(out, dollar);
	else if (c == '\n')
		buf_puts(out, "\\n");
	else if (c == '\t')
		buf_puts(out, "\\t");
	else if (opt_needs_escape(c))
		buf_printf(out, "\\u%04x", c);
	else
		buf_add(out, s, n);
}

static void opt_print_quoted(const char *s, const char *dollar, struct buf *out)
{
	size_t len = strlen(s), n;

	if (opt_is_plain(s)) {
		buf_puts(out, s);
		return;
	}
	buf_putc(out, '"');
	for (; len > 0; s += n, len -= n) {
		n = utf8_length(s, len);
		if (n == 0) {
			n = 1;
			buf_printf(out, "\\x%02x", (unsigned char)*s);
			continue;
		}
		opt_print_char(s, n, dollar, out);
	}
	buf_putc(out, '"');
}

/* A value: ${} is filled in when it is read back. */
static void opt_print_text(const char *s, struct buf *out)
{
	opt_print_quoted(s, "$$", out);
}

/* A name: it is taken as it stands. */
static void opt_print_name(const char *s, struct buf *out)
{
	opt_print_quoted(s, "$", out);
}

static void opt_print_strings(const struct conf_strings *list, struct buf *out)
{
	size_t i;

	buf_putc(out, '[');
	for (i = 0; i < list->count; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		opt_print_text(list->items[i], out);
	}
	buf_putc(out, ']');
}

static void opt_print_map(const struct conf_map *map, struct buf *out)
{
	size_t i;

	buf_putc(out, '{');
	for (i = 0; i < map->count; i++) {
		buf_puts(out, i > 0 ? ", " : " ");
		opt_print_name(map->items[i].name, out);
		buf_puts(out, ": ");
		opt_print_text(map->items[i].value, out);
	}
	buf_puts(out, map->count > 0 ? " }" : "}");
}

static void opt_print_cpu_list(
	const struct conf_cpu_list *list, struct buf *out)
{
	size_t i;

	buf_putc(out, '[');
	for (i = 0; i < list->count; i++)
		buf_printf(out, "%s%d", i > 0 ? ", " : "", list->cpus[i]);
	buf_putc(out, ']');
}

static void opt_print_cpus(const struct conf_cpus *cpus, struct buf *out)
{
	size_t i;

	if (cpus->mode == CPUS_NONE || cpus->mode == CPUS_AUTO) {
		buf_puts(out, cpus->mode == CPUS_AUTO ? "auto" : "none");
		return;
	}
	if (cpus->mode == CPUS_SET) {
		opt_print_cpu_list(&cpus->lists[0], out);
		return;
	}
	buf_putc(out, '[');
	for (i = 0; i < cpus->count; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		opt_print_cpu_list(&cpus->lists[i], out);
	}
	buf_putc(out, ']');
}

static void opt_print_listens(
	const struct conf_listens *listens, struct buf *out)
{
	size_t i;

	buf_putc(out, '[');
	for (i = 0; i < listens->count; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		opt_print_text(listens->items[i].text, out);
	}
	buf_putc(out, ']');
}

static void opt_print_limit(int64_t value, struct buf *out)
{
	if (value == CONF_RLIMIT_UNSET)
		buf_puts(out, "~");
	else if (value == CONF_RLIMIT_INFINITY)
		buf_puts(out, "unlimited");
	else
		buf_printf(out, "%" PRId64, value);
}

static void opt_print_share(const struct conf_share *share, struct buf *out)
{
	buf_printf(out, share->is_percent ? "\"%" PRId64 "%%\"" : "%" PRId64,
		share->value);
}

static void opt_print_signal(int number, struct buf *out)
{
	if (sigabbrev_np(number) != NULL)
		buf_puts(out, sigabbrev_np(number));
	else
		buf_printf(out, "%d", number);
}

static void opt_print_string(const char *s, struct buf *out)
{
	if (s == NULL)
		buf_puts(out, "~");
	else
		opt_print_text(s, out);
}

static void opt_print_command(const struct conf_strings *list, struct buf *out)
{
	if (list->count == 0)
		buf_puts(out, "~");
	else
		opt_print_strings(list, out);
}

void opt_print(const struct opt *o, const void *base, struct buf *out)
{
	const void *field = (const char *)base + o->offset;
	int64_t number = 0;

	if (o->type == OPT_INT || o->type == OPT_DURATION ||
		o->type == OPT_SIZE || o->type == OPT_COUNT ||
		o->type == OPT_MODE || o->type == OPT_LIMIT)
		number = *(const int64_t *)field;
	switch (o->type) {
	case OPT_BOOL:
		buf_puts(out, *(const bool *)field ? "true" : "false");
		break;
	case OPT_INT: buf_printf(out, "%" PRId64, number); break;
	case OPT_DURATION: number_print_duration(number, out); break;
	case OPT_SIZE: number_print_size(number, out); break;
	case OPT_STRING:
	case OPT_PATH: opt_print_string(*(char *const *)field, out); break;
	case OPT_ENUM:
		opt_print_text(o->choices[*(const int *)field], out);
		break;
	case OPT_COUNT:
		if (number == CONF_AUTO)
			buf_puts(out, "auto");
		else
			buf_printf(out, "%" PRId64, number);
		break;
	case OPT_PERCENT: opt_print_share(field, out); break;
	case OPT_CPUS: opt_print_cpus(field, out); break;
	case OPT_STRINGS:
	case OPT_PATHS: opt_print_strings(field, out); break;
	case OPT_COMMAND: opt_print_command(field, out); break;
	case OPT_MAP: opt_print_map(field, out); break;
	case OPT_SIGNAL: opt_print_signal(*(const int *)field, out); break;
	case OPT_MODE:
		buf_printf(out, "\"0%03" PRIo64 "\"", (uint64_t)number);
		break;
	case OPT_LISTEN: opt_print_listens(field, out); break;
	case OPT_LIMIT: opt_print_limit(number, out); break;
	case OPT_TOPICS: topics_print(field, out); break;
	case OPT_WEIGHTS: topics_print_weights(field, out); break;
	case OPT_OBJECTS: objects_print(field, out); break;
	case OPT_TYPE_COUNT: break;
	}
}

/* Two values that print the same are the same: printing loses nothing. */
bool opt_equal(const struct opt *o, const void *a, const void *b)
{
	struct buf x = BUF_INIT, y = BUF_INIT;
	bool is_equal;

	opt_print(o, a, &x);
	opt_print(o, b, &y);
	is_equal =
		x.len == y.len && memcmp(buf_str(&x), buf_str(&y), x.len) == 0;
	buf_done(&x);
	buf_done(&y);
	return is_equal;
}
