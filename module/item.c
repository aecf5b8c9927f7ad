// SPDX-License-Identifier: GPL-2.0-only
/*
 * Items: how they are made, found and removed. The locking and lifetime rules are at the top of
 * evpoll.h.
 */
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "awake.h"
#include "callback.h"
#include "compat.h"
#include "file.h"
#include "flush.h"
#include "instance.h"
#include "item.h"
#include "limits.h"
#include "ring.h"
#include "watched.h"

static struct kmem_cache *evpoll_item_cache;

/* The key is (file, fd). The order is that of epoll's tree. */
static int evpoll_item_cmp(const struct evpoll_item *item, const struct file *file, int fd)
{
	if (file != item->file)
		return file < item->file ? -1 : 1;
	return fd < item->fd ? -1 : fd > item->fd;
}

/* For rb_find_add(), which passes the new item as @a. */
static int evpoll_item_cmp_nodes(struct rb_node *a, const struct rb_node *b)
{
	const struct evpoll_item *item = rb_entry(a, struct evpoll_item, node);

	return evpoll_item_cmp(rb_entry(b, struct evpoll_item, node), item->file, item->fd);
}

struct evpoll_item *evpoll_item_after(struct evpoll *ep, struct file *file, int fd)
{
	struct rb_node *node = ep->items.rb_node;
	struct evpoll_item *item, *after = NULL;

	lockdep_assert_held(&ep->tree_lock);
	while (node) {
		item = rb_entry(node, struct evpoll_item, node);
		if (evpoll_item_cmp(item, file, fd) < 0) {
			after = item;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return after;
}

/* The mutex and the reference on the file keep the item that is returned. */
struct evpoll_item *evpoll_item_find(struct evpoll *ep, struct file *file, int fd)
{
	struct evpoll_item *item = NULL;
	struct rb_node *node;
	int cmp;

	lockdep_assert_held(&ep->mtx);
	spin_lock(&ep->tree_lock);
	for (node = ep->items.rb_node; node; node = cmp < 0 ? node->rb_left : node->rb_right) {
		item = rb_entry(node, struct evpoll_item, node);
		cmp = evpoll_item_cmp(item, file, fd);
		if (!cmp)
			break;
	}
	spin_unlock(&ep->tree_lock);
	return node ? item : NULL;
}

/*
 * Does not write @watched and @file: a lookup in the table of watched files may still read them,
 * because the memory was an item before. evpoll_watch() writes them. See evpoll_replaced in
 * watched.c.
 */
static struct evpoll_item *evpoll_item_alloc(struct evpoll *ep, const struct evpoll_ctl *ctl)
{
	struct evpoll_item *item = kmem_cache_alloc(evpoll_item_cache, GFP_KERNEL);

	if (!item)
		return NULL;
	item->fd = ctl->fd;
	item->events = (__force __poll_t)ctl->events | EPOLLERR | EPOLLHUP;
	item->data = ctl->data;
	item->queued_ns = 0;
	item->state = 0;
	INIT_LIST_HEAD(&item->ready);
	item->extra = NULL;
	item->entry.head = NULL;
	item->entry.wait.flags = 0;
	item->entry.wait.private = ep;
	item->entry.wait.func = NULL;
	return item;
}

/*
 * Inserts the item into the tree. EEXIST: the tree has an item with the same key. EAGAIN: the
 * instance is watched, and the caller does not hold nest_mutex.
 */
static int evpoll_item_insert(struct evpoll *ep, struct evpoll_item *item, bool nested)
{
	int error = 0;

	spin_lock(&ep->tree_lock);
	/* Pairs with evpoll_expect_watcher(), which counts under the same lock. */
	if (!nested && atomic_read(&ep->nwatchers))
		error = -EAGAIN;
	else if (rb_find_add(&item->node, &ep->items, evpoll_item_cmp_nodes))
		error = -EEXIST;
	spin_unlock(&ep->tree_lock);
	return error;
}

/* The item is on no wait queue yet. Caller holds the mutex and a reference on the file. */
struct evpoll_item *evpoll_item_add(struct evpoll *ep, struct file *file,
				    const struct evpoll_ctl *ctl, bool nested)
{
	struct evpoll_item *item;
	int error;

	lockdep_assert_held(&ep->mtx);
	error = evpoll_user_charge(ep->user, 1);
	if (error)
		goto err;
	error = -ENOMEM;
	item = evpoll_item_alloc(ep, ctl);
	if (!item)
		goto err_uncharge;
	error = evpoll_watch(item, file);
	if (error)
		goto err_free;
	error = evpoll_item_insert(ep, item, nested);
	if (error)
		goto err_unwatch;
	atomic_long_add(EVPOLL_REF, &ep->refs);
	return item;

err_unwatch:
	evpoll_unwatch(item);
err_free:
	kmem_cache_free(evpoll_item_cache, item);
err_uncharge:
	evpoll_user_uncharge(ep->user, 1);
err:
	/* epoll looks for the item first, so an item that exists is EEXIST even at the limit. */
	if (error != -EEXIST && error != -EAGAIN && evpoll_item_find(ep, file, ctl->fd))
		error = -EEXIST;
	return ERR_PTR(error);
}

/*
 * The caller is the close hook and holds nothing; or it holds a reference on the file, and the
 * mutex unless it releases the instance. See "Lifetime" in evpoll.h.
 */
void evpoll_item_remove(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);
	struct evpoll_extra *extra = item->extra;

	evpoll_remove_wait_entries(item);
	evpoll_dequeue(item);
	if (evpoll_slot(item))
		evpoll_slot_put(item);

	/*
	 * Unwatch before the erase. nest.c relies on it: an item among the watchers is also in a
	 * tree, so the check for cycles sees it before the walk up.
	 *
	 * There are two exceptions. A release takes the item out of the tree first, but nobody
	 * watches that instance, so no path goes up from it. An ADD in progress inserts into the
	 * tree last, but it holds nest_mutex until then.
	 */
	evpoll_unwatch(item);
	spin_lock(&ep->tree_lock);
	if (!RB_EMPTY_NODE(&item->node))
		rb_erase(&item->node, &ep->items);
	spin_unlock(&ep->tree_lock);

	if (extra)
		evpoll_awake_free(extra);
	evpoll_user_uncharge(ep->user, 1);
	kmem_cache_free(evpoll_item_cache, item);
	evpoll_put(ep);
}

/**
 * struct evpoll_walk - a walk over the tree that lets go of all locks in between
 * @file: where the walk is, in the order of the tree; only compared
 * @fd: the same
 * @more: there are items behind this place
 */
struct evpoll_walk {
	struct file *file;
	int fd;
	bool more;
};

/* Items that a walk looks at without a break, because preemption is off meanwhile. */
#define EVPOLL_WALK_BATCH 64

/*
 * Walks over a few items, up to one that was added under @fd. Returns that item with a reference on
 * its file, or NULL.
 */
static struct evpoll_item *evpoll_walk_to(struct evpoll *ep, struct evpoll_walk *walk, int fd)
{
	struct evpoll_item *item, *found = NULL;
	struct rb_node *next;
	int n;

