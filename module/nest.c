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
 * Walks go down through the trees of items, one file at a time, with a reference on it; and up
 * through the rings of items, from file to items, to their instances, to the files of these,
 * with the f_lock of each file on the way.
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
 * @held: the same, referenced, or NULL when it is being closed
 */
struct evpoll_step {
	struct file *file;
	struct file *held;
};

/* Of several items of one file the walk only sees the last. */
static bool evpoll_step(struct evpoll *ep, struct evpoll_step *step)
{
	struct evpoll_item *item;

	spin_lock(&ep->tree_lock);
	item = evpoll_item_after(ep, step->file, INT_MAX);
	if (item) {
		step->file = item->file;
		step->held = evpoll_item_tryget(item) ? item->file : NULL;
	}
	spin_unlock(&ep->tree_lock);
	cond_resched();
	return item;
}

/* The longest chain down from @ep, or more than allowed when it comes to @into. */
static int evpoll_depth_below(struct evpoll *ep, struct evpoll *into, int depth)
{
	struct evpoll_step step = {};
	struct evpoll *below;
	int longest = 0;

	if (ep->visit_gen == evpoll_visit_gen)
		return ep->visit_depth;
	ep->visit_gen = evpoll_visit_gen;
	while (longest <= EVPOLL_MAX_NESTS && evpoll_step(ep, &step)) {
		if (!step.held)
			continue;
		below = step.held->private_data;
		if (!is_evpoll_file(step.held))
			;
		else if (below == into || depth > EVPOLL_MAX_NESTS)
			longest = EVPOLL_MAX_NESTS + 1;
		else
			longest = max(longest, evpoll_depth_below(below, into, depth + 1) + 1);
		evpoll_fput(step.held);
	}
	ep->visit_depth = longest;
	return longest;
}

/*
 * The file of the item's instance, if the instance is watched too: a way up, referenced. NULL
 * when it ends here, or is about to.
 */
static struct file *evpoll_way_up(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);

	if (!atomic_read(&ep->watchers))
		return NULL;
	/* Pairs with WRITE_ONCE() in evpoll_release(). */
	return compat_file_tryget(&ep->file);
}

/* The ring of items has no head: it ends where it began. Caller holds f_lock. */
static struct evpoll_item *evpoll_next_sibling(struct evpoll_item *item,
					       struct evpoll_item *first)
{
	item = list_next_entry(item, siblings);
	return item == first ? NULL : item;
}

/*
 * The longest chain up from the instance of @file. What the walk down has visited is below, and
 * so not above. @nests: files below that are locked.
 */
static int evpoll_depth_above(struct file *file, int nests)
{
	struct evpoll *ep = file->private_data;
	struct evpoll_item *item, *first;
	struct file *upper;
	int longest = 0;

	if (ep->visit_gen == evpoll_visit_gen)
		return ep->visit_depth;
	spin_lock_nested(&file->f_lock, nests);
	first = evpoll_watched_first(file);
	for (item = first; item; item = evpoll_next_sibling(item, first)) {
		upper = evpoll_way_up(item);
		longest = max(longest, upper ? evpoll_depth_above(upper, nests + 1) + 1 : 1);
		if (upper)
			fput(upper);
	}
	spin_unlock(&file->f_lock);
	ep->visit_gen = evpoll_visit_gen;
	ep->visit_depth = longest;
	return longest;
}

/* May the instance of @file watch @below? */
static bool evpoll_loops(struct file *file, struct evpoll *below)
{
	int down;

	evpoll_visit_gen++;
	down = evpoll_depth_below(below, file->private_data, 0);
	return down > EVPOLL_MAX_NESTS ||
	       down + 1 + evpoll_depth_above(file, 0) > EVPOLL_MAX_NESTS;
}

/*
 * Counts the ways up from @file by their length. No mark against coming to an instance twice:
 * each way counts, and the limits bound the walk.
 */
static bool evpoll_count_paths(struct file *file, int length, int *count)
{
	struct evpoll_item *item, *first;
	bool too_many = false;
	struct file *upper;

	if (length > EVPOLL_MAX_NESTS)
		return true;
	spin_lock_nested(&file->f_lock, length);
	first = evpoll_watched_first(file);
	for (item = first; item; item = evpoll_next_sibling(item, first)) {
		upper = evpoll_way_up(item);
		if (upper) {
			too_many = evpoll_count_paths(upper, length + 1, count);
			fput(upper);
		} else {
			too_many = ++count[length] > evpoll_path_limits[length];
		}
		if (too_many)
			break;
	}
	spin_unlock(&file->f_lock);
	return too_many;
}

static bool evpoll_too_many_paths_from(struct file *file)
{
	int count[EVPOLL_MAX_NESTS + 1] = {};

	return evpoll_count_paths(file, 0, count);
}

static bool evpoll_too_many_paths_below(struct evpoll *ep)
{
	struct evpoll_step step = {};
	bool too_many = false;

	if (ep->visit_gen == evpoll_visit_gen)
		return false;
	ep->visit_gen = evpoll_visit_gen;
	while (!too_many && evpoll_step(ep, &step)) {
		if (!step.held)
			continue;
		if (is_evpoll_file(step.held))
			too_many = evpoll_too_many_paths_below(step.held->private_data);
		else
			too_many = evpoll_too_many_paths_from(step.held);
		evpoll_fput(step.held);
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
int evpoll_ctl_lock(struct file *file, int op, struct file *target)
{
	struct evpoll *ep = file->private_data;
	struct evpoll *below = is_evpoll_file(target) ? target->private_data : NULL;

	mutex_lock(&ep->mtx);
	if (op != EPOLL_CTL_ADD || (!below && !atomic_read(&ep->watchers)))
		return false;
	mutex_unlock(&ep->mtx);

	mutex_lock(&nest_mutex);
	if (below) {
		/* Until the unlock; the item, if there will be one, counts itself. */
		evpoll_announce(below);
		if (evpoll_loops(file, below)) {
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
