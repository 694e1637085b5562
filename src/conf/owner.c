/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/number.h"
#include "conf/draft.h"
#include "conf/owner.h"

/* The largest record a name service may answer with. */
#define OWNER_RECORD_MAX (1 << 18)

static int owner_unknown(struct draft *d, const struct node *at,
	const char *what, const char *name, int error)
{
	if (error == 0 || error == ENOENT || error == ESRCH)
		return draft_error(
			d, at, "there is no %s %s", what, draft_show(d, name));
	return draft_error(d, at, "cannot look up %s %s: %s", what,
		draft_show(d, name), strerror(error));
}

static int owner_find_user(struct draft *d, const char *name,
	const struct node *at, uid_t *ret_uid, gid_t *ret_gid)
{
	char *space = xmalloc(OWNER_RECORD_MAX);
	struct passwd record, *found = NULL;
	int64_t number;
	int error;

	error = getpwnam_r(name, &record, space, OWNER_RECORD_MAX, &found);
	if (found == NULL && number_int(name, &number) && number >= 0 &&
		number < OWNER_NO_UID)
		error = getpwuid_r((uid_t)number, &record, space,
			OWNER_RECORD_MAX, &found);
	if (found != NULL) {
		*ret_uid = record.pw_uid;
		*ret_gid = record.pw_gid;
	}
	free(space);
	return found != NULL ? 0 : owner_unknown(d, at, "user", name, error);
}

static int owner_find_group(struct draft *d, const char *name,
	const struct node *at, gid_t *ret_gid)
{
	char *space = xmalloc(OWNER_RECORD_MAX);
	struct group record, *found = NULL;
	int64_t number;
	int error;

	error = getgrnam_r(name, &record, space, OWNER_RECORD_MAX, &found);
	if (found == NULL && number_int(name, &number) && number >= 0 &&
		number < OWNER_NO_GID)
		error = getgrgid_r((gid_t)number, &record, space,
			OWNER_RECORD_MAX, &found);
	if (found != NULL)
		*ret_gid = record.gr_gid;
	free(space);
	return found != NULL ? 0 : owner_unknown(d, at, "group", name, error);
}

void owner_group(struct draft *d, const char *group, const struct node *at,
	gid_t *ret_gid)
{
	if (group != NULL)
		(void)owner_find_group(d, group, at, ret_gid);
}

void owner_resolve(struct draft *d, const char *user,
	const struct node *user_at, const char *group,
	const struct node *group_at, uid_t *ret_uid, gid_t *ret_gid)
{
	uid_t uid = *ret_uid;
	gid_t gid = *ret_gid;

	if (user != NULL && owner_find_user(d, user, user_at, &uid, &gid) != 0)
		return;
	if (group != NULL && owner_find_group(d, group, group_at, &gid) != 0)
		return;
	if (geteuid() == 0) {
		*ret_uid = uid;
		*ret_gid = gid;
		return;
	}
	*ret_uid = OWNER_NO_UID;
	*ret_gid = OWNER_NO_GID;
	if (user != NULL && uid != geteuid())
		draft_warning(d, user_at,
			"user %s: not started by root, so the user stays",
			draft_show(d, user));
	else if (group != NULL && gid != getegid())
		draft_warning(d, group_at,
			"group %s: not started by root, so the group stays",
			draft_show(d, group));
}
