/* SPDX-License-Identifier: ISC */
/*
 * govern - the governor: everything that could block or crash the master.
 *
 * One unprivileged process that serves the control socket (HTTP and JSON on
 * a unix socket), hands the operator's commands to the master as fixed-size
 * messages, and looks once a second for workers that hang or outgrow their
 * memory.  If it dies, the master and the workers go on without it until the
 * next one is there.
 */
#ifndef GOVERN_GOVERN_H
#define GOVERN_GOVERN_H

struct role;

extern const struct role role_governor;

#endif
