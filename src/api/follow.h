/* SPDX-License-Identifier: ISC */
/*
 * follow - the log of a run as it is written, as Server-Sent Events.
 *
 *	event: log	data: a line as the list has it; id: its id
 *	event: state	data: {"status", "progress", "progressText",
 *			"retryCount"}, first of all and when it changes
 *	event: end	data: {"status"}: the run is over
 *
 * A stream ends with its run, when the worker drains, when tokens have changed,
 * with the token that it was asked for with, and after FOLLOW_LIFE_S: a client
 * comes again with Last-Event-ID and misses nothing.
 */
#ifndef API_FOLLOW_H
#define API_FOLLOW_H

struct call;
struct service;

#define FOLLOW_LIFE_S     600
#define FOLLOW_MAX        200 /* streams of a worker */
#define FOLLOW_TENANT_MAX 50  /* of one tenant in it */

/*
 * Stream the log of the run call->name from behind the line `after` (NULL:
 * from the start); levels: those that are wanted, as a PostgreSQL array.
 * The run is there; answers the call.
 */
void follow_start(struct call *call, const char *levels, const char *after);
/* End all streams: before the server goes, or since tokens have changed. */
void follow_stop(struct service *s);

#endif
