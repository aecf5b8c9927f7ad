// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instances that watch instances.
 *
 * A wakeup goes up from a file to the instances that watch it, and on to those that watch them.
 * ->poll goes down the same links. So the graph must have no cycle and no long chain, and the
 * number of paths up from a file must be bounded. The limits and the errors, ELOOP and EINVAL, are
 * those of fs/eventpoll.c.
 *
 * Only an ADD makes the graph larger. An ADD of an instance, or to an instance that is watched,
 * holds nest_mutex from the check until its item is in the graph. Otherwise two ADDs could together
 * build what neither may build alone. Items may be removed at any time, which only makes the graph
 * smaller. All users share nest_mutex, so its holder waits for nothing that a user can hold up: no
 * mutex of an instance, and no ->poll of a file. It does allocate memory.
 *
 * A walk down goes through the trees of items, one file at a time, with a reference on the file or
 * on the instance. A link to an instance that is being closed counts, because it carries wakeups
 * until the close hook removes it. A walk up goes from a file to its items, to their instances, and
 * to the items that watch these. It holds the lock of each list of items on its path, which keeps
 * the next instance.
 */

#include <linux/err.h>

#include "compat.h"
#include "file.h"
#include "instance.h"
#include "item.h"
#include "nest.h"
#include "watched.h"

/* Links in the longest chain of instances. EP_MAX_NESTS of fs/eventpoll.c is the same. */
#define EVPOLL_MAX_NESTS 4

/*
 * How many paths of each length may lead up from a file. Paths of length 0, to an instance that
 * nobody watches, are not limited.
 */
static const int evpoll_path_limits[EVPOLL_MAX_NESTS + 1] = { INT_MAX, 500, 100, 50, 10 };

static DEFINE_MUTEX(nest_mutex);

/* The number of the current walk. An instance with this number has been visited. nest_mutex. */
static u64 evpoll_visit_gen;

/**
 * struct evpoll_walk - the position of a walk over the watched files of one instance
 * @file: the current file; only a key, the walk must not look into it
 * @below: the instance that the file is, with a reference; NULL for a plain file
 * @plain: the plain file, with a reference; NULL for an instance, or for a file that is being
 *	closed
 */
struct evpoll_walk {
	struct file *file;
	struct evpoll *below;
	struct file *plain;
};

/* Moves on to the next watched file. A file with several items counts once. */
static bool evpoll_walk_next(struct evpoll *ep, struct evpoll_walk *walk)
{
	struct evpoll_item *item;

	walk->below = NULL;
	walk->plain = NULL;
	spin_lock(&ep->tree_lock);
	item = evpoll_item_after(ep, walk->file, INT_MAX);
	if (item) {
		walk->file = item->file;
		if (is_evpoll_file(item->file)) {
			/*
			 * The instance still exists: its ->release comes after the close hook,
			 * which removes this item first.
			 */
			walk->below = item->file->private_data;
			atomic_long_add(EVPOLL_REF, &walk->below->refs);
		} else if (compat_file_tryget(item->file)) {
			walk->plain = item->file;
		}
	}
	spin_unlock(&ep->tree_lock);
	cond_resched();
	return item;
}

static void evpoll_walk_put(struct evpoll_walk *walk)
{
	if (walk->below)
		evpoll_put(walk->below);
	if (walk->plain)
		evpoll_fput(walk->plain);
}

/* The length of the longest chain down from @ep; more than the limit if it reaches @into. */
static int evpoll_depth_below(struct evpoll *ep, struct evpoll *into, int depth)
{
	struct evpoll_walk walk = {};
	int longest = 0;

	if (ep->visit_gen == evpoll_visit_gen)
		return ep->visit_depth;
	ep->visit_gen = evpoll_visit_gen;
	while (longest <= EVPOLL_MAX_NESTS && evpoll_walk_next(ep, &walk)) {
		if (walk.below == into || (walk.below && depth > EVPOLL_MAX_NESTS))
			longest = EVPOLL_MAX_NESTS + 1;
		else if (walk.below)
			longest = max(longest,
				      evpoll_depth_below(walk.below, into, depth + 1) + 1);
		evpoll_walk_put(&walk);
	}
	ep->visit_depth = longest;
	return longest;
}

