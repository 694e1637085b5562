/* SPDX-License-Identifier: ISC */
/*
 * release - a version on its way into releases/, and out of it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/clock.h"
#include "deploy/files.h"
#include "deploy/job.h"

#define RELEASE_STEP_US (10 * 60 * (int64_t)US_PER_S)
#define RELEASE_SUM_LEN 64

/* What is put behind an archive's name for its proof. */
static const char *const release_proofs[] = {
	[DEPLOY_VERIFY_NONE] = "",
	[DEPLOY_VERIFY_SHA256] = ".sha256",
	[DEPLOY_VERIFY_MINISIGN] = ".minisig",
	[DEPLOY_VERIFY_GPG] = ".asc",
};

static const char *const release_suffixes[] = { ".tar.gz", ".tgz", ".tar.xz",
	".tar.zst", ".tar.bz2", ".tar", NULL };

static bool release_is_there(const struct job *job)
{
	char *path = job_path(job, "releases/%s", job->version);
	bool is_there = files_is_directory(path);

	free(path);
	return is_there;
}

/* The archive of a version; heap, or NULL: there is none. */
static char *release_archive(const struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	char *path;
	size_t i;

	if (o->url != NULL)
		return job_path(job, "releases/%s.archive", job->version);
	for (i = 0; release_suffixes[i] != NULL; i++) {
		path = xasprintf("%s/%s%s", o->directory, job->version,
			release_suffixes[i]);
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* The URL of a version, with more behind it; heap. */
static char *release_url(const struct job *job, const char *more)
{
	static const char mark[] = "{version}";
	const char *url = job->deploy->options->url;
	struct buf out = BUF_INIT;
	const char *at;

	while ((at = strstr(url, mark)) != NULL) {
		buf_add(&out, url, (size_t)(at - url));
		buf_puts(&out, job->version);
		url = at + sizeof(mark) - 1;
	}
	buf_printf(&out, "%s%s", url, more);
	return buf_take(&out);
}

static void release_download(
	struct job *job, const char *more, void (*next)(struct job *job))
{
	char *url = release_url(job, more);
	char *to = job_path(job, "releases/%s.archive%s", job->version, more);

	job_say(job, "%s", url);
	job_run_words(job,
		(const char *[]){ "curl", "-fsSL", "--proto", "=http,https",
			"--retry", "2", "-o", to, "--", url, NULL },
		job->deploy->options->fetch_timeout_us, next);
	free(url);
	free(to);
}

static void release_download_proof(struct job *job)
{
	const char *more = release_proofs[job->deploy->options->verify];

	if (*more == '\0')
		job_step_done(job);
	else
		release_download(job, more, job_step_done);
}

static void release_clone(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	char *to = job_path(job, "releases/%s.partial", job->version);

	job_run_words(job,
		(const char *[]){ "git", "-c", "advice.detachedHead=false",
			"clone", "--quiet", "--depth", "1", "--branch",
			job->version, "--", o->git, to, NULL },
		o->fetch_timeout_us, job_step_done);
	free(to);
}

static void release_get(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	char *archive;

	if (o->git != NULL) {
		release_clone(job);
		return;
	}
	if (o->url != NULL) {
		release_download(job, "", release_download_proof);
		return;
	}
	archive = release_archive(job);
	if (archive == NULL) {
		job_step_failed(
			job, "%s has no %s.tar.gz", o->directory, job->version);
		return;
	}
	job_say(job, "%s", archive);
	free(archive);
	job_step_done(job);
}

/* What an earlier try has left. */
static void release_clear(struct job *job, void (*next)(struct job *job))
{
	char *partial = job_path(job, "releases/%s.partial", job->version);

	job_run_words(job, (const char *[]){ "rm", "-rf", "--", partial, NULL },
		RELEASE_STEP_US, next);
	free(partial);
}

/* Says that what is there did not do: a push gets it anew. */
static char *release_mark(const struct job *job)
{
	return job_path(job, "releases/.%s.failed", job->version);
}

void release_mark_failed(const struct job *job)
{
	char *mark;
	int fd;

	if (!job->is_push || strcmp(job->version, job->from) == 0 ||
		!release_is_there(job))
		return;
	mark = release_mark(job);
	fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd != -1)
		close(fd);
	free(mark);
}

static bool release_has_failed(const struct job *job)
{
	char *mark = release_mark(job);
	bool has_failed = job->is_push && access(mark, F_OK) == 0;

	free(mark);
	return has_failed && strcmp(job->version, job->from) != 0;
}

static void release_forgotten(struct job *job)
{
	char *mark = release_mark(job);

	(void)unlink(mark);
	free(mark);
	step_fetch(job);
}

static void release_forget(struct job *job)
{
	char *path = job_path(job, "releases/%s", job->version);

	job_say(job, "releases/%s has failed before", job->version);
	job_run_words(job, (const char *[]){ "rm", "-rf", "--", path, NULL },
		RELEASE_STEP_US, release_forgotten);
	free(path);
}

void step_fetch(struct job *job)
{
	struct err err;

	if (switch_read_from(job, &err) != 0) {
		job_step_failed(job, "%s", err.text);
	} else if (release_has_failed(job)) {
		release_forget(job);
	} else if (release_is_there(job)) {
		job_say(job, "releases/%s is there", job->version);
		job_step_done(job);
	} else if (!job->is_push) {
		job_step_failed(job,
			"releases/%s is not kept any more: push "
			"it again",
			job->version);
	} else if (files_make_root(job->deploy->options->root, &err) != 0) {
		job_step_failed(job, "%s", err.text);
	} else {
		release_clear(job, release_get);
	}
}

/* The first word of a file with a sum. */
static int release_read_sum(
	const char *path, char ret_sum[RELEASE_SUM_LEN + 1], struct err *err)
{
	char *text = files_read(path, 4096, err);
	size_t i, len;

	if (text == NULL)
		return -1;
	len = strspn(text, "0123456789abcdefABCDEF");
	if (len != RELEASE_SUM_LEN) {
		free(text);
		return err_set(
			err, 0, "%s does not begin with a SHA-256", path);
	}
	for (i = 0; i < len; i++)
		ret_sum[i] = (char)tolower((unsigned char)text[i]);
	ret_sum[len] = '\0';
	free(text);
	return 0;
}

static void release_compare(struct job *job)
{
	char *archive = release_archive(job);
	char *proof = xasprintf("%s.sha256", archive);
	char sum[RELEASE_SUM_LEN + 1];
	struct err err;

	if (release_read_sum(proof, sum, &err) != 0)
		job_step_failed(job, "%s", err.text);
	else if (strncmp(buf_str(&job->output), sum, RELEASE_SUM_LEN) != 0)
		job_step_failed(job, "the SHA-256 of %s is not that of %s",
			archive, proof);
	else
		job_step_done(job);
	free(archive);
	free(proof);
}

static void release_verify_archive(struct job *job, const char *archive)
{
	const struct deploy_options *o = job->deploy->options;
	char *proof = xasprintf("%s%s", archive, release_proofs[o->verify]);

	if (o->verify == DEPLOY_VERIFY_SHA256)
		job_run_words(job,
			(const char *[]){ "sha256sum", "--", archive, NULL },
			RELEASE_STEP_US, release_compare);
	else if (o->verify == DEPLOY_VERIFY_MINISIGN)
		job_run_words(job,
			(const char *[]){ "minisign", "-Vm", archive, "-x",
				proof, "-p", o->verify_key, NULL },
			RELEASE_STEP_US, job_step_done);
	else
		job_run_words(job,
			(const char *[]){ "gpgv", "--keyring", o->verify_key,
				"--", proof, archive, NULL },
			RELEASE_STEP_US, job_step_done);
	free(proof);
}

static void release_verify_tag(struct job *job)
{
	char *partial = job_path(job, "releases/%s.partial", job->version);
	char *home =
		xasprintf("GNUPGHOME=%s", job->deploy->options->verify_key);

	job_run_words(job,
		(const char *[]){ "env", home, "git", "-C", partial,
			"verify-tag", "--", job->version, NULL },
		RELEASE_STEP_US, job_step_done);
	free(home);
	free(partial);
}

void step_verify(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	char *archive;

	if (o->verify == DEPLOY_VERIFY_NONE || release_is_there(job)) {
		job_step_done(job);
		return;
	}
	if (o->git != NULL) {
		release_verify_tag(job);
		return;
	}
	archive = release_archive(job);
	if (archive == NULL)
		job_step_failed(job, "the archive is gone");
	else
		release_verify_archive(job, archive);
	free(archive);
}

/* What was downloaded is needed no more. */
void release_drop_archive(const struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	char *archive, *proof;

	if (o->url == NULL)
		return;
	archive = release_archive(job);
	proof = xasprintf("%s%s", archive, release_proofs[o->verify]);
	(void)unlink(archive);
	(void)unlink(proof);
	free(archive);
	free(proof);
}

/* The tree is whole: its shared paths, and its name. */
static void release_publish(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	char *partial = job_path(job, "releases/%s.partial", job->version);
	char *final = job_path(job, "releases/%s", job->version);
	struct err err;

	if (files_share(o->root, partial, &o->shared, &err) != 0 ||
		files_rename(partial, final, &err) != 0) {
		job_step_failed(job, "%s", err.text);
	} else {
		/* Its age is told by when it came, not when it was packed. */
		(void)utimensat(AT_FDCWD, final, NULL, 0);
		release_drop_archive(job);
		job_step_done(job);
	}
	free(partial);
	free(final);
}

static void release_extract(struct job *job)
{
	char *partial = job_path(job, "releases/%s.partial", job->version);
	char *archive = release_archive(job);

	if (archive == NULL)
		job_step_failed(job, "the archive is gone");
	else if (mkdir(partial, 0755) == -1)
		job_step_failed(job, "%s: %s", partial, strerror(errno));
	else
		job_run_words(job,
			(const char *[]){ "tar", "-xf", archive, "-C", partial,
				"--no-same-owner", NULL },
			job->deploy->options->fetch_timeout_us,
			release_publish);
	free(partial);
	free(archive);
}

void step_unpack(struct job *job)
{
	if (release_is_there(job))
		job_step_done(job);
	else if (job->deploy->options->git != NULL)
		release_publish(job);
	else
		release_clear(job, release_extract);
}

/* A release that may go. */
struct release_old {
	char *name;
	time_t at;
};

static int release_by_age(const void *a, const void *b)
{
	const struct release_old *x = a, *y = b;

	return x->at < y->at   ? 1
	       : x->at > y->at ? -1
			       : strcmp(y->name, x->name);
}

static size_t release_list(
	const struct job *job, DIR *dir, struct release_old **ret_list)
{
	struct release_old *list = NULL;
	struct dirent *e;
	struct stat st;
	size_t n = 0;

	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' ||
			strcmp(e->d_name, job->version) == 0 ||
			strcmp(e->d_name, job->from) == 0 ||
			fstatat(dirfd(dir), e->d_name, &st,
				AT_SYMLINK_NOFOLLOW) == -1 ||
			!S_ISDIR(st.st_mode))
			continue;
		list = xreallocarray(list, n + 1, sizeof(*list));
		list[n].name = xstrdup(e->d_name);
		list[n++].at = st.st_mtime;
	}
	*ret_list = list;
	return n;
}

