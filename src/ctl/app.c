/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "conf/conf.h"
#include "ctl/app.h"
#include "ctl/ctl.h"
#include "deploy/options.h"

#define APP_VERSION_MAX 100

int app_find(const struct ctl *c, const struct conf *conf,
	const struct conf_pool **ret_app)
{
	const struct conf_pool *found = NULL, *p;
	size_t i;

	for (i = 0; i < conf->pool_count; i++) {
		p = &conf->pools[i];
		if (p->kind != &conf_kind_deploy ||
			(c->app != NULL && strcmp(p->name, c->app) != 0))
			continue;
		if (found != NULL)
			return ctl_fail(EXIT_USAGE,
				"which application?  --app %s, or --app %s",
				found->name, p->name);
		found = p;
	}
	if (found == NULL && c->app != NULL)
		return ctl_fail(EXIT_CONFIG,
			"%s: no pool of kind deploy is called %s", conf->path,
			c->app);
	if (found == NULL)
		return ctl_fail(EXIT_CONFIG,
			"%s: there is no pool of kind "
			"deploy",
			conf->path);
	*ret_app = found;
	return EXIT_OK;
}

/* releases/VERSION.partial and .archive are of another version. */
static bool app_is_reserved(const char *version)
{
	static const char *const words[] = { ".partial", ".archive" };
	const char *at;
	size_t i, len;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
		len = strlen(words[i]);
		for (at = version; (at = strstr(at, words[i])) != NULL; at++)
			if (at[len] == '\0' || at[len] == '.')
				return true;
	}
	return false;
}

int app_check_version(const char *version)
{
	const char *at = version;

	while (isalnum((unsigned char)*at) ||
		(at > version && *at != '\0' && strchr("._+-", *at) != NULL))
		at++;
	if (*at == '\0' && at > version && at - version <= APP_VERSION_MAX &&
		!app_is_reserved(version))
		return EXIT_OK;
	return ctl_fail(EXIT_USAGE,
		"\"%s\" is no version: letters, digits and . _ + -, the first "
		"a letter or a digit, at most %d, and neither .partial nor "
		".archive",
		version, APP_VERSION_MAX);
}
