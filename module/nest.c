// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instances that watch instances.
 *
 * A wakeup goes up from a file through the instances that watch it, and through those that
 * watch these; ->poll goes down the same way. So the graph must have no cycle and no long
 * chain, and not too many ways may lead up from one file. The limits are those of
 * fs/eventpoll.c, and so are the answers: ELOOP, EINVAL.
 *
 * Only an ADD makes the graph larger. One that touches more than a lone instance and a plain
 * file holds nest_mutex from the check to the end, so that two of them cannot build together
 * what neither would be allowed to. Items may go at any time, which only makes the graph
 * smaller.
 *
 * Walks go down through the trees of items, one item at a time under tree_lock, with a
 * reference on the file of each instance they go into; and up through evpoll_watched under
 * RCU, from file to items, to their instances, to the files of these.
 */
#include <linux/rhashtable.h>

#include "compat.h"
#include "evpoll.h"

/* Ways of one length that may lead up from a file; of those of length 0 any number. */
static const int evpoll_path_limits[EVPOLL_MAX_NESTS + 1] = { INT_MAX, 500, 100, 50, 10 };

static DEFINE_MUTEX(nest_mutex);

/* The walk that goes on; an instance that has its number has been there. nest_mutex. */
static u64 evpoll_visit_gen;

/**
 * struct evpoll_step - where a walk over the items of an instance is
 * @file: watched file of the current item: a key, not to be looked into
 * @fd: its number
 * @nested: the same file, referenced, when it is an instance
 */
struct evpoll_step {
	struct file *file;
	int fd;
	struct file *nested;
};

static bool evpoll_step(struct evpoll *ep, struct evpoll_step *step)
{
	struct evpoll_item *item;

	spin_lock(&ep->tree_lock);
	item = evpoll_item_after(ep, step->file, step->fd);
	if (item) {
		step->file = item->file;
		step->fd = item->fd;
		step->nested = NULL;
		if (is_evpoll_file(item->file) && evpoll_item_tryget(item))
			step->nested = item->file;
	}
	spin_unlock(&ep->tree_lock);
	cond_resched();
	return item;
}

#define EVPOLL_STEP_INIT { .fd = -1 }

/* The longest chain down from @ep, or more than allowed when it comes to @into. */
static int evpoll_depth_below(struct evpoll *ep, struct evpoll *into, int depth)
{
	struct evpoll_step step = EVPOLL_STEP_INIT;
	struct evpoll *below;
	int longest = 0;

	if (ep->visit_gen == evpoll_visit_gen)
		return ep->visit_depth;
	ep->visit_gen = evpoll_visit_gen;
	while (longest <= EVPOLL_MAX_NESTS && evpoll_step(ep, &step)) {
		if (!step.nested)
			continue;
		below = step.nested->private_data;
		if (below == into || depth > EVPOLL_MAX_NESTS)
			longest = EVPOLL_MAX_NESTS + 1;
		else
			longest = max(longest, evpoll_depth_below(below, into, depth + 1) + 1);
		evpoll_fput(step.nested);
	}
	ep->visit_depth = longest;
	return longest;
}

/* The items that watch a file, for walks upwards. Caller holds rcu_read_lock(). */
static struct rhlist_head *evpoll_watching(struct file *file)
{
	return rhltable_lookup(&evpoll_watched, &file, evpoll_watched_params);
}

/* The longest chain up from @ep; what the walk down has visited is below, and not above too. */
static int evpoll_depth_above(struct evpoll *ep)
{
	struct rhlist_head *head, *pos;
	struct evpoll_item *item;
	int longest = 0;

	if (ep->visit_gen == evpoll_visit_gen)
		return ep->visit_depth;
	/* NULL when the instance is being released, which nobody watches. */
	head = evpoll_watching(READ_ONCE(ep->file));
	rhl_for_each_entry_rcu(item, pos, head, by_file)
		longest = max(longest, evpoll_depth_above(item->ep) + 1);
	ep->visit_gen = evpoll_visit_gen;
	ep->visit_depth = longest;
	return longest;
}

