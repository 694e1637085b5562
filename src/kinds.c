/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "api/options.h"
#include "kinds.h"

const struct conf_kind *const kinds[] = {
	&conf_kind_program,
	&conf_kind_http,
	NULL,
};
