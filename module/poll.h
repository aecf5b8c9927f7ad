/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * poll.c: polls watched files, and is ->poll of an instance.
 */
#ifndef EVPOLL_POLL_H
#define EVPOLL_POLL_H

#include "evpoll.h"

/* ->poll of an instance. */
__poll_t evpoll_poll(struct file *file, struct poll_table_struct *pt);

/* The same for an instance that another instance watches. */
__poll_t evpoll_poll_nested(struct file *file, poll_table *pt, int depth);

/* Called by evpoll_scan_poll() only: the second poll of a level-triggered item without an event. */
__poll_t evpoll_scan_repoll(struct evpoll_item *item, poll_table *pt, int depth);

/*
 * Is the file an instance? Only instances have this ->poll. The file was opened, and the caller
 * keeps __fput() from reaching ->release, so f_op is set and its module is there.
 */
static inline bool is_evpoll_file(const struct file *file)
{
	return file->f_op->poll == evpoll_poll;
}

/*
 * Polls the watched file and returns the events in the item's mask that hold now. @pt: a poll
 * table, with which ->poll adds wait entries, or an empty one. @depth: number of instances above
 * that hold their mutex, for lockdep. Caller holds the mutex and a reference on the file.
 *
 * This recurses over nested instances: if the watched file is an instance, its ->poll scans that
 * instance and comes here for the files there. nest.c bounds the depth.
 */
static inline __poll_t evpoll_item_poll(struct evpoll_item *item, poll_table *pt, int depth)
{
	__poll_t revents;

	pt->_key = item->events;
	if (is_evpoll_file(item->file))
		revents = evpoll_poll_nested(item->file, pt, depth);
	else
		revents = vfs_poll(item->file, pt);
	return revents & item->events;
}

/* Polls an item that the scan has taken. */
static inline __poll_t evpoll_scan_poll(struct evpoll_item *item, poll_table *pt, int depth)
{
	__poll_t revents = evpoll_item_poll(item, pt, depth);

	if (revents || !evpoll_is_level_triggered(item))
		return revents;
	return evpoll_scan_repoll(item, pt, depth);
}

#endif /* EVPOLL_POLL_H */
