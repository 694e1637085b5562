/* SPDX-License-Identifier: ISC */
/*
 * expand - ${} in values: the environment of this process.
 *
 *	${VAR}            its value; an error when it is not set
 *	${VAR:-default}   default when it is not set or empty
 *	${VAR:?message}   an error with that message then
 *	$$                one "$"
 *
 * A default may hold further ${}.  Any other "$" stands for itself.
 */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include <stdbool.h>

struct draft;
struct node;

/* The text of a scalar, filled in when it is first asked for; NULL after an
 * error, also when the node is no scalar. */
const char *expand_text(struct draft *d, struct node *n);
/* Is it a scalar without quotes that says nothing: empty, ~ or null? */
bool expand_is_null(struct draft *d, struct node *n);

#endif
