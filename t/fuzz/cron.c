/* SPDX-License-Identifier: ISC */
/*
 * cron - any bytes as a cron expression, a rule or the file of a time zone.
 *
 * A refusal names a column that there is; no search takes many steps, or goes
 * back in time; what is asked from just before an answer is the answer again.
 * Rules are printed and read again.  Whatever is taken for a zone has clocks
 * that show the first moment of each time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "when/civil.h"
#include "when/cron.h"
#include "when/iso.h"
#include "when/rule.h"
#include "when/zone.h"

/* A few microseconds each: 20000 of them are a millisecond or so. */
#define STEPS_FEW 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static const char *const zones[] = { "UTC", "Europe/Berlin",
	"Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia" };

/* Some lie in gaps and repeated hours of these zones. */
static const int64_t times_s[] = { -70000000000, -14182940, 0, 1325239199,
	1774745999, 1775314800, 1792889999, 4102444800, 7258118399,
	253402300700 };

static void search(const struct cron *c, const struct zone *z, int64_t from_us)
{
	int64_t next_us, again_us;
	int steps;

	next_us = cron_next_counted(c, z, from_us, &steps);
	must(steps <= STEPS_FEW, "a search takes few steps");
	must(next_us > from_us, "the next time is later");
	if (next_us == CRON_NEVER)
		return;
	must(!c->is_never, "what never fires does not");
	must(next_us % US_PER_S == 0, "it is a whole second");
	again_us = cron_next_counted(c, z, next_us - 1, &steps);
	must(again_us == next_us, "it is the next from just before it as well");
}

static void try_cron(const char *text, size_t len, enum cron_dialect dialect)
{
	struct err err = { 0, "" };
	struct cron c;
	int column = 0;
	size_t i, k;

	if (cron_parse(text, len, dialect, &c, &err) != 0) {
		must(sscanf(err.text, "column %d: ", &column) == 1 &&
				column >= 1 && (size_t)column <= len + 1,
			"a refusal has a column");
		return;
	}
	for (i = 0; i < sizeof(zones) / sizeof(*zones); i++) {
		const struct zone *z = zone_get(zones[i], &err);

		for (k = 0; z != NULL && k < sizeof(times_s) / sizeof(*times_s);
			k++)
			search(&c, z, times_s[k] * US_PER_S);
	}
}

static void try_rule(const char *text, size_t len)
{
	struct err err = { 0, "" };
	struct rule *r = rule_parse(text, len, &err), *again;
	char *out, *out_again;
	size_t k;

	must(r != NULL || err.text[0] != '\0', "a refusal has a reason");
	if (r == NULL)
		return;
	for (k = 0; k < sizeof(times_s) / sizeof(*times_s); k++)
		must(rule_next(r, times_s[k] * US_PER_S,
			     (times_s[k] - 60) * US_PER_S) >
				times_s[k] * US_PER_S,
			"a rule goes on in time");
	out = rule_print(r);
	again = rule_parse(out, strlen(out), &err);
	must(again != NULL || strlen(out) > RULE_TEXT_MAX,
		"what is printed can be read");
	if (again != NULL) {
		out_again = rule_print(again);
		must(strcmp(out, out_again) == 0, "printing loses nothing");
		free(out_again);
	}
	rule_free(again);
	free(out);
	rule_free(r);
}

static void look(const struct zone *z, int64_t wall_s)
{
	struct zone_span span;
	int64_t first_s = zone_first(z, wall_s);

	zone_at(z, first_s, &span);
	must(span.from_s <= first_s && first_s < span.until_s,
		"a second is in its span");
	must(first_s + span.offset_s >= wall_s, "the clocks show it then");
	must(zone_wall_max(z, first_s - 1) < wall_s, "and not before");
}

static void try_zone(const char *bytes, size_t len)
{
	struct err err = { 0, "" };
	struct zone *z = zone_parse("Fuzz", bytes, len, &err);
	int64_t wall_s;
	size_t k;

	must(z != NULL || err.text[0] != '\0', "a refusal has a reason");
	if (z == NULL)
		return;
	for (k = 0; k < sizeof(times_s) / sizeof(*times_s); k++)
		look(z, times_s[k]);
	for (wall_s = 4102444800; wall_s < 4102444800 + 400 * CIVIL_DAY_S;
		wall_s += 7 * CIVIL_DAY_S + 1234)
		look(z, wall_s);
	zone_free(z);
}

static void try_iso(const char *text, size_t len)
{
	struct err err = { 0, "" };
	const struct zone *z = zone_get("Europe/Berlin", &err);
	int64_t us, again_us;
	char out[ISO_MAX];

	if (z == NULL || iso_parse(text, len, z, &us, &err) != 0)
		return;
	iso_print(us, z, out);
	if (strcmp(out, "never") == 0)
		return;
	must(iso_parse(out, strlen(out), zone_utc(), &again_us, &err) == 0 &&
			us == again_us,
		"a time that is printed is that time");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size > 0 ? size : 1);
	int dialect;

	memcpy(text, data, size);
	if (size >= 4 && memcmp(text, "TZif", 4) == 0) {
		try_zone(text, size);
	} else if (size > 0 && text[0] == '{') {
		try_rule(text, size);
	} else {
		try_iso(text, size);
		for (dialect = 0; dialect < CRON_DIALECT_COUNT; dialect++)
			try_cron(text, size, (enum cron_dialect)dialect);
	}
	free(text);
	return 0;
}
