/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "deploy/files.h"
#include "deploy/options.h"
#include "deploy/source.h"

#define SOURCE_STEP_US (10 * 60 * (int64_t)US_PER_S)
#define SOURCE_SUM_LEN 64
#define SOURCE_SUM_MAX 4096 /* bytes of a file with a sum */

/* What is put behind an archive's name for its proof. */
static const char *const source_proofs[] = {
	[DEPLOY_VERIFY_NONE] = "",
	[DEPLOY_VERIFY_SHA256] = ".sha256",
	[DEPLOY_VERIFY_MINISIGN] = ".minisig",
	[DEPLOY_VERIFY_GPG] = ".asc",
};

static const char *const source_suffixes[] = { ".tar.gz", ".tgz", ".tar.xz",
	".tar.zst", ".tar.bz2", ".tar", NULL };

static const char *source_proof(const struct source *s)
{
	return source_proofs[s->options->verify];
}

/* Takes word. */
static void source_add(struct source_command *c, char *word)
{
	size_t n = 0;

	while (c->words[n] != NULL)
		n++;
	c->words[n] = word;
}

static void source_add_words(struct source_command *c, const char *const *words)
{
	for (; *words != NULL; words++)
		source_add(c, xstrdup(*words));
}

static char *source_path(const struct source *s, const char *more)
{
	return xasprintf("%s%s", s->place, more);
}

/* git, on the repository in the tree.  The working directory stays what it is,
 * for the sake of a path to a repository. */
static void source_add_git(const struct source *s, struct source_command *c,
	const char *const *words)
{
	source_add(c, xstrdup("git"));
	source_add(c, xasprintf("--git-dir=%s.partial/.git", s->place));
	source_add(c, xasprintf("--work-tree=%s.partial", s->place));
	source_add_words(c, words);
}

static char *source_ref(const struct source *s)
{
	return xasprintf("refs/tags/%s", s->version);
}

static int source_clear(
	const struct source *s, struct source_command *c, struct err *err)
{
	(void)err;
	source_add_words(c, (const char *[]){ "rm", "-rf", "--", NULL });
	source_add(c, source_path(s, ".partial"));
	source_add(c, source_path(s, ".archive"));
	if (*source_proof(s) != '\0')
		source_add(c,
			xasprintf("%s.archive%s", s->place, source_proof(s)));
	return 1;
}

static int source_make_repository(
	const struct source *s, struct source_command *c, struct err *err)
{
	(void)err;
	if (s->options->git == NULL)
		return 0;
	source_add_words(
		c, (const char *[]){ "git", "init", "--quiet", "--", NULL });
	source_add(c, source_path(s, ".partial"));
	return 1;
}

/* The URL of a version, with more behind it; heap. */
static char *source_url(const struct source *s, const char *more)
{
	static const char mark[] = "{version}";
	const char *url = s->options->url;
	struct buf out = BUF_INIT;
	const char *at;

	while ((at = strstr(url, mark)) != NULL) {
		buf_add(&out, url, (size_t)(at - url));
		buf_puts(&out, s->version);
		url = at + sizeof(mark) - 1;
	}
	buf_printf(&out, "%s%s", url, more);
	return buf_take(&out);
}

static void source_download(
	const struct source *s, struct source_command *c, const char *more)
{
	source_add_words(c,
		(const char *[]){ "curl", "-gfsSL", "--netrc-optional",
			"--proto", "=http,https", "--retry", "2", "-o", NULL });
	source_add(c, xasprintf("%s.archive%s", s->place, more));
	source_add(c, xstrdup("--"));
	source_add(c, source_url(s, more));
}

