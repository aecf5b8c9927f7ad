// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watched files, and how they end.
 *
 * epoll is told by __fput() through file->f_ep. A module is not: it hooks a function there with
 * ftrace, as live patching and tracers do. FTRACE_OPS_FL_PERMANENT keeps
 * kernel.ftrace_enabled=0 from taking the hook away. Without FTRACE_OPS_FL_RECURSION ftrace calls
 * the hook as it is, not guarded against coming to itself (nothing in it closes a file), for which
 * it would turn preemption off.
 *
 * So the hook runs in process context and can be preempted, as its caller. PREEMPT_RT needs that
 * to take a spinlock_t. It must not sleep on purpose: ftrace frees what brought us here after
 * synchronize_rcu_tasks(), which takes a task that sleeps for one that has left.
 *
 * All items of a file, of whatever instance, are in a ring. The first one is in a hash table by
 * file. Every close in the system comes by, and nearly every one would find nothing there: a look
 * at a counter first tells most of them so. If the file is an instance, its items are in a list
 * there instead, for nest.c.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/rhashtable.h>

#include "compat.h"
#include "evpoll.h"

static struct rhashtable evpoll_watched;

/*
 * How many watched files have an address with this hash; an instance once for each item that
 * watches it. With 10,000 watched files every second of the others still finds 0.
 */
#define EVPOLL_COUNTER_BITS 14
static atomic_t evpoll_watched_counters[1 << EVPOLL_COUNTER_BITS];

/* Tasks in the hook that have found an item: see evpoll_close_exit() */
static atomic_t evpoll_in_hook = ATOMIC_INIT(0);

/* The address of a file is no user's choice: mixing it once is enough. */
static u32 evpoll_watched_hash(const void *key, u32 len, u32 seed)
{
	return hash_64((unsigned long)*(struct file *const *)key ^ seed, 32);
}

/*
 * Items that took the place of another in the table. A lookup has no lock of the chain that it
 * goes along, as f_lock is one file's, and may stand on an item that was removed, and on what its
 * memory has become: an item of another file, as nobody adds one of a file in its __fput(), or the
 * caller holds f_lock. If that one was inserted, it stands at the head of a chain, and the lookup
 * goes all along it, or comes to the mark of another bucket and begins anew. If it took a place in
 * the middle, the lookup has passed over items: it must begin anew as well.
 */
static atomic_t evpoll_replaced = ATOMIC_INIT(0);

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
	/* 8 KiB: that a program comes and goes with some hundred files resizes nothing. */
	.min_size = 1024,
	.automatic_shrinking = true,
};

static atomic_t *evpoll_watched_counter(const struct file *file)
{
	u64 hash = (unsigned long)file * GOLDEN_RATIO_64;

	/* Files lie side by side: after one round, all of a slab or none shared their counters. */
	return &evpoll_watched_counters[hash_64(hash ^ hash >> 32, EVPOLL_COUNTER_BITS)];
}

/*
 * The first item of the file, or NULL. Caller holds the lock, or is the hook: with the last
 * reference gone nobody else changes it.
 */
static struct evpoll_item *evpoll_watched_first(struct file *file)
{
	struct evpoll *ep = file->private_data;
	struct evpoll_item *item;
	int replaced;

	if (is_evpoll_file(file))
		return list_first_entry_or_null(&ep->watchers, struct evpoll_item, siblings);
	do {
		/*
		 * Pairs with atomic_inc_return() in evpoll_leave_ring(): with its count, we do not
		 * come to the item in its old place.
		 */
		replaced = atomic_read_acquire(&evpoll_replaced);
		item = rhashtable_lookup_fast(&evpoll_watched, &file, evpoll_watched_params);
		/* Pairs with the same: if we went on from its new place, the count has changed. */
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

/* To the items of @file, and makes it one of them. Caller holds a reference on the file. */
int evpoll_watch(struct evpoll_item *item, struct file *file)
{
	struct evpoll_item *first;
	int error = 0;

	if (is_evpoll_file(file)) {
		/* Pairs with READ_ONCE() in evpoll_watched_cmp(). */
		WRITE_ONCE(item->file, file);
		evpoll_watch_instance(item, file->private_data);
		return 0;
	}
	INIT_LIST_HEAD(&item->siblings);
	spin_lock(&file->f_lock);
	/*
	 * Under the lock: who stands on the item and looks for the file would take it for found.
	 * Pairs with READ_ONCE() in evpoll_watched_cmp().
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
	/* E2BIG and EBUSY: the table cannot grow for now. */
	return error ? -ENOMEM : 0;
}

/* Out of the ring, which may have a new first one then. Caller holds f_lock. */
static noinline void evpoll_leave_ring(struct evpoll_item *item)
{
	struct evpoll_item *next = list_next_entry(item, siblings);

	if (evpoll_watched_first(item->file) == item) {
		/* Orders what @next was before, and its place now: see evpoll_watched_first(). */
		atomic_inc_return(&evpoll_replaced);
		rhashtable_replace_fast(&evpoll_watched, &item->watched, &next->watched,
					evpoll_watched_params);
	}
	list_del(&item->siblings);
}

/* From the items of the file. See evpoll_item_remove(). */
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
		evpoll_leave_ring(item);
	}
	spin_unlock(&item->file->f_lock);
}

