/* SPDX-License-Identifier: ISC */
/*
 * release - a version on its way into releases/, and out of it.
 */
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
#include "deploy/source.h"
#include "deploy/spare.h"

#define RELEASE_STEP_US (10 * 60 * (int64_t)US_PER_S)
/* Behind the name of one that is being removed, and a dot before it. */
#define RELEASE_OLD ".old"

static bool release_is_there(const struct job *job)
{
	char *path = job_path(job, "releases/%s", job->version);
	bool is_there = files_is_directory(path);

	free(path);
	return is_there;
}

/* Where it is put until it is whole; the place is heap. */
static struct source release_source(const struct job *job)
{
	return (struct source){ .options = job->deploy->options,
		.version = job->version,
		.place = job_path(job, "releases/%s", job->version) };
}

static void release_go_on(struct job *job);

static void release_on_part(struct job *job)
{
	struct source s = release_source(job);
	struct err err;
	int rc = source_check(&s, (enum source_part)job->at,
		buf_str(&job->output) + job->part_output, &err);

	free(s.place);
	if (rc != 0) {
		job_step_failed(job, "%s", err.text);
		return;
	}
	job->at++;
	release_go_on(job);
}

/* The parts from job->at to job->part_end. */
static void release_go_on(struct job *job)
{
	struct source s = release_source(job);
	struct source_command c;
	struct err err;
	int rc = 0;

	job_drop_env(job);
	job->env = source_env(&s);
	while (job->at < job->part_end) {
		rc = source_command(&s, (enum source_part)job->at, &c, &err);
		if (rc != 0)
			break;
		job->at++;
	}
	free(s.place);
	job->part_output = job->output.len;
	if (rc == 1) {
		job_run_words(job, (const char *const *)c.words, c.timeout_us,
			release_on_part);
		source_command_done(&c);
	} else if (rc == 0) {
		job->part_next(job);
	} else {
		job_step_failed(job, "%s", err.text);
	}
}

/* Several parts of getting it, one after the other. */
static void release_run(struct job *job, enum source_part first,
	enum source_part last, void (*next)(struct job *job))
{
	job->at = first;
	job->part_end = (size_t)last + 1;
	job->part_next = next;
	release_go_on(job);
}

void release_drop_archive(const struct job *job)
{
	struct source s = release_source(job);

	source_drop_archive(&s);
	free(s.place);
}

/* Says that what is there did not do: a push gets it anew. */
static char *release_mark(const struct job *job, const char *version)
{
	return job_path(job, "releases/.%s.failed", version);
}

/* What is half removed may not look like a release.  The path that it has then;
 * heap. */
static char *release_set_aside(struct job *job, const char *name)
{
	char *path = job_path(job, "releases/%s", name);
	char *aside = job_path(job, "releases/.%s" RELEASE_OLD, name);

	if (rename(path, aside) == 0) {
		free(path);
		return aside;
	}
	job_say(job, "%s: %s", path, strerror(errno));
	free(path);
	free(aside);
	return NULL;
}

void release_mark_failed(struct job *job)
{
	char *mark;
	int fd;

	if (!job->is_push || strcmp(job->version, job->from) == 0 ||
		!release_is_there(job))
		return;
	mark = release_mark(job, job->version);
	fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	/* Where there is no room for that, it has to go. */
	if (fd != -1)
		close(fd);
	else
		free(release_set_aside(job, job->version));
	free(mark);
}

static bool release_has_failed(const struct job *job)
{
	char *mark = release_mark(job, job->version);
	bool has_failed = job->is_push && access(mark, F_OK) == 0;

	free(mark);
	return has_failed && strcmp(job->version, job->from) != 0;
}

static void release_forgotten(struct job *job)
{
	char *mark = release_mark(job, job->version);

	(void)unlink(mark);
	free(mark);
	step_fetch(job);
}

static void release_forget(struct job *job)
{
	char *path;

	if (!release_is_there(job)) {
		release_forgotten(job);
		return;
	}
	job_say(job, "releases/%s has failed before", job->version);
	path = release_set_aside(job, job->version);
	if (path == NULL) {
		job_step_failed(
			job, "releases/%s can't be got anew", job->version);
		return;
	}
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
		release_run(job, SOURCE_CLEAR, SOURCE_GET_PROOF, job_step_done);
	}
}

void step_verify(struct job *job)
{
	if (release_is_there(job))
		job_step_done(job);
	else
		release_run(job, SOURCE_PROVE, SOURCE_PROVE, job_step_done);
}

