/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/number.h"
#include "conf/conf.h"
#include "deploy/options.h"

#define DEPLOY(field) .offset = offsetof(struct deploy_options, field)
#define DEPLOY_DAY_US (86400 * (int64_t)US_PER_S)

static const char *const options_verify[] = {
	[DEPLOY_VERIFY_NONE] = "none",
	[DEPLOY_VERIFY_SHA256] = "sha256",
	[DEPLOY_VERIFY_MINISIGN] = "minisign",
	[DEPLOY_VERIFY_GPG] = "gpg",
	NULL,
};

const char *const deploy_strategies[] = {
	[DEPLOY_ROLLING] = "rolling",
	[DEPLOY_ALL] = "all",
	[DEPLOY_CANARY] = "canary",
	NULL,
};

static const struct opt deploy_options[] = {
	{ .name = "root",
		.type = OPT_PATH,
		DEPLOY(root),
		.help = "directory of the application: releases/, shared/ and "
			"the link current" },
	{ .name = "source.git",
		.type = OPT_STRING,
		DEPLOY(git),
		.help = "a git repository: versions are its tags" },
	{ .name = "source.directory",
		.type = OPT_PATH,
		DEPLOY(directory),
		.help = "a directory with VERSION.tar.gz" },
	{ .name = "source.url",
		.type = OPT_STRING,
		DEPLOY(url),
		.help = "where an archive is got: {version} stands for it" },
	{ .name = "verify",
		.type = OPT_ENUM,
		DEPLOY(verify),
		.default_text = "none",
		.choices = options_verify,
		.help = "how a release proves where it comes from" },
	{ .name = "verify_key",
		.type = OPT_PATH,
		DEPLOY(verify_key),
		.help = "minisign: the public key; gpg: a keyring" },
	{ .name = "keep",
		.type = OPT_INT,
		DEPLOY(keep),
		.minimum = 1,
		.maximum = 1000,
		.default_text = "5",
		.unit = "releases",
		.help = "releases kept beside the current one" },
	{ .name = "shared",
		.type = OPT_STRINGS,
		DEPLOY(shared),
		.help = "paths of each release that are links into shared/" },
	{ .name = "env_files",
		.type = OPT_PATHS,
		DEPLOY(env_files),
		.help = "files of NAME=VALUE lines for the hooks" },
	{ .name = "hooks.prepare",
		.type = OPT_COMMAND,
		DEPLOY(prepare),
		.help = "run in the new release before anything is changed" },
	{ .name = "hooks.before_switch",
		.type = OPT_COMMAND,
		DEPLOY(before_switch),
		.help = "run in the new release just before it is current" },
	{ .name = "hooks.after_switch",
		.type = OPT_COMMAND,
		DEPLOY(after_switch),
		.help = "run in it once its pools are up" },
	{ .name = "hooks.rollback",
		.type = OPT_COMMAND,
		DEPLOY(rollback),
		.help = "run in the old release when it is current again" },
	{ .name = "hook_timeout",
		.type = OPT_DURATION,
		DEPLOY(hook_timeout_us),
		.minimum = 100 * US_PER_MS,
		.maximum = DEPLOY_DAY_US,
		.default_text = "5m",
		.help = "for each hook" },
	{ .name = "fetch_timeout",
		.type = OPT_DURATION,
		DEPLOY(fetch_timeout_us),
		.minimum = 100 * US_PER_MS,
		.maximum = DEPLOY_DAY_US,
		.default_text = "10m",
		.help = "to get and unpack a release" },
	{ .name = "health.http",
		.type = OPT_STRING,
		DEPLOY(health_http),
		.help = "a URL that answers 2xx while all is well" },
	{ .name = "health.exec",
		.type = OPT_COMMAND,
		DEPLOY(health_exec),
		.help = "a command that exits 0 while all is well" },
	{ .name = "health.interval",
		.type = OPT_DURATION,
		DEPLOY(health_interval_us),
		.minimum = 10 * US_PER_MS,
		.maximum = DEPLOY_DAY_US,
		.default_text = "1s",
		.help = "time between two looks" },
	{ .name = "health.timeout",
		.type = OPT_DURATION,
		DEPLOY(health_timeout_us),
		.minimum = 10 * US_PER_MS,
		.maximum = DEPLOY_DAY_US,
		.default_text = "5s",
		.help = "for one look" },
	{ .name = "health.for",
		.type = OPT_DURATION,
		DEPLOY(health_for_us),
		.minimum = 0,
		.maximum = DEPLOY_DAY_US,
		.default_text = "10s",
		.help = "how long a new release is watched" },
	{ .name = "health.failures",
		.type = OPT_INT,
		DEPLOY(health_failures),
		.minimum = 1,
		.maximum = 1000,
		.default_text = "3",
		.unit = "looks",
		.help = "so many bad looks in a row are a failure" },
	{ .name = "health.failure_rise",
		.type = OPT_INT,
		DEPLOY(failure_rise),
		.minimum = 0,
		.maximum = 100,
		.default_text = "10",
		.unit = "percent points",
		.help = "how much the share of failed tasks may rise; 0: not "
			"watched" },
	{ .name = "health.queue_max",
		.type = OPT_INT,
		DEPLOY(queue_max),
		.minimum = 0,
		.maximum = INT64_C(1) << 40,
		.default_text = "0",
		.unit = "tasks",
		.help = "how long a queue may grow; 0: not watched" },
	{ .name = "consumers_during",
		.type = OPT_MAP,
		DEPLOY(consumers_during),
		.help = "counts of consumers by topic while the release is "
			"switched" },
	{ .name = "pools",
		.type = OPT_STRINGS,
		DEPLOY(pools),
		.help = "pools that run the release: rolled after the switch" },
	{ .name = "handlers_file",
		.type = OPT_STRING,
		DEPLOY(handlers_file),
		.help = "file of a release that names its handlers, as JSON" },
	{ .name = "strategy",
		.type = OPT_ENUM,
		DEPLOY(strategy),
		.default_text = "rolling",
		.choices = deploy_strategies,
		.help = "in which order several nodes take a release" },
	{ .name = "canary",
		.type = OPT_PERCENT,
		DEPLOY(canary),
		.minimum = 1,
		.maximum = 100,
		.default_text = "10%",
		.unit = "nodes",
		.help = "so many nodes are first by strategy canary" },
	{ .name = "canary_for",
		.type = OPT_DURATION,
		DEPLOY(canary_for_us),
		.minimum = 0,
		.maximum = DEPLOY_DAY_US,
		.default_text = "1m",
		.help = "how long the first nodes of strategy canary are "
			"watched before the others follow" },
	{ .name = "node_timeout",
		.type = OPT_DURATION,
		DEPLOY(node_timeout_us),
		.minimum = US_PER_S,
		.maximum = DEPLOY_DAY_US,
		.default_text = "30s",
		.help = "a node silent for so long is not waited for" },
	{ .name = NULL },
};

