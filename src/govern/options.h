/* SPDX-License-Identifier: ISC */
/*
 * options - the governor's kind.
 */
#ifndef GOVERN_OPTIONS_H
#define GOVERN_OPTIONS_H

struct conf_kind;

extern const struct conf_kind conf_kind_governor;

#endif
