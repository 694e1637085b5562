/* SPDX-License-Identifier: ISC */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf_help.h"
#include "queue/options.h"
#include "tap.h"

static const struct opt help_options[] = {
	{ .name = "depth",
		.type = OPT_INT,
		.offset = offsetof(struct help_role, depth),
		.minimum = 1,
		.maximum = 10,
		.default_text = "3",
		.unit = "levels" },
	{ .name = "voice.loud",
		.type = OPT_BOOL,
		.offset = offsetof(struct help_role, is_loud),
		.default_text = "true" },
	{ .name = "tags",
		.type = OPT_STRINGS,
		.offset = offsetof(struct help_role, tags),
		.default_text = "[a, b]" },
	{ .name = NULL },
};

const struct conf_kind help_kind_role = {
	.name = "role",
	.options = help_options,
	.size = sizeof(struct help_role),
	.listens = true,
};

const struct conf_kind help_kind_internal = {
	.name = "inner",
	.options = help_options,
	.size = sizeof(struct help_role),
	.is_internal = true,
};

const struct conf_kind help_kind_keeps = {
	.name = "keeps",
	.uses_database = true,
};

const struct conf_kind *const help_kinds[] = { &conf_kind_program,
	&help_kind_role, &help_kind_internal, &help_kind_keeps,
	&conf_kind_queue, NULL };

static char help_dir[64];
static struct buf help_report;
static size_t help_error_count;

static void help_clean(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", help_dir);
	if (system(command) != 0)
		note("%s is left", help_dir);
	buf_done(&help_report);
}

const char *help_path(const char *name)
{
	static char paths[3][PATH_MAX];
	static int next;

	if (*help_dir == '\0') {
		strcpy(help_dir, "/tmp/reeve-conf-XXXXXX");
		if (mkdtemp(help_dir) == NULL)
			bail("no temporary directory");
		atexit(help_clean);
	}
	next = (next + 1) % 3;
	snprintf(paths[next], sizeof(paths[next]), "%s%s%s", help_dir,
		*name != '\0' ? "/" : "", name);
	return paths[next];
}

void help_bytes(const char *name, const char *bytes, size_t len)
{
	FILE *f = fopen(help_path(name), "w");

	if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
		bail("cannot write %s", name);
}

void help_file(const char *name, const char *text)
{
	help_bytes(name, text, strlen(text));
}

/* Take the directory out of every line. */
static void help_shorten(const char *text)
{
	size_t len = strlen(help_dir);
	const char *at;

	buf_reset(&help_report);
	while ((at = strstr(text, help_dir)) != NULL) {
		buf_add(&help_report, text, (size_t)(at - text));
		text = at + len;
		text += *text == '/';
	}
	buf_puts(&help_report, text);
}

struct conf *help_read(const char *name, const char *const *overrides)
{
	struct conf_source src = { help_path(name), help_kinds,
		(char *const *)overrides };
	struct conf_report report;
	struct buf text = BUF_INIT;
	struct conf *c = conf_read(&src, &report);

	conf_report_print(&report, &text);
	help_shorten(buf_str(&text));
	help_error_count = report.errors;
	buf_done(&text);
	conf_report_done(&report);
	return c;
}

struct conf *help_conf(const char *text)
{
	help_file("process.yaml", text);
	return help_read("process.yaml", NULL);
}

const char *help_text(void)
{
	return buf_str(&help_report);
}

size_t help_errors(void)
{
	return help_error_count;
}

void help_is_error(const char *text, const char *part, const char *title)
{
	struct conf *c = help_conf(text);

	has_str(part, help_text(), "%s", title);
	if (c != NULL)
		ok(false, "%s: nothing was read", title);
	conf_free(c);
}
