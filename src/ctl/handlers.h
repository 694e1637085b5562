/* SPDX-License-Identifier: ISC */
/*
 * handlers - can every handler be carried out, and every stored task?
 */
#ifndef CTL_HANDLERS_H
#define CTL_HANDLERS_H

struct ctl;

int handlers_check(struct ctl *c);

#endif