/*
 * The length of the longest chain up from @ep. The walk down has marked all instances below, and
 * without a cycle none of them is above. @nests: number of instances below whose watchers_lock is
 * held.
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

/* Would a link from @ep to @below make a cycle or a chain that is too long? */
static bool evpoll_may_not_watch(struct evpoll *ep, struct evpoll *below)
{
	int down;

	evpoll_visit_gen++;
	down = evpoll_depth_below(below, ep, 0);
	return down > EVPOLL_MAX_NESTS ||
	       down + 1 + evpoll_depth_above(ep, 0) > EVPOLL_MAX_NESTS;
}

/*
 * Counts the paths that go up through @ep by their length. They have @length links when they reach
 * @ep. The walk may visit an instance more than once, because each path counts. The limits bound
 * the walk.
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
	struct evpoll_walk walk = {};
	bool too_many = false;

	if (ep->visit_gen == evpoll_visit_gen)
		return false;
	ep->visit_gen = evpoll_visit_gen;
	while (!too_many && evpoll_walk_next(ep, &walk)) {
		if (walk.below)
			too_many = evpoll_too_many_paths_below(walk.below);
		else if (walk.plain)
			too_many = evpoll_too_many_paths_from(walk.plain);
		evpoll_walk_put(&walk);
	}
	return too_many;
}

/*
 * Do too many paths lead up from the file that was just added? If @file is an instance, checks the
 * plain files below it. Caller holds nest_mutex, and a reference on @file.
 */
static bool evpoll_too_many_paths(struct file *file)
{
	if (!is_evpoll_file(file))
		return evpoll_too_many_paths_from(file);
	evpoll_visit_gen++;
	return evpoll_too_many_paths_below(file->private_data);
}

/*
 * From now on an ADD to @below takes nest_mutex. The lock orders this against the insertion of an
 * item without nest_mutex: either the walk that follows finds the item in the tree, or
 * evpoll_item_insert() sees the count.
 */
static void evpoll_expect_watcher(struct evpoll *below)
{
	spin_lock(&below->tree_lock);
	atomic_inc(&below->nwatchers);
	spin_unlock(&below->tree_lock);
}

/* No barrier: an ADD that sees the old value only takes nest_mutex without need. */
static void evpoll_unexpect_watcher(struct evpoll *below)
{
	atomic_dec(&below->nwatchers);
}

/* Caller holds nest_mutex. */
static struct evpoll_item *evpoll_nest_add_locked(struct evpoll *ep, struct file *file,
						  const struct evpoll_ctl *ctl,
						  struct evpoll *below)
{
	struct evpoll_item *item;

	if (below && evpoll_may_not_watch(ep, below))
		return ERR_PTR(-ELOOP);
	item = evpoll_item_add(ep, file, ctl, true);
	if (!IS_ERR(item) && evpoll_too_many_paths(file)) {
		evpoll_item_remove(item);
		return ERR_PTR(-EINVAL);
	}
	return item;
}

struct evpoll_item *evpoll_nest_add(struct evpoll *ep, struct file *file,
				    const struct evpoll_ctl *ctl)
{
	struct evpoll *below = is_evpoll_file(file) ? file->private_data : NULL;
	struct evpoll_item *item;

	mutex_lock(&nest_mutex);
	if (below)
		evpoll_expect_watcher(below);
	item = evpoll_nest_add_locked(ep, file, ctl, below);
	/* An item that was added has counted itself. */
	if (below)
		evpoll_unexpect_watcher(below);
	mutex_unlock(&nest_mutex);
	return item;
}
