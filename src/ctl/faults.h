/* SPDX-License-Identifier: ISC */
/*
 * faults - what is wrong with the settings of a handler, as far as it can be
 * seen without running it.
 */
#ifndef CTL_FAULTS_H
#define CTL_FAULTS_H

struct conf_handler;

typedef void (*faults_fn)(
	const struct conf_handler *h, const char *text, void *arg);

/* Calls fn for each fault. */
void faults_find(const struct conf_handler *h, faults_fn fn, void *arg);

#endif