/* As many as fit into one command; the rest goes with the next release. */
static void release_drop(
	struct job *job, const struct release_old *list, size_t from, size_t n)
{
	const char *words[JOB_WORDS_MAX] = { "rm", "-rf", "--" };
	char *paths[JOB_WORDS_MAX];
	size_t i, count = 0;

	for (i = from; i < n && count + 4 < JOB_WORDS_MAX; i++) {
		paths[count] = job_path(job, "releases/%s", list[i].name);
		words[3 + count] = paths[count];
		job_say(job, "releases/%s", list[i].name);
		count++;
	}
	words[3 + count] = NULL;
	job_run_words(job, words, RELEASE_STEP_US, job_step_done);
	for (i = 0; i < count; i++)
		free(paths[i]);
}

void step_prune(struct job *job)
{
	char *path = job_path(job, "releases");
	struct release_old *list = NULL;
	size_t i, n = 0, keep = (size_t)job->deploy->options->keep;
	DIR *dir = opendir(path);

	free(path);
	if (dir != NULL) {
		n = release_list(job, dir, &list);
		closedir(dir);
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), release_by_age);
	/* The one before this is kept in any case, and counts. */
	if (job->from[0] != '\0' && keep > 0)
		keep--;
	if (n > keep)
		release_drop(job, list, keep, n);
	else
		job_step_done(job);
	for (i = 0; i < n; i++)
		free(list[i].name);
	free(list);
}
