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

struct socket_guess {
	char *run_dir, *path; /* as they stand in the file; NULL */
	bool in_control, includes;
};

static void socket_guess_line(struct socket_guess *g, const char *line)
{
	const char *path = strstr(line, "path:");

	if (*line != ' ' && *line != '\n' && *line != '#')
		g->in_control = strncmp(line, "control:", 8) == 0;
	if (g->in_control && path != NULL)
		socket_keep(&g->path, socket_value(path, "path"));
	socket_keep(&g->run_dir, socket_value(line, "run_dir"));
	if (strncmp(line, "include:", 8) == 0)
		g->includes = true;
}

/*
 * The file can't be read as a whole: the daemon, if it runs, does so with an
 * older state of it, whose socket is most likely where this one says.  NULL
 * when that may be said in another file.
 */
static char *socket_guess(const char *file)
{
	struct socket_guess g = { NULL, NULL, false, false };
	FILE *f = fopen(file, "re");
	char line[4096];

	if (f == NULL)
		return NULL;
	while (fgets(line, sizeof(line), f) != NULL)
		socket_guess_line(&g, line);
	fclose(f);
	if (g.path == NULL && g.run_dir != NULL)
		g.path = xasprintf("%s/" SOCKET_NAME, g.run_dir);
	free(g.run_dir);
	if (g.path != NULL)
		return socket_absolute(file, g.path);
	return g.includes ? NULL : xstrdup(SOCKET_DEFAULT);
}

static int socket_read(const char *file, char **ret_path)
{
	struct conf_source source = { .path = file, .kinds = kinds };
	struct conf_report report;
	struct conf *conf = conf_read(&source, &report);
	struct buf text = BUF_INIT;
	int rc = EXIT_OK;

	*ret_path =
		conf != NULL ? xstrdup(conf->control_path) : socket_guess(file);
	if (*ret_path == NULL) {
		conf_report_print(&report, &text);
		fputs(buf_str(&text), stderr);
		rc = ctl_fail(EXIT_CONFIG,
			"%s does not tell where the control socket is: use -S",
			file);
	}
	buf_done(&text);
	conf_free(conf);
	conf_report_done(&report);
	return rc;
}

int socket_find(const struct ctl *c, char **ret_path)
{
	const char *from_env = getenv("REEVE_SOCKET");

	if (c->socket != NULL)
		*ret_path = xstrdup(c->socket);
	else if (c->config != NULL)
		return socket_read(c->config, ret_path);
	else if (from_env != NULL && *from_env != '\0')
		*ret_path = xstrdup(from_env);
	else if (access(SOCKET_CONFIG, R_OK) == 0)
		return socket_read(SOCKET_CONFIG, ret_path);
	else
		*ret_path = xstrdup(SOCKET_DEFAULT);
	return EXIT_OK;
}
