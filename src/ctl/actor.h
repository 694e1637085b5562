/* SPDX-License-Identifier: ISC */
/*
 * actor - who sits at this reevectl, for the audit log.
 */
#ifndef CTL_ACTOR_H
#define CTL_ACTOR_H

/* "reevectl of alice": whoever called sudo, else the user; heap. */
char *actor_name(void);

#endif
