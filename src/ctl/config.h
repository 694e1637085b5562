/* SPDX-License-Identifier: ISC */
/*
 * config - process.yaml: what is in effect, what is wrong, what there is.
 */
#ifndef CTL_CONFIG_H
#define CTL_CONFIG_H

struct ctl;

int config_show(struct ctl *c);
/* Needs no daemon, as the next. */
int config_check(struct ctl *c);
int config_options(struct ctl *c);

#endif