/* May @ep watch @below? */
static bool evpoll_loops(struct evpoll *ep, struct evpoll *below)
{
	int down, up;

	evpoll_visit_gen++;
	down = evpoll_depth_below(below, ep, 0);
	if (down > EVPOLL_MAX_NESTS)
		return true;
	rcu_read_lock();
	up = evpoll_depth_above(ep);
	rcu_read_unlock();
	return down + 1 + up > EVPOLL_MAX_NESTS;
}

/*
 * Counts the ways up from @file by their length. No mark against coming to an instance twice:
 * each way counts, and the limits bound the walk.
 */
static bool evpoll_count_paths(struct file *file, int length, int *count)
{
	struct rhlist_head *head, *pos, *above;
	struct evpoll_item *item;
	struct file *upper;

	if (length > EVPOLL_MAX_NESTS)
		return true;
	head = evpoll_watching(file);
	rhl_for_each_entry_rcu(item, pos, head, by_file) {
		upper = READ_ONCE(item->ep->file);
		above = upper ? evpoll_watching(upper) : NULL;
		if (above ? evpoll_count_paths(upper, length + 1, count)
			  : ++count[length] > evpoll_path_limits[length])
			return true;
	}
	return false;
}

static bool evpoll_too_many_paths_from(struct file *file)
{
	int count[EVPOLL_MAX_NESTS + 1] = {};
	bool too_many;

	rcu_read_lock();
	too_many = evpoll_count_paths(file, 0, count);
	rcu_read_unlock();
	return too_many;
}

static bool evpoll_too_many_paths_below(struct evpoll *ep)
{
	struct evpoll_step step = EVPOLL_STEP_INIT;
	bool too_many = false;

	if (ep->visit_gen == evpoll_visit_gen)
		return false;
	ep->visit_gen = evpoll_visit_gen;
	while (!too_many && evpoll_step(ep, &step)) {
		if (step.nested) {
			too_many = evpoll_too_many_paths_below(step.nested->private_data);
			evpoll_fput(step.nested);
		} else {
			too_many = evpoll_too_many_paths_from(step.file);
		}
	}
	return too_many;
}

/*
 * Do too many ways lead up from @file, which was just added, or from a plain file below it?
 * Caller holds nest_mutex.
 */
bool evpoll_too_many_paths(struct file *file)
{
	if (!is_evpoll_file(file))
		return evpoll_too_many_paths_from(file);
	evpoll_visit_gen++;
	return evpoll_too_many_paths_below(file->private_data);
}

/*
 * From now on ADDs to @below take nest_mutex: an ADD that had the mutex of @below before has
 * its item in the tree, and one that gets it later sees @watchers.
 */
static void evpoll_announce(struct evpoll *below)
{
	mutex_lock(&below->mtx);
	atomic_inc(&below->watchers);
	mutex_unlock(&below->mtx);
}

/* Nobody has to see this soon. */
static void evpoll_withdraw(struct evpoll *below)
{
	atomic_dec(&below->watchers);
}

/*
 * Takes the mutex, and nest_mutex with it if the change is an ADD to the graph. Returns
 * whether it is, for evpoll_ctl_unlock(), or an error.
 */
int evpoll_ctl_lock(struct evpoll *ep, int op, struct file *target)
{
	struct evpoll *below = is_evpoll_file(target) ? target->private_data : NULL;

	mutex_lock(&ep->mtx);
	if (op != EPOLL_CTL_ADD || (!below && !atomic_read(&ep->watchers)))
		return false;
	mutex_unlock(&ep->mtx);

	mutex_lock(&nest_mutex);
	if (below) {
		/* Until the unlock; the item, if there will be one, counts itself. */
		evpoll_announce(below);
		if (evpoll_loops(ep, below)) {
			evpoll_withdraw(below);
			mutex_unlock(&nest_mutex);
			return -ELOOP;
		}
	}
	mutex_lock(&ep->mtx);
	return true;
}

void evpoll_ctl_unlock(struct evpoll *ep, struct file *target, bool nested)
{
	mutex_unlock(&ep->mtx);
	if (!nested)
		return;
	if (is_evpoll_file(target))
		evpoll_withdraw(target->private_data);
	mutex_unlock(&nest_mutex);
}