static int options_check_source(const struct deploy_options *o,
	const char **ret_setting, struct err *err)
{
	int set = (o->git != NULL) + (o->directory != NULL) + (o->url != NULL);

	*ret_setting = "source.git";
	if (set != 1)
		return err_set(err, 0,
			"\"source\" wants one of git, directory and url");
	*ret_setting = "source.url";
	if (o->url != NULL && strstr(o->url, "{version}") == NULL)
		return err_set(err, 0, "\"source.url\" has no {version} in it");
	return 0;
}

/* A path inside of a release. */
static bool options_is_inside(const char *path)
{
	const char *at = path;
	size_t len;

	if (*path == '/' || *path == '\0')
		return false;
	for (; *at != '\0'; at += len + (at[len] == '/')) {
		len = strcspn(at, "/");
		if (len == 0 || (len == 1 && *at == '.') ||
			(len == 2 && at[0] == '.' && at[1] == '.'))
			return false;
	}
	return true;
}

static int options_check_paths(const struct deploy_options *o,
	const char **ret_setting, struct err *err)
{
	size_t i;

	*ret_setting = "shared";
	for (i = 0; i < o->shared.count; i++)
		if (!options_is_inside(o->shared.items[i]))
			return err_set(err, 0,
				"\"shared\" names paths inside a release, and "
				"\"%s\" is none",
				o->shared.items[i]);
	*ret_setting = "handlers_file";
	if (o->handlers_file != NULL && !options_is_inside(o->handlers_file))
		return err_set(
			err, 0, "\"handlers_file\" is a path inside a release");
	return 0;
}

static int options_check_counts(const struct deploy_options *o,
	const char **ret_setting, struct err *err)
{
	int64_t n;
	size_t i;

	*ret_setting = "consumers_during";
	for (i = 0; i < o->consumers_during.count; i++)
		if (!number_int(o->consumers_during.items[i].value, &n) ||
			n < 0)
			return err_set(err, 0,
				"\"consumers_during\" maps topics to numbers, "
				"and \"%s\" is none",
				o->consumers_during.items[i].value);
	return 0;
}

static int options_check(
	const struct conf_pool *pool, const char **ret_setting, struct err *err)
{
	const struct deploy_options *o = pool->own;

	*ret_setting = "root";
	if (o->root == NULL)
		return err_set(err, 0,
			"pool %s has no \"root\": say where its releases are",
			pool->name);
	*ret_setting = "verify_key";
	if (o->verify >= DEPLOY_VERIFY_MINISIGN && o->verify_key == NULL)
		return err_set(err, 0, "\"verify: %s\" wants \"verify_key\"",
			options_verify[o->verify]);
	*ret_setting = "verify";
	if (o->git != NULL && (o->verify == DEPLOY_VERIFY_SHA256 ||
				      o->verify == DEPLOY_VERIFY_MINISIGN))
		return err_set(err, 0,
			"\"verify: %s\" is for archives: a tag of git is "
			"signed with gpg",
			options_verify[o->verify]);
	if (options_check_source(o, ret_setting, err) != 0 ||
		options_check_paths(o, ret_setting, err) != 0)
		return -1;
	return options_check_counts(o, ret_setting, err);
}

static const char *options_root(const struct conf_pool *pool)
{
	const struct deploy_options *o = pool->own;

	return o->root;
}

const struct conf_kind conf_kind_deploy = {
	.name = "deploy",
	.options = deploy_options,
	.size = sizeof(struct deploy_options),
	.uses_database = true,
	.check = options_check,
	.root = options_root,
};
