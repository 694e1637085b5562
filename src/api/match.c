/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "api/match.h"
#include "base/mem.h"

#define MATCH_DIGITS_MAX 18 /* of a bigint, surely */

struct match_tag {
	const char *text; /* between the quotes */
	size_t len;
	bool is_weak;
};

/* The next tag of a list; false: there is none, or no list is like that. */
static bool match_next(const char **at, struct match_tag *ret)
{
	const char *p = *at + strspn(*at, " \t,");
	size_t len;

	ret->is_weak = strncmp(p, "W/", 2) == 0;
	if (ret->is_weak)
		p += 2;
	if (*p++ != '"')
		return false;
	len = strcspn(p, "\"");
	if (p[len] != '"')
		return false;
	ret->text = p;
	ret->len = len;
	*at = p + len + 1;
	return true;
}

static bool match_is_any(const char *header)
{
	return header[0] == '*' &&
	       header[1 + strspn(header + 1, " \t")] == '\0';
}

bool match_knows(const char *header, const char *version)
{
	struct match_tag tag;

	if (header == NULL)
		return false;
	if (match_is_any(header))
		return true;
	while (match_next(&header, &tag))
		if (tag.len == strlen(version) &&
			memcmp(tag.text, version, tag.len) == 0)
			return true;
	return false;
}

const char *match_versions(struct arena *a, const char *header)
{
	const char *list = "";
	struct match_tag tag;

	if (header == NULL || match_is_any(header))
		return NULL;
	while (match_next(&header, &tag))
		if (!tag.is_weak && tag.len > 0 &&
			tag.len <= MATCH_DIGITS_MAX &&
			strspn(tag.text, "0123456789") == tag.len)
			list = arena_printf(a, "%s%s%.*s", list,
				*list != '\0' ? "," : "", (int)tag.len,
				tag.text);
	return arena_printf(a, "{%s}", list);
}
