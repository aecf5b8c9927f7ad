// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watched files: which items does a file have?
 *
 * All items of a file, of all instances, are in one circular list. The first of them is in a hash
 * table by the address of the file. If the file is an instance, its items are in a list of that
 * instance (evpoll.watchers) instead, where nest.c finds them.
 *
 * The close hook asks at every last close of a file in the system, and nearly always the answer is
 * that the file has no items. A counter gives that answer for most files without a look into the
 * table.
 */
#include <linux/err.h>
#include <linux/rhashtable.h>
#include <linux/sched/signal.h>

#include "poll.h"
#include "watched.h"

static struct rhashtable evpoll_watched;

/*
 * The number of watched files whose address has this hash. An instance counts once for each item
 * that watches it. With 10,000 watched files, every second counter is still 0.
 */
atomic_t evpoll_watched_counters[1 << EVPOLL_COUNTER_BITS];

/*
 * How often an item took the place of another in the table; evpoll_watched_first() needs it.
 *
 * A lookup holds f_lock of its own file, but not the lock of the chain that it walks. So the item
 * that it has reached may be removed, and its memory may become an item of another file. It cannot
 * become an item of the same file, because an ADD needs f_lock, which the lookup holds, and no ADD
 * comes during __fput(). There are two cases:
 *
 *   - The new item was inserted at the head of a chain. If it is the same chain, the lookup walks
 *     all of it. If not, the lookup ends at the marker of another bucket, and rhashtable starts
 *     again.
 *   - The new item took the place of another one, in the middle of a chain. Then the lookup has
 *     skipped items, and must start again. This counter tells it.
 */
static atomic_t evpoll_replaced = ATOMIC_INIT(0);

/* No user can choose the address of a file, so mixing it once is enough. */
static u32 evpoll_watched_hash(const void *key, u32 len, u32 seed)
{
	return hash_64((unsigned long)*(struct file *const *)key ^ seed, 32);
}

static int evpoll_watched_cmp(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct evpoll_item *item = object;

	/* Pairs with WRITE_ONCE() in evpoll_watch(). */
	return READ_ONCE(item->file) != *(struct file *const *)arg->key;
}

static const struct rhashtable_params evpoll_watched_params = {
	.hashfn = evpoll_watched_hash,
	.obj_cmpfn = evpoll_watched_cmp,
	.key_len = sizeof_field(struct evpoll_item, file),
	.key_offset = offsetof(struct evpoll_item, file),
	.head_offset = offsetof(struct evpoll_item, watched),
	/* 8 KiB, so that a program with some hundred files does not cause a resize. */
	.min_size = 1024,
	.automatic_shrinking = true,
};

/*
 * Caller holds f_lock or watchers_lock, or is the close hook: after the last reference is gone
 * nobody else changes the items of the file.
 */
struct evpoll_item *evpoll_watched_first(struct file *file)
{
	struct evpoll *ep = file->private_data;
	struct evpoll_item *item;
	int replaced;

	if (is_evpoll_file(file))
		return list_first_entry_or_null(&ep->watchers, struct evpoll_item, siblings);
	do {
		/*
		 * Acquire pairs with atomic_inc_return() in evpoll_remove_sibling(): a lookup that
		 * reads the new count does not find the item in its old place.
		 */
		replaced = atomic_read_acquire(&evpoll_replaced);
		item = rhashtable_lookup_fast(&evpoll_watched, &file, evpoll_watched_params);
		/*
		 * Pairs with the same: a lookup that walked on from the item's new place reads a
		 * changed count here.
		 */
		smp_rmb();
	} while (!item && atomic_read(&evpoll_replaced) != replaced);
	return item;
}

static void evpoll_watch_instance(struct evpoll_item *item, struct evpoll *below)
{
	spin_lock(&below->watchers_lock);
	list_add_tail(&item->siblings, &below->watchers);
	spin_unlock(&below->watchers_lock);
	atomic_inc(&below->nwatchers);
	atomic_inc(evpoll_watched_counter(item->file));
}

