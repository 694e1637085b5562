/* SPDX-License-Identifier: ISC */
/*
 * print - the effective configuration as YAML.
 */
#ifndef CONF_PRINT_H
#define CONF_PRINT_H

struct buf;
struct conf_handler;

/* The settings of one handler, a line each. */
void print_handler(const struct conf_handler *h, struct buf *out);

#endif
