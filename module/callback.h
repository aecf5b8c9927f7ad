/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * callback.c: the wait entries of an item, and their wake callback.
 */
#ifndef EVPOLL_CALLBACK_H
#define EVPOLL_CALLBACK_H

#include "evpoll.h"

/*
 * ADD: puts the item onto the wait queues of its file, and makes it ready if it has an event
 * already. Returns 0 or -ENOMEM, in which case the item may be on some of the queues.
 */
int evpoll_add_wait_entries(struct evpoll_item *item);

/*
 * EVPOLLROTATE: moves the item behind the others on the wait queues of its file, so that the next
 * exclusive wakeup tries another instance first. Caller holds the mutex, and a reference on the
 * file.
 */
void evpoll_rotate(struct evpoll_item *item);

/*
 * MOD: waits for the wake callbacks of the item that are running. Those that come later see what
 * the caller has written before. Caller holds the mutex, and a reference on the file.
 */
void evpoll_pass_wait_entries(struct evpoll_item *item);

/* Takes the item off all wait queues. No wake callback runs for the item afterwards. */
void evpoll_remove_wait_entries(struct evpoll_item *item);

#endif /* EVPOLL_CALLBACK_H */
