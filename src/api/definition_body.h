/* SPDX-License-Identifier: ISC */
/*
 * definition_body - what a client says of a definition, checked and made into
 * parameters of statements.
 */
#ifndef API_DEFINITION_BODY_H
#define API_DEFINITION_BODY_H

#include "api/field.h"

struct call;
struct rule;

extern const char *const definition_types[];
extern const char *const definition_misfires[];
extern const char *const definition_overlaps[];
extern const struct field definition_body_fields[];

/* A body that was checked, as parameters of a statement. */
enum definition_values {
	VALUE_NAME,
	VALUE_HANDLER,
	VALUE_DESCRIPTION,
	VALUE_TYPE,
	VALUE_CRON,
	VALUE_RULE,
	VALUE_ZONE,
	VALUE_START,
	VALUE_END,
	VALUE_PARAMS,
	VALUE_TOPIC,
	VALUE_PRIORITY,
	VALUE_TIMEOUT,
	VALUE_RETRY,
	VALUE_MISFIRE,
	VALUE_MISFIRE_MAX,
	VALUE_OVERLAP,
	VALUE_INLINE,
	VALUE_DEPENDS_ON,
	VALUE_STATUS,
	VALUE_NEXT,
	VALUE_TENANT,
	VALUE_WHO,
	VALUE_REQUEST,
	VALUE_ID,
	VALUE_SECRET,
	VALUE_NAMES,
	VALUE_VERSION, /* from here on of an update alone */
	VALUE_KEEP,
	DEFINITION_VALUES
};

/* False: the body does not fit, and the call is answered. */
bool definition_body_read(
	struct call *call, const char *values[DEFINITION_VALUES]);
/* When a rule fires next, as a parameter; NULL: never. */
const char *definition_body_next(
	const struct call *call, const struct rule *rule);

#endif
