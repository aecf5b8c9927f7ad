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
 * Walks go down through the trees of items, one file at a time, with a reference on it, or on
 * the instance: a link to one that is being closed carries wakeups until the hook has removed
 * it, and counts. And up from a file to its items, to their instances, to the items that watch
 * these, with the lock of each list of items on the way, which keeps the next instance too.
 */

#include "compat.h"
#include "evpoll.h"

/* Ways of one length that may lead up from a file; of those of length 0 any number. */
static const int evpoll_path_limits[EVPOLL_MAX_NESTS + 1] = { INT_MAX, 500, 100, 50, 10 };

static DEFINE_MUTEX(nest_mutex);

/* The walk that goes on; an instance that has its number has been there. nest_mutex. */
static u64 evpoll_visit_gen;

/**
 * struct evpoll_step - where a walk over the watched files of an instance is
 * @file: the current one: a key, not to be looked into
 * @below: its instance, referenced; NULL for a plain file
 * @plain: a plain file, referenced; NULL when it is being closed, and not worth a look
 */
struct evpoll_step {
	struct file *file;
	struct evpoll *below;
	struct file *plain;
};

/* To the next file; of several items of one file the walk only sees one. */
static bool evpoll_step(struct evpoll *ep, struct evpoll_step *step)
{
	struct evpoll_item *item;

	step->below = NULL;
	step->plain = NULL;
	spin_lock(&ep->tree_lock);
	item = evpoll_item_after(ep, step->file, INT_MAX);
	if (item) {
		step->file = item->file;
		if (is_evpoll_file(item->file)) {
			/* While the item is in the tree, the file is not released. */
			step->below = item->file->private_data;
			refcount_inc(&step->below->refs);
		} else if (compat_file_tryget(item->file)) {
			step->plain = item->file;
		}
	}
	spin_unlock(&ep->tree_lock);
	cond_resched();
	return item;
}

static void evpoll_step_put(struct evpoll_step *step)
{
	if (step->below)
		evpoll_put(step->below);
	if (step->plain)
		evpoll_fput(step->plain);
}

/* The longest chain down from @ep, or more than allowed when it comes to @into. */
static int evpoll_depth_below(struct evpoll *ep, struct evpoll *into, int depth)
{
	struct evpoll_step step = {};
	int longest = 0;

	if (ep->visit_gen == evpoll_visit_gen)
		return ep->visit_depth;
	ep->visit_gen = evpoll_visit_gen;
	while (longest <= EVPOLL_MAX_NESTS && evpoll_step(ep, &step)) {
		if (step.below == into || (step.below && depth > EVPOLL_MAX_NESTS))
			longest = EVPOLL_MAX_NESTS + 1;
		else if (step.below)
			longest = max(longest,
				      evpoll_depth_below(step.below, into, depth + 1) + 1);
		evpoll_step_put(&step);
	}
	ep->visit_depth = longest;
	return longest;
}

/*
 * The longest chain up from @ep. What the walk down has visited is below, and so not above.
 * @nests: locks of instances below that are held.
 */
static int evpoll_depth_above(struct evpoll *ep, int nests)
{
	struct evpoll_item *item;
	int longest = 0;

	if (ep->visit_gen == evpoll_visit_gen)
		return ep->visit_depth;
	spin_lock_nested(&ep->watchers_lock, nests);
	list_for_each_entry(item, &ep->watchers, siblings)
		longest = max(longest, evpoll_depth_above(evpoll_of(item), nests + 1) + 1);
	spin_unlock(&ep->watchers_lock);
	ep->visit_gen = evpoll_visit_gen;
	ep->visit_depth = longest;
	return longest;
}

/* May @ep watch @below? */
static bool evpoll_loops(struct evpoll *ep, struct evpoll *below)
{
	int down;

	evpoll_visit_gen++;
	down = evpoll_depth_below(below, ep, 0);
	return down > EVPOLL_MAX_NESTS ||
	       down + 1 + evpoll_depth_above(ep, 0) > EVPOLL_MAX_NESTS;
}

/*
 * Counts the ways that go up through @ep, where they have @length, by their length at the end.
 * No mark against coming to an instance twice: each way counts, and the limits bound the walk.
 */
static bool evpoll_count_paths(struct evpoll *ep, int length, int *count)
{
	struct evpoll_item *item;
	bool too_many = false;

	if (length > EVPOLL_MAX_NESTS)
		return true;
	spin_lock_nested(&ep->watchers_lock, length);
	if (list_empty(&ep->watchers))
		too_many = ++count[length] > evpoll_path_limits[length];
	list_for_each_entry(item, &ep->watchers, siblings) {
		too_many = evpoll_count_paths(evpoll_of(item), length + 1, count);
		if (too_many)
			break;
	}
	spin_unlock(&ep->watchers_lock);
	return too_many;
}

static bool evpoll_count_item_paths(struct evpoll_item *item, int *count)
{
	return evpoll_count_paths(evpoll_of(item), 0, count);
}

static bool evpoll_too_many_paths_from(struct file *file)
{
	int count[EVPOLL_MAX_NESTS + 1] = {};

	return evpoll_watched_any(file, evpoll_count_item_paths, count);
}

static bool evpoll_too_many_paths_below(struct evpoll *ep)
{
	struct evpoll_step step = {};
	bool too_many = false;

	if (ep->visit_gen == evpoll_visit_gen)
		return false;
	ep->visit_gen = evpoll_visit_gen;
	while (!too_many && evpoll_step(ep, &step)) {
		if (step.below)
			too_many = evpoll_too_many_paths_below(step.below);
		else if (step.plain)
			too_many = evpoll_too_many_paths_from(step.plain);
		evpoll_step_put(&step);
	}
	return too_many;
}

/*
 * Do too many ways lead up from @file, which was just added, or from a plain file below it?
 * Caller holds nest_mutex, and a reference on @file.
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
 * its item in the tree, and one that gets it later sees @nwatchers.
 */
static void evpoll_announce(struct evpoll *below)
{
	mutex_lock(&below->mtx);
	atomic_inc(&below->nwatchers);
	mutex_unlock(&below->mtx);
}

/* Nobody has to see this soon. */
static void evpoll_withdraw(struct evpoll *below)
{
	atomic_dec(&below->nwatchers);
}

/* For evpoll_ctl_lock(), of an ADD to the graph. Takes both mutexes, or returns an error. */
int evpoll_nest_lock(struct evpoll *ep, struct file *target)
{
	struct evpoll *below = is_evpoll_file(target) ? target->private_data : NULL;

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

/* For evpoll_ctl_unlock(), of an ADD to the graph. */
void evpoll_nest_unlock(struct file *target)
{
	if (is_evpoll_file(target))
		evpoll_withdraw(target->private_data);
	mutex_unlock(&nest_mutex);
}
