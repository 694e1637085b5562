/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ctl/ctl.h"
#include "ctl/socket.h"
#include "kinds.h"

#define SOCKET_CONFIG  SYSCONFDIR "/reeve/process.yaml"
#define SOCKET_DEFAULT "/run/reeve/control.sock"
#define SOCKET_NAME    "control.sock"

const char *socket_config(const struct ctl *c)
{
	return c->config != NULL ? c->config : SOCKET_CONFIG;
}

/* The value of `key:` at the start of a line, after `indent` and without
 * quotes or comment, or NULL.  The caller frees. */
static char *socket_value(const char *line, const char *key)
{
	size_t len = strlen(key);
	const char *end;

	if (strncmp(line, key, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	line += strspn(line, " \t");
	if (*line == '"' || *line == '\'') {
		end = strchr(line + 1, *line);
		line++;
	} else {
		end = line + strcspn(line, "\n,");
		while (end > line && (end[-1] == ' ' || end[-1] == '}') &&
			memchr(line, '{', (size_t)(end - line)) == NULL)
			end--;
	}
	if (end == NULL || end == line)
		return NULL;
	return xstrndup(line, (size_t)(end - line));
}

/* ${VAR} and ${VAR:-default}, without defaults inside defaults. */
static char *socket_expand(const char *text)
{
	struct buf out = BUF_INIT;

	while (*text != '\0') {
		const char *end = strchr(text, '}');
		const char *value, *other;
		char *name;

		if (strncmp(text, "${", 2) != 0 || end == NULL) {
			buf_putc(&out, *text++);
			continue;
		}
		name = xstrndup(text + 2, (size_t)(end - text) - 2);
		other = strchr(name, ':');
		if (other != NULL)
			name[other - name] = '\0';
		value = getenv(name);
		if ((value == NULL || *value == '\0') && other != NULL &&
			other[1] == '-')
			value = other + 2;
		buf_puts(&out, value != NULL ? value : "");
		free(name);
		text = end + 1;
	}
	return buf_take(&out);
}

/* Paths of a file stand from its own directory. */
static char *socket_absolute(const char *file, char *path)
{
	const char *slash = strrchr(file, '/');
	char *joined;

	if (path == NULL || *path == '/' || slash == NULL)
		return path;
	joined = xasprintf("%.*s/%s", (int)(slash - file), file, path);
	free(path);
	return joined;
}

static void socket_keep(char **where, char *raw)
{
	if (raw == NULL)
		return;
	free(*where);
	*where = socket_expand(raw);
	free(raw);
}

/*
 * The file can't be read as a whole: the daemon, if it runs, does so with an
 * older state of it, whose socket is most likely where this one says.
 */
static char *socket_guess(const char *file)
{
	char line[4096], *run_dir = NULL, *path = NULL, *result;
	bool in_control = false;
	FILE *f = fopen(file, "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *brace = strstr(line, "path:");

		if (*line != ' ' && *line != '\n' && *line != '#')
			in_control = strncmp(line, "control:", 8) == 0;
		if (in_control && brace != NULL)
			socket_keep(&path, socket_value(brace, "path"));
		socket_keep(&run_dir, socket_value(line, "run_dir"));
	}
	if (f != NULL)
		fclose(f);
	if (path == NULL && run_dir != NULL)
		path = xasprintf("%s/" SOCKET_NAME, run_dir);
	free(run_dir);
	result = path != NULL ? socket_absolute(file, path)
			      : xstrdup(SOCKET_DEFAULT);
	return result;
}

static char *socket_read(const char *file)
{
	struct conf_source source = { .path = file, .kinds = kinds };
	struct conf_report report;
	struct conf *conf = conf_read(&source, &report);
	char *path;

	path = conf != NULL ? xstrdup(conf->control_path) : socket_guess(file);
	conf_free(conf);
	conf_report_done(&report);
	return path;
}

char *socket_find(const struct ctl *c)
{
	const char *from_env = getenv("REEVE_SOCKET");

	if (c->socket != NULL)
		return xstrdup(c->socket);
	if (c->config != NULL)
		return socket_read(c->config);
	if (from_env != NULL && *from_env != '\0')
		return xstrdup(from_env);
	if (access(SOCKET_CONFIG, R_OK) == 0)
		return socket_read(SOCKET_CONFIG);
	return xstrdup(SOCKET_DEFAULT);
}
