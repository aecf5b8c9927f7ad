// SPDX-License-Identifier: GPL-2.0-only
/*
 * Items: how one comes to be, is found and goes. The rules are at the top of evpoll.h.
 */
#include <linux/err.h>
#include <linux/slab.h>

#include "compat.h"
#include "evpoll.h"

static struct kmem_cache *evpoll_item_cache;

/* The key is the pair of file and number; the tree is in the order of epoll's. */
static int evpoll_item_cmp(const struct evpoll_item *item, const struct file *file, int fd)
{
	if (file != item->file)
		return file < item->file ? -1 : 1;
	return fd < item->fd ? -1 : fd > item->fd;
}

/* For rb_find_add(): @a is the new one, and evpoll_item_cmp() takes it second. */
static int evpoll_item_cmp_nodes(struct rb_node *a, const struct rb_node *b)
{
	const struct evpoll_item *item = rb_entry(a, struct evpoll_item, node);

	return evpoll_item_cmp(rb_entry(b, struct evpoll_item, node), item->file, item->fd);
}

/*
 * The first item after the pair, or NULL. Caller holds tree_lock; a pair that stands for no
 * file any more is as good as any.
 */
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

/*
 * The item of the pair, or NULL. Caller holds the mutex and a reference on the file, so the
 * item stays.
 */
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
 * Somebody may still stand on it who looks through the table of watched files: @watched keeps its
 * value until the item goes there itself, and @file until evpoll_watch(). See evpoll_replaced.
 */
static struct evpoll_item *evpoll_item_alloc(struct evpoll *ep, const struct evpoll_ctl *ctl)
{
	struct evpoll_item *item = kmem_cache_alloc(evpoll_item_cache, GFP_KERNEL);

	if (!item)
		return NULL;
	item->fd = ctl->fd;
	item->events = (__force __poll_t)ctl->events | EPOLLERR | EPOLLHUP;
	item->data = ctl->data;
	item->noted_ns = 0;
	item->state = 0;
	INIT_LIST_HEAD(&item->ready);
	item->extra = NULL;
	item->entry.head = NULL;
	item->entry.wait.flags = 0;
	item->entry.wait.private = ep;
	item->entry.wait.func = NULL;
	return item;
}

/* Into the tree, unless the pair is there. */
static bool evpoll_item_insert(struct evpoll *ep, struct evpoll_item *item)
{
	struct rb_node *there;

	spin_lock(&ep->tree_lock);
	there = rb_find_add(&item->node, &ep->items, evpoll_item_cmp_nodes);
	spin_unlock(&ep->tree_lock);
	return !there;
}

/*
 * Makes an item that is in the tree and in the table of watched files, on no wait queue yet.
 * Caller holds the mutex and a reference on the file.
 */
struct evpoll_item *evpoll_item_add(struct evpoll *ep, struct file *file,
				    const struct evpoll_ctl *ctl)
{
	struct evpoll_item *item;
	int error;

	lockdep_assert_held(&ep->mtx);
	error = evpoll_user_charge(ep->user);
	if (error)
		goto err;
	error = -ENOMEM;
	item = evpoll_item_alloc(ep, ctl);
	if (!item)
		goto err_uncharge;
	error = evpoll_watch(item, file);
	if (error)
		goto err_free;
	error = -EEXIST;
	if (!evpoll_item_insert(ep, item))
		goto err_unwatch;
	refcount_inc(&ep->refs);
	return item;

err_unwatch:
	evpoll_unwatch(item);
err_free:
	kmem_cache_free(evpoll_item_cache, item);
err_uncharge:
	evpoll_user_uncharge(ep->user);
err:
	/* epoll looks for the pair first, and knows nothing of limits when it is there. */
	if (error != -EEXIST && evpoll_item_find(ep, file, ctl->fd))
		error = -EEXIST;
	return ERR_PTR(error);
}

/*
 * Takes an item away. Caller keeps __fput() of the file from running, with a reference on the
 * file and the mutex (or the last say in the instance); or is the hook in it, and holds nothing.
 */
void evpoll_item_remove(struct evpoll_item *item)
{
	struct evpoll *ep = evpoll_of(item);
	struct evpoll_extra *extra = item->extra;

	evpoll_unhook(item);
	evpoll_dequeue(item);

	/*
	 * In this order: who is among the watchers of an instance has it in its tree, where nest.c
	 * looks for cycles before it goes up along the watchers with their locks. (Not when it is
	 * being released; but then nobody watches it, and no way up goes on from there. Nor in the
	 * middle of an ADD, which has nest_mutex.)
	 */
	evpoll_unwatch(item);
	spin_lock(&ep->tree_lock);
	if (!RB_EMPTY_NODE(&item->node))
		rb_erase(&item->node, &ep->items);
	spin_unlock(&ep->tree_lock);

	if (extra)
		evpoll_awake_free(extra);
	evpoll_user_uncharge(ep->user);
	kmem_cache_free(evpoll_item_cache, item);
	evpoll_put(ep);
}

/* What few items need, made when the first need comes. Caller holds the mutex. */
struct evpoll_extra *evpoll_item_extra(struct evpoll_item *item)
{
	lockdep_assert_held(&evpoll_of(item)->mtx);
	if (!item->extra) {
		struct evpoll_extra *extra = kzalloc(sizeof(*extra), GFP_KERNEL_ACCOUNT);

		/* Pairs with smp_load_acquire() in evpoll_stay_awake(). */
		smp_store_release(&item->extra, extra);
	}
	return item->extra;
}

int evpoll_items_init(void)
{
	/* A watch of epoll takes 216 bytes: epitem, eppoll_entry, epitems_head. */
	BUILD_BUG_ON(sizeof(void *) == 8 && sizeof(struct evpoll_item) > 160);
	/* The allocator's pointer must not be where who stands on a free item looks. */
	evpoll_item_cache = compat_kmem_cache_rcu("evpoll_item", sizeof(struct evpoll_item),
						  offsetof(struct evpoll_item, data), SLAB_ACCOUNT);
	return evpoll_item_cache ? 0 : -ENOMEM;
}

void evpoll_items_exit(void)
{
	kmem_cache_destroy(evpoll_item_cache);
}
