/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * watched.c: from a watched file to its items.
 */
#ifndef EVPOLL_WATCHED_H
#define EVPOLL_WATCHED_H

#include "evpoll.h"

/* ADD: makes the item one of @file's. Returns 0 or -ENOMEM. */
int evpoll_watch(struct evpoll_item *item, struct file *file);

/* Undoes evpoll_watch(). */
void evpoll_unwatch(struct evpoll_item *item);

/* May the file be watched? A no is exact, for a file that has no reference any more. */
bool evpoll_may_be_watched(const struct file *file);

/* The first item of the file, or NULL. Caller holds the lock of its items, or is the close hook. */
struct evpoll_item *evpoll_watched_first(struct file *file);

/*
 * nest.c: calls @fn for each item of a plain file, under f_lock, until it returns true. Returns whether
 * it did.
 */
bool evpoll_watched_any(struct file *file, bool (*fn)(struct evpoll_item *item, int *count),
			int *count);

int evpoll_watched_init(void);
void evpoll_watched_exit(void);

#endif /* EVPOLL_WATCHED_H */
