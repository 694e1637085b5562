/* SPDX-License-Identifier: ISC */
/*
 * verify - what no single value shows: settings held against each other and
 * against this machine.  Also resolves what depends on it: users, counts.
 */
#ifndef CONF_VERIFY_H
#define CONF_VERIFY_H

struct conf;
struct draft;

/* Every problem is reported. */
void verify_all(struct draft *d, struct conf *c);

#endif
