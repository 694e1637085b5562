/* SPDX-License-Identifier: ISC */
/*
 * kinds - every kind of pool there is: what both programs read process.yaml
 * with.
 */
#ifndef KINDS_H
#define KINDS_H

#include "conf/conf.h"

/* NULL at the end. */
extern const struct conf_kind *const kinds[];

#endif
