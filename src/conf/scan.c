/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/utf8.h"
#include "conf/draft.h"
#include "conf/scan.h"

/* Lines that may begin with "%TAG".  libyaml holds each against all before it
 * (60,000 took 11 s, 2026-11-22), and nothing here has a use for one. */
#define SCAN_TAGS_MAX 16

/* YAML 1.2, section 5.1: what a stream may hold besides printable text. */
static bool scan_is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* U+0080 to U+009F but the line break U+0085; U+FFFE and U+FFFF. */
static bool scan_is_odd(const char *s, size_t n)
{
	if (n == 2)
		return s[0] == '\xc2' && (unsigned char)s[1] < 0xa0 &&
		       s[1] != '\x85';
	return n == 3 && (memcmp(s, "\xef\xbf\xbe", 3) == 0 ||
				 memcmp(s, "\xef\xbf\xbf", 3) == 0);
}

/* "%TAG" behind anything that may end a line: LF, CR and the breaks of
 * Unicode. */
static bool scan_is_tag(const char *bytes, size_t i, size_t len)
{
	unsigned char before = i > 0 ? (unsigned char)bytes[i - 1] : '\n';

	return bytes[i] == '%' && len - i >= 4 &&
	       memcmp(bytes + i, "%TAG", 4) == 0 &&
	       (before == '\n' || before == '\r' || before >= 0x80);
}

static int scan_complain(
	struct draft *d, struct conf_mark at, unsigned char c, size_t n)
{
	if (n == 0)
		return draft_error_mark(d, at,
			"byte 0x%02x is not UTF-8: save the file as UTF-8", c);
	if (c == '\0')
		return draft_error_mark(
			d, at, "a NUL byte: this is no text file");
	return draft_error_mark(
		d, at, "control character 0x%02x is not allowed", c);
}

int scan_bytes(struct draft *d, const struct source *source, const char *bytes,
	size_t len)
{
	struct conf_mark at = { source->name, 1, 1 };
	size_t i, n;
	int tags = 0;

	for (i = 0; i < len; i += n) {
		n = utf8_length(bytes + i, len - i);
		if (n == 0 || scan_is_control((unsigned char)bytes[i]) ||
			scan_is_odd(bytes + i, n))
			return scan_complain(d, at, (unsigned char)bytes[i], n);
		if (scan_is_tag(bytes, i, len) && ++tags > SCAN_TAGS_MAX)
			return draft_error_mark(
				d, at, "too many %%TAG directives");
		at.column++;
		if (bytes[i] == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	return 0;
}

bool scan_has_tab(const char *bytes, size_t len, int line)
{
	const char *p = bytes, *end = bytes + len;

	while (line-- > 1 && p != NULL) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p != NULL ? p + 1 : NULL;
	}
	for (; p != NULL && p < end && (*p == ' ' || *p == '\t'); p++)
		if (*p == '\t')
			return true;
	return false;
}