/* For nest.c: counts something for each item of a plain file, until it says that it is enough. */
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

/* Perhaps a watched file: nobody has a reference any more. */
static noinline void evpoll_file_ends(struct file *file)
{
	struct evpoll_item *item;
	bool preempt_on;

	/* An open that failed may have come as far as to look like an instance. */
	if (!(file->f_mode & FMODE_OPENED) || !evpoll_watched_first(file))
		return;
	atomic_inc(&evpoll_in_hook);
	/*
	 * While somebody else hooks the function too, ftrace calls us all in turn with
	 * preemption off, but PREEMPT_RT may have to sleep for a spinlock_t. Our caller may
	 * sleep, and what ftrace guards is its walk along the list of hooks: we are the one
	 * that it stands at, and stay.
	 */
	preempt_on = IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible();
	if (preempt_on)
		preempt_enable();
	while ((item = evpoll_watched_first(file))) {
		/*
		 * A file may have millions. Not a sleep for synchronize_rcu_tasks(), and here,
		 * where the item keeps the module from being unloaded.
		 */
		if (preemptible())
			cond_resched();
		evpoll_item_remove(item);
	}
	if (preempt_on)
		preempt_disable();
	atomic_dec(&evpoll_in_hook);
}

static void notrace evpoll_fput_hook(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct file *file = (struct file *)compat_ftrace_argument(fregs, 0);

	/*
	 * Nearly every close of the system ends here. Who added an item of the file let go of it,
	 * or of the descriptor, after that, so we see it counted.
	 */
	if (atomic_read(evpoll_watched_counter(file)))
		evpoll_file_ends(file);
}

static struct ftrace_ops evpoll_fput_ops = {
	.func = evpoll_fput_hook,
	.flags = FTRACE_OPS_FL_PERMANENT | COMPAT_FTRACE_OPS_FL_ARGS,
};

/*
 * Where to hook: both have the file as their first argument. __fput() calls locks_remove_file(),
 * and nobody else does, for every file that was opened, before ->release. It is of another
 * source file, so that the compiler cannot put copies of it elsewhere, which it might with
 * __fput() itself, a static function that begins with a test. __fput() is for kernels without
 * file locks, and those that are optimized as a whole (LTO).
 */
static char * const evpoll_fput_names[] = { "locks_remove_file", "__fput" };

/*
 * Without memory for its entry, ftrace adds nothing to the filter and calls that a success
 * (match_records() is asked for zero alone), and an empty filter means all functions of the kernel.
 * All empty ones are the same object.
 */
static int evpoll_set_filter(char *name)
{
	struct ftrace_hash __rcu *empty;
	int error;

	error = ftrace_set_filter(&evpoll_fput_ops, NULL, 0, 1);
	if (error)
		return error;
	empty = evpoll_fput_ops.func_hash->filter_hash;
	error = ftrace_set_filter(&evpoll_fput_ops, name, strlen(name), 0);
	if (!error && evpoll_fput_ops.func_hash->filter_hash == empty)
		error = -ENOMEM;
	return error;
}

int evpoll_close_init(void)
{
	int error = -EINVAL;	/* ftrace's for an unknown name */
	int i;

	for (i = 0; error == -EINVAL && i < ARRAY_SIZE(evpoll_fput_names); i++)
		error = evpoll_set_filter(evpoll_fput_names[i]);
	if (error) {
		if (error == -EINVAL)
			pr_err("ftrace finds neither %s (CONFIG_FILE_LOCKING) nor %s\n",
			       evpoll_fput_names[0], evpoll_fput_names[1]);
		goto err_filter;
	}
	error = rhashtable_init(&evpoll_watched, &evpoll_watched_params);
	if (error)
		goto err_filter;
	error = register_ftrace_function(&evpoll_fput_ops);
	if (error) {
		pr_err("cannot hook %s, error %d: is kernel.ftrace_enabled 0?\n",
		       evpoll_fput_names[i - 1], error);
		goto err_table;
	}
	return 0;

err_table:
	rhashtable_destroy(&evpoll_watched);
err_filter:
	ftrace_free_filter(&evpoll_fput_ops);
	return error;
}

void evpoll_close_exit(void)
{
	/*
	 * There are no items any more, but perhaps tasks that just removed the last ones. On
	 * PREEMPT_RT they sleep for locks, and unregister_ftrace_function() does not wait for
	 * who sleeps. They cannot wake us, that takes a lock too.
	 */
	while (atomic_read(&evpoll_in_hook))
		msleep(20);
	/* Waits for those who are in the hook. Fails only where ftrace itself has broken down. */
	WARN_ON(unregister_ftrace_function(&evpoll_fput_ops));
	ftrace_free_filter(&evpoll_fput_ops);
	rhashtable_destroy(&evpoll_watched);
}
