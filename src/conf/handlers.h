/* SPDX-License-Identifier: ISC */
/*
 * handlers - reading `handlers:`.
 */
#ifndef CONF_HANDLERS_H
#define CONF_HANDLERS_H

struct conf;
struct draft;
struct node;

/* Fill c->handlers from the map of that name at the top level, checked one by
 * one.  `templates` may be NULL. */
void handlers_read_all(struct draft *d, struct conf *c, const struct node *root,
	const struct node *templates);

#endif
