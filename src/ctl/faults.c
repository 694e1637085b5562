/* SPDX-License-Identifier: ISC */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ctl/faults.h"

/* Where a command is looked for when nothing names a PATH. */
#define FAULTS_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FAULTS_SHEBANG   256
#define FAULTS_ELF_BYTES 4

struct faults {
	const struct conf_handler *handler;
	faults_fn fn;
	void *arg;
};

static void faults_tell(struct faults *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void faults_tell(struct faults *f, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	f->fn(f->handler, buf_str(&text), f->arg);
	buf_done(&text);
}

/* The first bytes of a file: how many, or -1 with errno. */
static ssize_t faults_head(const char *path, char *ret_head, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = read(fd, ret_head, size);
	close(fd);
	return n;
}

/* A script needs the interpreter that its first line names. */
static void faults_of_script(struct faults *f, const char *path)
{
	char head[FAULTS_SHEBANG + 1], *name;
	ssize_t n = faults_head(path, head, FAULTS_SHEBANG);

	if (n < 3 || head[0] != '#' || head[1] != '!')
		return;
	head[n] = '\0';
	head[strcspn(head, "\n")] = '\0';
	name = head + 2 + strspn(head + 2, " \t");
	name[strcspn(name, " \t\r")] = '\0';
	if (name[0] == '/' && access(name, X_OK) != 0)
		faults_tell(f, "%s wants the interpreter %s: %s", path, name,
			strerror(errno));
}

/* NULL: well; else what is wrong. */
static const char *faults_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no file";
	if ((st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		return "it is not executable";
	return access(path, X_OK) != 0 ? strerror(errno) : NULL;
}

static const char *faults_path(const struct conf_handler *h)
{
	const char *path = getenv("PATH");
	size_t i;

	for (i = 0; i < h->environment.count; i++)
		if (strcmp(h->environment.items[i].name, "PATH") == 0)
			return h->environment.items[i].value;
	return path != NULL && !h->clear_environment ? path : FAULTS_PATH;
}

/* As execvp does: the first that can be run. */
static void faults_search(struct faults *f, const char *name)
{
	const char *path = faults_path(f->handler), *at = path;

	while (at != NULL) {
		size_t len = strcspn(at, ":");
		char *file = xasprintf(
			"%.*s%s%s", (int)len, at, len > 0 ? "/" : "", name);
		bool is_good = faults_executable(file) == NULL;

		if (is_good)
			faults_of_script(f, file);
		free(file);
		if (is_good)
			return;
		at = at[len] == ':' ? at + len + 1 : NULL;
	}
	faults_tell(f, "no command %s in %s", name, path);
}

static void faults_of_command(struct faults *f)
{
	const struct conf_handler *h = f->handler;
	const char *name = h->command.items[0], *why;
	struct stat st;
	char *path;

	if (h->directory != NULL &&
		(stat(h->directory, &st) != 0 || !S_ISDIR(st.st_mode)))
		faults_tell(f, "its directory %s is not there", h->directory);
	if (strchr(name, '/') == NULL) {
		faults_search(f, name);
		return;
	}
	path = name[0] == '/' ? xstrdup(name)
			      : xasprintf("%s/%s",
					h->directory ? h->directory : "", name);
	why = faults_executable(path);
	if (why != NULL)
		faults_tell(f, "its command %s: %s", path, why);
	else
		faults_of_script(f, path);
	free(path);
}

/* The text of a URL may hold a secret: it is not repeated. */
static void faults_of_url(struct faults *f, const char *what, const char *url)
{
	char *scheme = NULL;
	CURLU *u = curl_url();
	CURLUcode rc = CURLUE_OUT_OF_MEMORY;

	if (u != NULL)
		rc = curl_url_set(u, CURLUPART_URL, url, 0);
	if (rc == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	if (rc != CURLUE_OK)
		faults_tell(f, "its %s does not read as one: error %d", what,
			(int)rc);
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		faults_tell(f, "its %s is neither http nor https", what);
	curl_free(scheme);
	curl_url_cleanup(u);
}

static void faults_of_ca(struct faults *f)
{
	const char *path = f->handler->ca_file;

	if (path != NULL && access(path, R_OK) != 0)
		faults_tell(f, "its ca_file %s: %s", path, strerror(errno));
}

static void faults_of_plugin(struct faults *f)
{
	const char *path = f->handler->path;
	char head[FAULTS_ELF_BYTES];
	ssize_t n;

	if (path == NULL)
		return;
	n = faults_head(path, head, sizeof(head));
	if (n == -1)
		faults_tell(f, "its plugin %s: %s", path, strerror(errno));
	else if (n < FAULTS_ELF_BYTES || memcmp(head, "\177ELF", 4) != 0)
		faults_tell(f, "its plugin %s is no shared object", path);
}

void faults_find(const struct conf_handler *h, faults_fn fn, void *arg)
{
	struct faults f = { h, fn, arg };

	switch (h->kind) {
	case CONF_HANDLER_EXEC:
	case CONF_HANDLER_WORKER:
		if (h->command.count > 0)
			faults_of_command(&f);
		break;
	case CONF_HANDLER_HTTP:
		if (h->request.url != NULL)
			faults_of_url(&f, "url", h->request.url);
		faults_of_ca(&f);
		break;
	case CONF_HANDLER_POLL:
		if (h->submit.url != NULL)
			faults_of_url(&f, "submit.url", h->submit.url);
		if (h->status.url != NULL)
			faults_of_url(&f, "status.url", h->status.url);
		faults_of_ca(&f);
		break;
	case CONF_HANDLER_PLUGIN: faults_of_plugin(&f); break;
	case CONF_HANDLER_KIND_COUNT: break;
	}
}
