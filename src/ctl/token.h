/* SPDX-License-Identifier: ISC */
/*
 * token - what opens the API: made, listed and taken back.
 *
 * A token is shown when it is made, and never again: only its SHA-256 is kept.
 */
#ifndef CTL_TOKEN_H
#define CTL_TOKEN_H

struct ctl;

int token_add(struct ctl *c);
int token_list(struct ctl *c);
int token_revoke(struct ctl *c);

#endif