/* All of it is on the disk: now it may have its name. */
static void release_name(struct job *job)
{
	char *partial = job_path(job, "releases/%s.partial", job->version);
	char *final = job_path(job, "releases/%s", job->version);
	struct err err;

	if (files_rename(partial, final, &err) != 0) {
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

static void release_publish(struct job *job)
{
	const struct deploy_options *o = job->deploy->options;
	char *partial = job_path(job, "releases/%s.partial", job->version);
	struct err err;

	if (files_share(o->root, partial, &o->shared, &err) != 0)
		job_step_failed(job, "%s", err.text);
	else
		job_run_words(job,
			(const char *[]){ "sync", "-f", "--", partial, NULL },
			RELEASE_STEP_US, release_name);
	free(partial);
}

void step_unpack(struct job *job)
{
	if (release_is_there(job))
		job_step_done(job);
	else
		release_run(job, SOURCE_CLEAR_TREE, SOURCE_INSPECT,
			release_publish);
}

/* Whatever is in releases/, but for the two that are in use. */
struct release_old {
	char *name;
	time_t at;
	bool is_rest;    /* of one that was to be removed, or never came */
	bool has_failed; /* is of no use to go back to */
};

static bool release_ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len > n && strcmp(name + len - n, end) == 0;
}

static bool release_is_rest(const char *name)
{
	return release_ends_in(name, ".partial") ||
	       (*name == '.' && release_ends_in(name, RELEASE_OLD));
}

/* Those that may be gone back to, the newest first. */
static int release_by_use(const void *a, const void *b)
{
	const struct release_old *x = a, *y = b;
	int unused = x->is_rest || x->has_failed;

	if (unused != (y->is_rest || y->has_failed))
		return unused ? 1 : -1;
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
	char *mark;

	while ((e = readdir(dir)) != NULL) {
		if ((e->d_name[0] == '.' && !release_is_rest(e->d_name)) ||
			strcmp(e->d_name, job->version) == 0 ||
			strcmp(e->d_name, job->from) == 0 ||
			fstatat(dirfd(dir), e->d_name, &st,
				AT_SYMLINK_NOFOLLOW) == -1 ||
			!S_ISDIR(st.st_mode))
			continue;
		list = xreallocarray(list, n + 1, sizeof(*list));
		mark = release_mark(job, e->d_name);
		list[n].name = xstrdup(e->d_name);
		list[n].at = st.st_mtime;
		list[n].has_failed = access(mark, F_OK) == 0;
		list[n++].is_rest = release_is_rest(e->d_name);
		free(mark);
	}
	*ret_list = list;
	return n;
}

static char *release_begin_drop(struct job *job, const struct release_old *old)
{
	char *path, *mark;

	if (old->is_rest)
		return job_path(job, "releases/%s", old->name);
	job_say(job, "releases/%s", old->name);
	path = release_set_aside(job, old->name);
	mark = release_mark(job, old->name);
	if (path != NULL)
		(void)unlink(mark);
	free(mark);
	return path;
}

/* As many as fit into one command; the rest goes with the next release. */
static void release_drop(struct job *job, const struct release_old *list,
	size_t n, void (*next)(struct job *job))
{
	const char *words[JOB_WORDS_MAX] = { "rm", "-rf", "--" };
	char *paths[JOB_WORDS_MAX];
	size_t i, count = 0;

	for (i = 0; i < n && count + 4 < JOB_WORDS_MAX; i++) {
		paths[count] = release_begin_drop(job, &list[i]);
		if (paths[count] != NULL) {
			words[3 + count] = paths[count];
			count++;
		}
	}
	words[3 + count] = NULL;
	/* A release is not bad because an old one can't be removed. */
	job->is_lenient = true;
	if (count > 0)
		job_run_words(job, words, RELEASE_STEP_US, next);
	else
		next(job);
	for (i = 0; i < count; i++)
		free(paths[i]);
}

void release_prune(struct job *job, size_t keep, void (*next)(struct job *job))
{
	char *path = job_path(job, "releases");
	struct release_old *list = NULL;
	size_t i, n = 0, kept = 0;
	DIR *dir = opendir(path);

	free(path);
	if (dir != NULL) {
		n = release_list(job, dir, &list);
		closedir(dir);
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), release_by_use);
	while (kept < n && kept < keep && !list[kept].is_rest &&
		!list[kept].has_failed)
		kept++;
	release_drop(job, list + kept, n - kept, next);
	for (i = 0; i < n; i++)
		free(list[i].name);
	free(list);
}

void release_sweep(struct job *job)
{
	const char *words[SPARE_LEFT_MAX + 4] = { "rm", "-rf", "--" };
	char *paths[SPARE_LEFT_MAX];
	size_t n = spare_left_over(job->deploy->options->root, paths), i;

	files_switched(job->deploy->options->root);
	if (n == 0) {
		job_step_done(job);
		return;
	}
	for (i = 0; i < n; i++)
		words[3 + i] = paths[i];
	words[3 + n] = NULL;
	job->is_lenient = true;
	job_run_words(job, words, RELEASE_STEP_US, job_step_done);
	for (i = 0; i < n; i++)
		free(paths[i]);
}

void step_prune(struct job *job)
{
	size_t keep = (size_t)job->deploy->options->keep;
	char *mark = release_mark(job, job->version);

	(void)unlink(mark);
	free(mark);
	/* The one before this is kept in any case, and counts. */
	if (job->from[0] != '\0' && strcmp(job->from, job->version) != 0)
		keep--;
	release_prune(job, keep, release_sweep);
}
