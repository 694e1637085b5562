/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/cpus.h"
#include "conf/expand.h"
#include "conf/node.h"

/* A set of CPUs while it is read. */
struct cpus_set {
	bool has[CONF_CPU_MAX];
};

static bool cpus_number(const char **s, int *ret_cpu)
{
	long v;
	char *end;

	if (!isdigit((unsigned char)**s))
		return false;
	v = strtol(*s, &end, 10);
	if (v >= CONF_CPU_MAX)
		return false;
	*s = end;
	*ret_cpu = (int)v;
	return true;
}

/* "0-3,8, 10-11" */
static bool cpus_add_ranges(struct cpus_set *set, const char *s)
{
	int first, last;

	for (;;) {
		s += strspn(s, " ");
		if (!cpus_number(&s, &first))
			return false;
		last = first;
		if (*s == '-') {
			s++;
			if (!cpus_number(&s, &last) || last < first)
				return false;
		}
		while (first <= last)
			set->has[first++] = true;
		s += strspn(s, " ");
		if (*s == '\0')
			return true;
		if (*s++ != ',')
			return false;
	}
}

/* A scalar, or a list of scalars. */
static bool cpus_add_node(struct draft *d, struct cpus_set *set, struct node *n)
{
	const char *text;
	size_t i;

	if (n->type == NODE_SCALAR) {
		text = expand_text(d, n);
		return text != NULL && cpus_add_ranges(set, text);
	}
	if (n->type != NODE_LIST || n->count == 0 || n->count > CONF_CPU_MAX)
		return false;
	for (i = 0; i < n->count; i++)
		if (n->items[i]->type != NODE_SCALAR ||
			!cpus_add_node(d, set, n->items[i]))
			return false;
	return true;
}

static bool cpus_list(
	struct draft *d, struct node *n, struct conf_cpu_list *ret_list)
{
	struct cpus_set set = { { false } };
	size_t count = 0;
	int cpu;

	if (!cpus_add_node(d, &set, n))
		return false;
	for (cpu = 0; cpu < CONF_CPU_MAX; cpu++)
		count += set.has[cpu];
	ret_list->cpus = arena_alloc(d->keep, count * sizeof(int));
	ret_list->count = 0;
	for (cpu = 0; cpu < CONF_CPU_MAX; cpu++)
		if (set.has[cpu])
			ret_list->cpus[ret_list->count++] = cpu;
	return true;
}

static bool cpus_is_nested(const struct node *n)
{
	size_t i;

	for (i = 0; n->type == NODE_LIST && i < n->count; i++)
		if (n->items[i]->type == NODE_LIST)
			return true;
	return false;
}

static int cpus_read_lists(struct draft *d, struct node *n, struct node **nodes,
	size_t count, struct conf_cpus *ret_cpus)
{
	size_t i;

	if (count == 0 || count > CONF_CPU_MAX ||
		!draft_spend(d, n, count * 16))
		return -1;
	ret_cpus->lists =
		arena_alloc(d->keep, count * sizeof(*ret_cpus->lists));
	ret_cpus->count = count;
	for (i = 0; i < count; i++)
		if (!cpus_list(d, nodes[i], &ret_cpus->lists[i]))
			return -1;
	return 0;
}

int cpus_read(struct draft *d, struct node *n, struct conf_cpus *ret_cpus)
{
	const char *text = NULL;

	if (n->type == NODE_SCALAR)
		text = expand_text(d, n);
	memset(ret_cpus, 0, sizeof(*ret_cpus));
	if (text != NULL && strcmp(text, "none") == 0)
		return 0;
	if (text != NULL && strcmp(text, "auto") == 0) {
		ret_cpus->mode = CPUS_AUTO;
		return 0;
	}
	if (cpus_is_nested(n)) {
		ret_cpus->mode = CPUS_EACH;
		return cpus_read_lists(d, n, n->items, n->count, ret_cpus);
	}
	ret_cpus->mode = CPUS_SET;
	return cpus_read_lists(d, n, &n, 1, ret_cpus);
}

size_t cpus_allowed(int ret_cpus[CONF_CPU_MAX])
{
	cpu_set_t set;
	size_t count = 0;
	long online;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set) == 0) {
		for (cpu = 0; cpu < CONF_CPU_MAX && cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &set))
				ret_cpus[count++] = cpu;
	}
	if (count > 0)
		return count;
	online = sysconf(_SC_NPROCESSORS_ONLN);
	for (cpu = 0; cpu < CONF_CPU_MAX && (cpu < online || cpu == 0); cpu++)
		ret_cpus[count++] = cpu;
	return count;
}

