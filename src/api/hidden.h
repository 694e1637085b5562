/* SPDX-License-Identifier: ISC */
/*
 * hidden - the field `secretParams` of a body: sealed before it leaves this
 * worker, and of what is stored only the names are told again.
 */
#ifndef API_HIDDEN_H
#define API_HIDDEN_H

#include "api/field.h"
#include "store/secret.h"

struct call;

#define HIDDEN_BODY_FIELD                                              \
	{                                                              \
		.name = "secretParams", .type = FIELD_OBJECT,          \
		.maximum = SECRET_MAX,                                 \
		.help = "params that are kept sealed and told to the " \
			"handler alone"                                \
	}
#define HIDDEN_ANSWER_FIELD                                    \
	{                                                      \
		.name = "secretParams", .type = FIELD_STRINGS, \
		.help = "their names"                          \
	}

/* Parameters of a statement; NULL: there are none. */
struct hidden {
	const char *sealed; /* a bytea */
	const char *names;  /* JSON */
};

/* Can this worker keep the secretParams of v, if it has any?  Else it is a
 * fault; path: "subtasks[3]." */
void hidden_check(const struct call *call, const struct field_values *v,
	const char *path, struct field_faults *faults);
/* Seal those of v for a definition or an instance, its owner. */
void hidden_take(struct call *call, const struct field_values *v,
	const char *owner, struct hidden *ret);

#endif
