/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * item.c: items, from ADD to removal.
 */
#ifndef EVPOLL_ITEM_H
#define EVPOLL_ITEM_H

#include "evpoll.h"

/*
 * ADD: a new item in the tree and among the items of its file; or an ERR_PTR. @nested: the caller
 * holds nest_mutex. If it does not, and @ep is watched, the error is EAGAIN.
 */
struct evpoll_item *evpoll_item_add(struct evpoll *ep, struct file *file,
				    const struct evpoll_ctl *ctl, bool nested);

/* Removes the item from everything, and frees it. */
void evpoll_item_remove(struct evpoll_item *item);

/* The item of (@file, @fd), or NULL. Caller holds the mutex and a reference on the file. */
struct evpoll_item *evpoll_item_find(struct evpoll *ep, struct file *file, int fd);

/*
 * The first item behind (@file, @fd) in the order of the tree, or NULL. Caller holds tree_lock.
 * @file is only compared, so it may be freed already.
 */
struct evpoll_item *evpoll_item_after(struct evpoll *ep, struct file *file, int fd);

/*
 * EVPOLL_CTL_FORGET: removes all items that were added under @fd. Returns 0, -ENOENT if there is
 * none, or -EINTR if a fatal signal came.
 */
int evpoll_items_forget(struct evpoll *ep, int fd);

int evpoll_items_init(void);
void evpoll_items_exit(void);

#endif /* EVPOLL_ITEM_H */