/* Is CPU `cpu` in the ascending list? */
static bool cpus_has(const int *cpus, size_t count, int cpu)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (cpus[i] == cpu)
			return true;
	return false;
}

size_t conf_pool_cpus(
	const struct conf_pool *p, int64_t index, int ret_cpus[CONF_CPU_MAX])
{
	const struct conf_cpu_list *list;
	int allowed[CONF_CPU_MAX];
	size_t allowed_count, count = 0, i;

	if (p->cpu.mode == CPUS_NONE || index < 0)
		return 0;
	allowed_count = cpus_allowed(allowed);
	if (p->cpu.mode == CPUS_AUTO) {
		ret_cpus[0] = allowed[(size_t)index % allowed_count];
		return 1;
	}
	list = &p->cpu.lists[(size_t)index % p->cpu.count];
	for (i = 0; i < list->count; i++)
		if (cpus_has(allowed, allowed_count, list->cpus[i]))
			ret_cpus[count++] = list->cpus[i];
	return count;
}

/* The first line of dir/name, or false. */
static bool cpus_read_line(
	const char *dir, const char *name, char *ret_line, size_t size)
{
	char path[PATH_MAX + 32];
	bool is_read;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	is_read = fgets(ret_line, (int)size, f) != NULL;
	fclose(f);
	return is_read;
}

/* Hundredths of a CPU, rounded up; 0 without a quota. */
static long cpus_hundredths(long long quota, long long period)
{
	if (quota <= 0 || period <= 0 || quota > LLONG_MAX / 200)
		return 0;
	return (long)((quota * 100 + period - 1) / period);
}

static long cpus_quota_v2(const char *dir)
{
	long long quota, period;
	char line[128];

	if (!cpus_read_line(dir, "cpu.max", line, sizeof(line)) ||
		sscanf(line, "%lld %lld", &quota, &period) != 2)
		return 0;
	return cpus_hundredths(quota, period);
}

static long cpus_quota_v1(const char *dir)
{
	char quota[64], period[64];

	if (!cpus_read_line(dir, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
		!cpus_read_line(
			dir, "cpu.cfs_period_us", period, sizeof(period)))
		return 0;
	return cpus_hundredths(atoll(quota), atoll(period));
}

/* The least of the quotas from `path` up to the root of the hierarchy. */
static long cpus_quota_up(
	const char *root, const char *path, long (*quota_of)(const char *dir))
{
	char dir[PATH_MAX];
	size_t root_len = strlen(root);
	long least = 0, q;
	char *slash;

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", root, path) >=
		sizeof(dir))
		return 0;
	for (;;) {
		q = quota_of(dir);
		if (q > 0 && (least == 0 || q < least))
			least = q;
		slash = strrchr(dir, '/');
		if (slash == NULL || (size_t)(slash - dir) < root_len)
			return least;
		*slash = '\0';
	}
}

/* One line of /proc/self/cgroup: "0::/path" or "4:cpu,cpuacct:/path". */
static long cpus_quota_line(const char *root, char *line)
{
	char v1[PATH_MAX];
	char *controllers, *path, *name, *rest;

	line[strcspn(line, "\n")] = '\0';
	controllers = strchr(line, ':');
	path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
	if (path == NULL)
		return 0;
	controllers++;
	*path++ = '\0';
	if (*controllers == '\0')
		return cpus_quota_up(root, path, cpus_quota_v2);
	for (name = strtok_r(controllers, ",", &rest); name != NULL;
		name = strtok_r(NULL, ",", &rest)) {
		if (strcmp(name, "cpu") != 0)
			continue;
		snprintf(v1, sizeof(v1), "%s/cpu", root);
		return cpus_quota_up(v1, path, cpus_quota_v1);
	}
	return 0;
}

long cpus_quota(const char *root, const char *self)
{
	char line[PATH_MAX];
	long least = 0, q;
	FILE *f = fopen(self, "re");

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		q = cpus_quota_line(root, line);
		if (q > 0 && (least == 0 || q < least))
			least = q;
	}
	fclose(f);
	return least;
}
