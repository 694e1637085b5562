/* SPDX-License-Identifier: ISC */
/*
 * gate - does a release still have what stored tasks need?
 */
#ifndef CTL_GATE_H
#define CTL_GATE_H

struct ctl;

int gate_command(struct ctl *c);

#endif
