/* SPDX-License-Identifier: ISC */
#include "master/generation.h"
#include "master/proc.h"

#define GENERATION_SERVING (1u << BOARD_STARTING | 1u << BOARD_READY)
#define GENERATION_ALIVE   (GENERATION_SERVING | 1u << BOARD_DRAINING)

/* Two that are not the pool's own, with processes in one of `states`. */
static bool generation_has_two_others(const struct pool *p, unsigned states)
{
	const struct proc *pr;
	unsigned seen = 0;

	TAILQ_FOREACH(pr, &node.procs, in_node) {
		if (pr->pool != p || pr->generation == p->generation ||
			(states & 1u << pr->state) == 0)
			continue;
		if (seen != 0 && pr->generation != seen)
			return true;
		seen = pr->generation;
	}
	return false;
}

/* The oldest that was given up; never the one a reload may go back to.  0:
 * none. */
static unsigned generation_given_up(const struct pool *p)
{
	unsigned keep = p->in_reload ? p->old_generation : p->generation;
	unsigned oldest = 0;
	const struct proc *pr;

	TAILQ_FOREACH(pr, &node.procs, in_node)
		if (pr->pool == p && pr->state != BOARD_DRAINING &&
			pr->generation != p->generation &&
			pr->generation != keep &&
			(oldest == 0 || pr->generation < oldest))
			oldest = pr->generation;
	return oldest;
}

bool generation_has_room(struct pool *p)
{
	struct proc *pr, *next;
	unsigned victim;

	if (!generation_has_two_others(p, GENERATION_ALIVE))
		return true;
	if (!generation_has_two_others(p, GENERATION_SERVING))
		return false;
	victim = generation_given_up(p);
	for (pr = TAILQ_FIRST(&node.procs); pr != NULL; pr = next) {
		next = TAILQ_NEXT(pr, in_node);
		if (pr->pool == p && pr->generation == victim &&
			pr->state != BOARD_DRAINING)
			proc_drain(pr, "its reload was given up");
	}
	return false;
}