	spin_lock(&ep->tree_lock);
	item = evpoll_item_after(ep, walk->file, walk->fd);
	for (n = 0; item && n < EVPOLL_WALK_BATCH && !found; n++) {
		walk->file = item->file;
		walk->fd = item->fd;
		/* Without a reference: __fput() is running, and the close hook removes the item. */
		if (item->fd == fd && compat_file_tryget(item->file))
			found = item;
		next = rb_next(&item->node);
		item = next ? rb_entry(next, struct evpoll_item, node) : NULL;
	}
	walk->more = item;
	spin_unlock(&ep->tree_lock);
	return found;
}

/*
 * The tree is sorted by file, so this looks at all items. It lets go of the mutex in between. An
 * item that is added under the same number meanwhile is removed or not.
 */
int evpoll_items_forget(struct evpoll *ep, int fd)
{
	struct evpoll_walk walk = { .fd = -1 };
	struct evpoll_item *item;
	int error = -ENOENT;

	do {
		mutex_lock(&ep->mtx);
		item = evpoll_walk_to(ep, &walk, fd);
		if (item)
			evpoll_item_remove(item);
		mutex_unlock(&ep->mtx);
		if (item) {
			/* The task may sleep before it returns to user space. */
			evpoll_fput(walk.file);
			error = 0;
		}
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	} while (walk.more);
	return error;
}

int evpoll_items_init(void)
{
	/* For comparison, a watch of epoll has 216 bytes: epitem, eppoll_entry and epitems_head. */
	BUILD_BUG_ON(sizeof(void *) == 8 && sizeof(struct evpoll_item) > 160);
	/* Items begin at multiples of 32 bytes in the cache, so these are on one cache line. */
	BUILD_BUG_ON(offsetof(struct evpoll_item, fd) / 32 !=
		     (offsetofend(struct evpoll_item, extra) - 1) / 32);
	/*
	 * The allocator keeps a pointer in a free item. It must not overwrite @watched and @file,
	 * which a lookup may still read, so it goes where @data is.
	 */
	evpoll_item_cache = compat_kmem_cache_rcu("evpoll_item", sizeof(struct evpoll_item),
						  offsetof(struct evpoll_item, data), SLAB_ACCOUNT);
	return evpoll_item_cache ? 0 : -ENOMEM;
}

void evpoll_items_exit(void)
{
	kmem_cache_destroy(evpoll_item_cache);
}
