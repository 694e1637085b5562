/* SPDX-License-Identifier: ISC */
#include "logger/options.h"

const struct conf_kind conf_kind_logger = {
	.name = "logger",
	.is_internal = true,
};
