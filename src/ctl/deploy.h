/* SPDX-License-Identifier: ISC */
/*
 * deploy - releases from the command line.
 */
#ifndef CTL_DEPLOY_H
#define CTL_DEPLOY_H

#include <jansson.h>
#include <stdbool.h>

struct ctl;

int deploy_push(struct ctl *c);
int deploy_rollback(struct ctl *c);
int deploy_list(struct ctl *c);
int deploy_show(struct ctl *c);
int deploy_abort(struct ctl *c);

/* Deployments, as JSON: all of them, how one ended (EXIT_OK: it is live), and
 * whether it has. */
void deploy_print(const struct ctl *c, json_t *rows);
int deploy_tell(const struct ctl *c, json_t *row);
bool deploy_is_over(const json_t *row);

#endif