/* The archive in source.directory, heap; NULL: there is none. */
static char *source_find_archive(const struct source *s)
{
	char *path;
	size_t i;

	for (i = 0; source_suffixes[i] != NULL; i++) {
		path = xasprintf("%s/%s%s", s->options->directory, s->version,
			source_suffixes[i]);
		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static int source_copy(const struct source *s, struct source_command *c,
	const char *more, struct err *err)
{
	char *archive = source_find_archive(s);

	if (archive == NULL)
		return err_set(err, 0, "%s has no %s.tar.gz",
			s->options->directory, s->version);
	source_add_words(c,
		(const char *[]){ "cp", "-L", "--reflink=auto", "--", NULL });
	source_add(c, xasprintf("%s%s", archive, more));
	source_add(c, xasprintf("%s.archive%s", s->place, more));
	free(archive);
	return 1;
}

/* A tag and nothing else: a branch of its name is not what was signed. */
static void source_fetch_tag(const struct source *s, struct source_command *c)
{
	char *ref = source_ref(s);

	source_add_git(s, c,
		(const char *[]){ "fetch", "--quiet", "--depth", "1",
			"--no-tags", "--", s->options->git, NULL });
	source_add(c, xasprintf("+%s:%s", ref, ref));
	free(ref);
}

static int source_get(
	const struct source *s, struct source_command *c, struct err *err)
{
	c->timeout_us = s->options->fetch_timeout_us;
	if (s->options->git != NULL)
		source_fetch_tag(s, c);
	else if (s->options->url != NULL)
		source_download(s, c, "");
	else
		return source_copy(s, c, "", err);
	return 1;
}

static int source_get_proof(
	const struct source *s, struct source_command *c, struct err *err)
{
	const char *more = source_proof(s);

	if (s->options->git != NULL || *more == '\0')
		return 0;
	c->timeout_us = s->options->fetch_timeout_us;
	if (s->options->url == NULL)
		return source_copy(s, c, more, err);
	source_download(s, c, more);
	return 1;
}

static int source_prove(
	const struct source *s, struct source_command *c, struct err *err)
{
	const struct deploy_options *o = s->options;
	char *archive = source_path(s, ".archive");
	char *proof = xasprintf("%s%s", archive, source_proof(s));

	(void)err;
	if (o->verify == DEPLOY_VERIFY_GPG && o->git != NULL)
		source_add_git(s, c,
			(const char *[]){ "verify-tag", "--format=%(tag)", "--",
				s->version, NULL });
	else if (o->verify == DEPLOY_VERIFY_GPG)
		source_add_words(
			c, (const char *[]){ "gpgv", "--keyring", o->verify_key,
				   "--", proof, archive, NULL });
	else if (o->verify == DEPLOY_VERIFY_MINISIGN)
		source_add_words(
			c, (const char *[]){ "minisign", "-Vm", archive, "-x",
				   proof, "-p", o->verify_key, NULL });
	else if (o->verify == DEPLOY_VERIFY_SHA256)
		source_add_words(c,
			(const char *[]){ "sha256sum", "--", archive, NULL });
	free(archive);
	free(proof);
	return c->words[0] != NULL;
}

static int source_clear_tree(
	const struct source *s, struct source_command *c, struct err *err)
{
	(void)err;
	if (s->options->git != NULL)
		return 0;
	source_add_words(c, (const char *[]){ "rm", "-rf", "--", NULL });
	source_add(c, source_path(s, ".partial"));
	return 1;
}

static int source_make_tree(
	const struct source *s, struct source_command *c, struct err *err)
{
	(void)err;
	if (s->options->git != NULL)
		return 0;
	source_add_words(
		c, (const char *[]){ "mkdir", "-m", "0755", "--", NULL });
	source_add(c, source_path(s, ".partial"));
	return 1;
}

static int source_unpack(
	const struct source *s, struct source_command *c, struct err *err)
{
	(void)err;
	c->timeout_us = s->options->fetch_timeout_us;
	if (s->options->git != NULL) {
		source_add_git(s, c,
			(const char *[]){ "-c", "advice.detachedHead=false",
				"checkout", "--quiet", "--force", "--detach",
				NULL });
		source_add(c, source_ref(s));
		return 1;
	}
	source_add_words(
		c, (const char *[]){ "tar", "--no-same-owner", "-xf", NULL });
	source_add(c, source_path(s, ".archive"));
	source_add(c, xstrdup("-C"));
	source_add(c, source_path(s, ".partial"));
	return 1;
}

/* Unpacked by root, devices and setuid bits would be real ones. */
static int source_inspect(
	const struct source *s, struct source_command *c, struct err *err)
{
	(void)err;
	source_add(c, xstrdup("find"));
	source_add(c, source_path(s, ".partial"));
	source_add_words(
		c, (const char *[]){ "(", "!", "-type", "f", "!", "-type", "d",
			   "!", "-type", "l", "-o", "-type", "f", "-perm",
			   "/6000", ")", "-print", NULL });
	return 1;
}

static int (*const source_parts[SOURCE_PART_COUNT])(
	const struct source *s, struct source_command *c, struct err *err) = {
	[SOURCE_CLEAR] = source_clear,
	[SOURCE_MAKE_REPOSITORY] = source_make_repository,
	[SOURCE_GET] = source_get,
	[SOURCE_GET_PROOF] = source_get_proof,
	[SOURCE_PROVE] = source_prove,
	[SOURCE_CLEAR_TREE] = source_clear_tree,
	[SOURCE_MAKE_TREE] = source_make_tree,
	[SOURCE_UNPACK] = source_unpack,
	[SOURCE_INSPECT] = source_inspect,
};

int source_command(const struct source *s, enum source_part part,
	struct source_command *ret, struct err *err)
{
	int rc;

	*ret = (struct source_command){ .timeout_us = SOURCE_STEP_US };
	rc = source_parts[part](s, ret, err);
	if (rc != 1)
		source_command_done(ret);
	return rc;
}

void source_command_done(struct source_command *c)
{
	size_t i;

	for (i = 0; c->words[i] != NULL; i++)
		free(c->words[i]);
	c->words[0] = NULL;
}

/* The first word of a file with a sum. */
static int source_read_sum(
	const char *path, char ret_sum[SOURCE_SUM_LEN + 1], struct err *err)
{
	char *text = files_read(path, SOURCE_SUM_MAX, err);
	size_t i, len;

	if (text == NULL)
		return -1;
	len = strspn(text, "0123456789abcdefABCDEF");
	for (i = 0; i < len && i < SOURCE_SUM_LEN; i++)
		ret_sum[i] = (char)tolower((unsigned char)text[i]);
	ret_sum[i] = '\0';
	free(text);
	if (len != SOURCE_SUM_LEN)
		return err_set(
			err, 0, "%s does not begin with a SHA-256", path);
	return 0;
}

static int source_check_sum(
	const struct source *s, const char *output, struct err *err)
{
	char *proof = source_path(s, ".archive.sha256");
	char sum[SOURCE_SUM_LEN + 1];
	int rc = source_read_sum(proof, sum, err);

	if (rc == 0 && strncmp(output, sum, SOURCE_SUM_LEN) != 0)
		rc = err_set(err, 0,
			"the SHA-256 of the archive is not that of %s", proof);
	free(proof);
	return rc;
}

/* An old signed tag under a new name would be an old release. */
static int source_check_tag(
	const struct source *s, const char *output, struct err *err)
{
	size_t len = strlen(output), name = strlen(s->version);

	while (len > 0 && output[len - 1] == '\n')
		len--;
	if (len >= name &&
		strncmp(output + len - name, s->version, name) == 0 &&
		(len == name || output[len - name - 1] == '\n'))
		return 0;
	return err_set(
		err, 0, "what was signed is another tag than %s", s->version);
}

int source_check(const struct source *s, enum source_part part,
	const char *output, struct err *err)
{
	if (part == SOURCE_PROVE && s->options->verify == DEPLOY_VERIFY_SHA256)
		return source_check_sum(s, output, err);
	if (part == SOURCE_PROVE && s->options->git != NULL)
		return source_check_tag(s, output, err);
	if (part == SOURCE_INSPECT && *output != '\0')
		return err_set(err, 0,
			"no release has devices, pipes, sockets, or files with "
			"a setuid or setgid bit");
	return 0;
}

/* Nobody is there to answer a question. */
char **source_env(const struct source *s)
{
	char **env = xcalloc(5, sizeof(*env));

	env[0] = xstrdup("GIT_TERMINAL_PROMPT=0");
	env[1] = xstrdup("SSH_ASKPASS=/bin/false");
	env[2] = xstrdup("SSH_ASKPASS_REQUIRE=force");
	if (s->options->git != NULL && s->options->verify_key != NULL)
		env[3] = xasprintf("GNUPGHOME=%s", s->options->verify_key);
	return env;
}

void source_drop_archive(const struct source *s)
{
	char *archive = source_path(s, ".archive");
	char *proof = xasprintf("%s%s", archive, source_proof(s));

	(void)unlink(archive);
	(void)unlink(proof);
	free(archive);
	free(proof);
}
