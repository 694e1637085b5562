/* SPDX-License-Identifier: ISC */
/*
 * conf - any bytes as process.yaml.  What is read must be printed as
 * something that reads back the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "queue/options.h"

/* Longer printings may be beyond the limits, which is no fault. */
#define FUZZ_AGAIN_MAX 100000

struct fuzz_role {
	bool is_loud;
	int64_t depth;
	struct conf_map labels;
	struct conf_strings tags;
};

static const struct opt fuzz_options[] = {
	{ .name = "loud",
		.type = OPT_BOOL,
		.offset = offsetof(struct fuzz_role, is_loud),
		.default_text = "true" },
	{ .name = "depth.most",
		.type = OPT_INT,
		.offset = offsetof(struct fuzz_role, depth) },
	{ .name = "labels",
		.type = OPT_MAP,
		.offset = offsetof(struct fuzz_role, labels) },
	{ .name = "tags",
		.type = OPT_STRINGS,
		.offset = offsetof(struct fuzz_role, tags),
		.default_text = "[a, b]" },
	{ .name = NULL },
};

static const struct conf_kind fuzz_kind = {
	.name = "role",
	.options = fuzz_options,
	.size = sizeof(struct fuzz_role),
	.listens = true,
};

static const struct conf_kind *const fuzz_kinds[] = { &conf_kind_program,
	&fuzz_kind, &conf_kind_queue, NULL };

static struct conf *fuzz_read(const char *text, size_t len)
{
	struct conf_source src = { .path = "fuzz.yaml", .kinds = fuzz_kinds };
	struct conf_report report;
	struct buf out = BUF_INIT;
	struct conf *c = conf_read_text(&src, text, len, &report);

	conf_report_print(&report, &out);
	if ((c == NULL) != (report.errors > 0))
		abort();
	conf_report_done(&report);
	buf_done(&out);
	return c;
}

static void fuzz_compare(const struct conf *a, const struct conf *b)
{
	size_t i;

	if (b == NULL || a->pool_count != b->pool_count ||
		conf_global_diff(a, b, NULL, NULL) != CONF_SAME)
		abort();
	for (i = 0; i < a->pool_count; i++)
		if (conf_pool_diff(&a->pools[i], &b->pools[i], NULL) !=
			CONF_SAME)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *a = fuzz_read((const char *)data, size), *b;
	struct buf text = BUF_INIT;

	if (a == NULL)
		return 0;
	conf_print(a, &text);
	if (text.len < FUZZ_AGAIN_MAX) {
		b = fuzz_read(buf_str(&text), text.len);
		fuzz_compare(a, b);
		conf_free(b);
	}
	buf_done(&text);
	conf_free(a);
	return 0;
}
