/* SPDX-License-Identifier: ISC */
/*
 * owner - names of users and groups to numbers.  Asks the name service, so
 * it may block.
 */
#ifndef CONF_OWNER_H
#define CONF_OWNER_H

#include <sys/types.h>

struct draft;
struct node;

#define OWNER_NO_UID ((uid_t)-1)
#define OWNER_NO_GID ((gid_t)-1)

/*
 * Whom `user` and `group` (either may be NULL) mean.  ret_uid and ret_gid
 * must hold what is right without them; the group of a user is its own when
 * `group` is NULL.  An unknown name is an error; a change of user that a
 * process without root's rights cannot make is a warning, and leaves -1.
 */
void owner_resolve(struct draft *d, const char *user,
	const struct node *user_at, const char *group,
	const struct node *group_at, uid_t *ret_uid, gid_t *ret_gid);

/* A group alone; no rights are looked at. */
void owner_group(struct draft *d, const char *group, const struct node *at,
	gid_t *ret_gid);

#endif