static void evpoll_unwatch_instance(struct evpoll_item *item, struct evpoll *below)
{
	spin_lock(&below->watchers_lock);
	list_del(&item->siblings);
	spin_unlock(&below->watchers_lock);
	atomic_dec(&below->nwatchers);
	atomic_dec(evpoll_watched_counter(item->file));
}

static int evpoll_watch_plain(struct evpoll_item *item, struct file *file)
{
	struct evpoll_item *first;
	int error = 0;

	INIT_LIST_HEAD(&item->siblings);
	spin_lock(&file->f_lock);
	/*
	 * Written under the lock, because a lookup of this file that has reached this memory would
	 * take the item for the one that it looks for. Pairs with READ_ONCE() in
	 * evpoll_watched_cmp().
	 */
	WRITE_ONCE(item->file, file);
	first = rhashtable_lookup_get_insert_fast(&evpoll_watched, &item->watched,
						  evpoll_watched_params);
	if (IS_ERR(first))
		error = PTR_ERR(first);
	else if (first)
		list_add_tail(&item->siblings, &first->siblings);
	else
		atomic_inc(evpoll_watched_counter(file));
	spin_unlock(&file->f_lock);
	return error;
}

/* Caller holds a reference on the file. */
int evpoll_watch(struct evpoll_item *item, struct file *file)
{
	int error;

	if (is_evpoll_file(file)) {
		/* Pairs with READ_ONCE() in evpoll_watched_cmp(). */
		WRITE_ONCE(item->file, file);
		evpoll_watch_instance(item, file->private_data);
		return 0;
	}
	/*
	 * EBUSY: a worker is resizing the table. epoll has no such error, so wait for the worker.
	 */
	while ((error = evpoll_watch_plain(item, file)) == -EBUSY) {
		if (fatal_signal_pending(current))
			break;
		schedule_timeout_killable(1);
	}
	/* Out of memory, or killed. */
	return error ? -ENOMEM : 0;
}

/*
 * Removes the item from a list that has others. If it is the first, the next one takes its place in
 * the table. Caller holds f_lock.
 */
static noinline void evpoll_remove_sibling(struct evpoll_item *item)
{
	struct evpoll_item *next = list_next_entry(item, siblings);

	if (evpoll_watched_first(item->file) == item) {
		/*
		 * A full barrier. Before the count, the memory of @next left the chain of an
		 * earlier item. After the count, @next gets the place of @item. Pairs with the
		 * barriers in evpoll_watched_first().
		 */
		atomic_inc_return(&evpoll_replaced);
		rhashtable_replace_fast(&evpoll_watched, &item->watched, &next->watched,
					evpoll_watched_params);
	}
	list_del(&item->siblings);
}

/* Caller: see evpoll_item_remove(). */
void evpoll_unwatch(struct evpoll_item *item)
{
	if (is_evpoll_file(item->file)) {
		evpoll_unwatch_instance(item, item->file->private_data);
		return;
	}
	spin_lock(&item->file->f_lock);
	if (list_empty(&item->siblings)) {
		rhashtable_remove_fast(&evpoll_watched, &item->watched, evpoll_watched_params);
		atomic_dec(evpoll_watched_counter(item->file));
	} else {
		evpoll_remove_sibling(item);
	}
	spin_unlock(&item->file->f_lock);
}

bool evpoll_watched_any(struct file *file, bool (*fn)(struct evpoll_item *item, int *count),
			int *count)
{
	struct evpoll_item *first, *item;
	bool found = false;

	spin_lock(&file->f_lock);
	first = evpoll_watched_first(file);
	item = first;
	while (item && !found) {
		found = fn(item, count);
		item = list_next_entry(item, siblings);
		if (item == first)
			break;
	}
	spin_unlock(&file->f_lock);
	return found;
}

int evpoll_watched_init(void)
{
	return rhashtable_init(&evpoll_watched, &evpoll_watched_params);
}

void evpoll_watched_exit(void)
{
	rhashtable_destroy(&evpoll_watched);
}
