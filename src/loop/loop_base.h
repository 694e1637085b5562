/* SPDX-License-Identifier: ISC */
/*
 * loop_base - libevent's side of a loop, for the files of this room only.
 */
#ifndef LOOP_LOOP_BASE_H
#define LOOP_LOOP_BASE_H

struct event_base;
struct loop;

/* Borrowed; lives as long as the loop. */
struct event_base *loop_base(struct loop *l);

#endif
