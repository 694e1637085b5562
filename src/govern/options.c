/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"
#include "govern/options.h"

/* It has no settings of its own: where its socket is and who may use it are
 * global ones, and the master opens it. */
const struct conf_kind conf_kind_governor = {
	.name = "governor",
	.options = NULL,
	.size = 0,
	.listens = true,
	.is_internal = true,
};
