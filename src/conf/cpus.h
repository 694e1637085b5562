/* SPDX-License-Identifier: ISC */
/*
 * cpus - CPU lists as they are written, and the CPUs there are.
 */
#ifndef CONF_CPUS_H
#define CONF_CPUS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

struct draft;
struct node;

/* Read `cpu:`.  Returns 0, or -1 when it is none (nothing is reported). */
int cpus_read(struct draft *d, struct node *n, struct conf_cpus *ret_cpus)
	__attribute__((warn_unused_result));

/* The CPUs this process may run on, ascending; at least one. */
size_t cpus_allowed(int ret_cpus[CONF_CPU_MAX]);

/* What cgroups leave of the CPUs, in hundredths of one; 0: no quota.
 * `root` is "/sys/fs/cgroup", `self` "/proc/self/cgroup" but in tests. */
long cpus_quota(const char *root, const char *self);

#endif
