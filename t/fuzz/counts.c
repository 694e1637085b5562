/* SPDX-License-Identifier: ISC */
/*
 * counts - any bytes as the counts of the Redis key.  What is read must name
 * topics by their rules, each once, with counts in range.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/counts.h"

static void fuzz_check(const struct conf_counts *counts)
{
	const struct conf_count *c;
	size_t i, j;

	if (counts->count > CONF_TOPICS_MAX)
		abort();
	for (i = 0; i < counts->count; i++) {
		c = &counts->items[i];
		if (*c->topic == '\0' || strlen(c->topic) > CONF_TOPIC_MAX ||
			strcmp(c->topic, "normal") == 0 || c->count < 0 ||
			c->count > CONF_WORKERS_MAX)
			abort();
		for (j = 0; j < i; j++)
			if (strcmp(counts->items[j].topic, c->topic) == 0)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_counts counts;
	struct err err = { .text = "" };

	if (conf_read_counts((const char *)data, size, &counts, &err) == 0)
		fuzz_check(&counts);
	else if (*err.text == '\0')
		abort();
	return 0;
}
