/* SPDX-License-Identifier: ISC */
/*
 * story - all that is known of a task, in the order it happened.
 */
#ifndef CTL_STORY_H
#define CTL_STORY_H

struct ctl;

int story_explain(struct ctl *c);

#endif
