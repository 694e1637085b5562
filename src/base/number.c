/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/number.h"

struct number_unit {
	const char *name;
	int64_t factor;
};

/* Largest first: printing takes the first that divides. */
static const struct number_unit number_times[] = {
	{ "d", 86400000000 },
	{ "h", 3600000000 },
	{ "m", 60000000 },
	{ "s", 1000000 },
	{ "ms", 1000 },
	{ "us", 1 },
	{ NULL, 0 },
};

static const struct number_unit number_sizes[] = {
	{ "T", (int64_t)1 << 40 },
	{ "G", (int64_t)1 << 30 },
	{ "M", (int64_t)1 << 20 },
	{ "K", (int64_t)1 << 10 },
	{ NULL, 0 },
};

bool number_int(const char *s, int64_t *ret_value)
{
	const char *digits = s + (*s == '-' || *s == '+');
	long long v;
	char *end;

	if (!isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end != '\0' || errno != 0)
		return false;
	*ret_value = v;
	return true;
}

/* Digits and up to six decimals, scaled by 10^6: false when too large. */
static bool number_decimal(const char **s, int64_t *ret_millionths)
{
	int64_t v = 0;
	int decimals = 0, digits = 0;
	bool has_point = false;

	for (;; (*s)++) {
		if (**s == '.' && !has_point) {
			has_point = true;
			continue;
		}
		if (!isdigit((unsigned char)**s))
			break;
		digits++;
		if (has_point && ++decimals > 6)
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, **s - '0', &v))
			return false;
	}
	if (digits == 0 || (has_point && decimals == 0))
		return false;
	for (; decimals < 6; decimals++)
		if (__builtin_mul_overflow(v, 10, &v))
			return false;
	*ret_millionths = v;
	return true;
}

static const struct number_unit *number_unit_at(
	const struct number_unit *units, const char *s, size_t len)
{
	for (; units->name != NULL; units++)
		if (strlen(units->name) == len &&
			strncasecmp(units->name, s, len) == 0)
			return units;
	return NULL;
}

/* millionths * factor / 10^6, when that is whole and fits. */
static bool number_scale(int64_t millionths, int64_t factor, int64_t *ret_value)
{
	__int128 v = (__int128)millionths * factor;

	if (v % 1000000 != 0 || v / 1000000 > INT64_MAX)
		return false;
	*ret_value = (int64_t)(v / 1000000);
	return true;
}

bool number_duration(const char *s, int64_t *ret_us)
{
	const struct number_unit *unit;
	int64_t millionths, part, sum = 0;
	size_t len;

	if (strcmp(s, "0") == 0) {
		*ret_us = 0;
		return true;
	}
	do {
		if (!number_decimal(&s, &millionths))
			return false;
		len = strspn(s, "abcdefghijklmnopqrstuvwxyz");
		unit = number_unit_at(number_times, s, len);
		if (unit == NULL ||
			!number_scale(millionths, unit->factor, &part) ||
			__builtin_add_overflow(sum, part, &sum))
			return false;
		s += len;
	} while (*s != '\0');
	*ret_us = sum;
	return true;
}

bool number_size(const char *s, int64_t *ret_bytes)
{
	const struct number_unit *unit;
	int64_t millionths, factor = 1;

	if (!number_decimal(&s, &millionths))
		return false;
	if (*s != '\0') {
		unit = number_unit_at(number_sizes, s, 1);
		if (unit == NULL && strcmp(s, "B") != 0)
			return false;
		factor = unit != NULL ? unit->factor : 1;
		s++;
		if (unit != NULL && *s != '\0' && strcmp(s, "B") != 0 &&
			strcmp(s, "iB") != 0)
			return false;
	}
	return number_scale(millionths, factor, ret_bytes);
}

bool number_mode(const char *s, int64_t *ret_mode)
{
	size_t len = strlen(s);

	if (strncmp(s, "0o", 2) == 0) {
		s += 2;
		len -= 2;
	}
	if (len == 0 || len > 5 || strspn(s, "01234567") != len)
		return false;
	*ret_mode = strtol(s, NULL, 8);
	return *ret_mode <= 07777;
}

void number_print_duration(int64_t us, struct buf *out)
{
	const struct number_unit *u = number_times;

	while (u[1].name != NULL && us % u->factor != 0)
		u++;
	if (us == 0)
		buf_puts(out, "0s");
	else
		buf_printf(out, "%" PRId64 "%s", us / u->factor, u->name);
}

void number_print_size(int64_t bytes, struct buf *out)
{
	const struct number_unit *u = number_sizes;

	while (u->name != NULL && bytes % u->factor != 0)
		u++;
	if (bytes == 0 || u->name == NULL)
		buf_printf(out, "%" PRId64, bytes);
	else
		buf_printf(out, "%" PRId64 "%s", bytes / u->factor, u->name);
}
