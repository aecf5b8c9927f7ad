/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * watched.c: from a watched file to its items.
 */
#ifndef EVPOLL_WATCHED_H
#define EVPOLL_WATCHED_H

#include <linux/hash.h>

#include "evpoll.h"

/*
 * How many watched files have an address with this hash. It is here only because
 * evpoll_may_be_watched() is inline.
 */
#define EVPOLL_COUNTER_BITS 14
extern atomic_t evpoll_watched_counters[1 << EVPOLL_COUNTER_BITS];

/* ADD: makes the item one of @file's. Returns 0 or -ENOMEM. */
int evpoll_watch(struct evpoll_item *item, struct file *file);

/* Undoes evpoll_watch(). */
void evpoll_unwatch(struct evpoll_item *item);

/* The first item of the file, or NULL. Caller holds the lock of its items, or is the close hook. */
struct evpoll_item *evpoll_watched_first(struct file *file);

/*
 * nest.c: calls @fn for each item of a plain file, under f_lock, until it returns true. Returns
 * whether it did.
 */
bool evpoll_watched_any(struct file *file, bool (*fn)(struct evpoll_item *item, int *count),
			int *count);

int evpoll_watched_init(void);
void evpoll_watched_exit(void);

/* The counter of watched files whose address has the same hash as this one's. */
static inline atomic_t *evpoll_watched_counter(const struct file *file)
{
	u64 hash = (unsigned long)file * GOLDEN_RATIO_64;

	/*
	 * Mix twice: struct files sit at regular offsets in a slab, so a single multiplicative
	 * hash maps a whole slab to the same few counters.
	 */
	return &evpoll_watched_counters[hash_64(hash ^ hash >> 32, EVPOLL_COUNTER_BITS)];
}

/*
 * The close hook: may the file be watched? Inline, because every last close of a file asks. A no
 * is exact for a file without references: the task that added an item held a reference on the file
 * or its descriptor, and dropping it ordered the counter before the last reference was gone.
 */
static inline bool evpoll_may_be_watched(const struct file *file)
{
	return atomic_read(evpoll_watched_counter(file));
}

#endif /* EVPOLL_WATCHED_H */
