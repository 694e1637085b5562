/* SPDX-License-Identifier: ISC */
/*
 * access_log - the access log: a line for each answer.
 *
 *	CLIENT - USER [DATE] "REQUEST" STATUS BYTES "REFERER" "AGENT" ID SECONDS
 *
 * the combined format of the web servers, then the request's id and how long
 * it took.  Lines go to standard output, a pipe to the logger, which writes
 * the file: no slow disk holds a worker.  What the logger does not take in
 * time is kept for a while, then counted and lost.
 */
#ifndef API_ACCESS_LOG_H
#define API_ACCESS_LOG_H

struct access_log;
struct http_done;
struct loop;

struct access_log *access_log_new(struct loop *l);
/* Writes what the logger takes at once. */
void access_log_free(struct access_log *a);
void access_log_add(struct access_log *a, const struct http_done *d);

#endif
