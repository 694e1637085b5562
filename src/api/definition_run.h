/* SPDX-License-Identifier: ISC */
/*
 * definition_run - a run of a definition now, whatever its schedule says.
 */
#ifndef API_DEFINITION_RUN_H
#define API_DEFINITION_RUN_H

#include "api/field.h"

struct call;

/* What a client sends, if anything. */
extern const struct field definition_run_body[];
/* Answers with the instance. */
void definition_run_serve(struct call *call);

#endif
