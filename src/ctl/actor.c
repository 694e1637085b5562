/* SPDX-License-Identifier: ISC */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/actor.h"

char *actor_name(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *p = getpwuid(getuid());

	if (getuid() == 0 && sudo != NULL && *sudo != '\0')
		return xasprintf("reevectl of %s", sudo);
	if (p != NULL)
		return xasprintf("reevectl of %s", p->pw_name);
	return xasprintf("reevectl of user %ld", (long)getuid());
}
