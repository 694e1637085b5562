/* SPDX-License-Identifier: ISC */
/*
 * options - what can be set for the logger: nothing of its own.
 */
#ifndef LOGGER_OPTIONS_H
#define LOGGER_OPTIONS_H

#include "conf/conf.h"

extern const struct conf_kind conf_kind_logger;

#endif
