/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * put.c: writes an event to user memory. A plain buffer takes the inline path here, and an iov_iter
 * takes the one in put.c.
 */
#ifndef EVPOLL_PUT_H
#define EVPOLL_PUT_H

#include <linux/uaccess.h>

#include "evpoll.h"

struct iov_iter;

/* Writes a whole event, or returns false and leaves @iter as it is. */
bool evpoll_put_event_iter(struct iov_iter *iter, __poll_t revents, u64 data);

/* The sink is @iter, or @to if @iter is NULL. Returns false if it cannot be written. */
static __always_inline bool evpoll_put_event(struct epoll_event __user *to, struct iov_iter *iter,
					     __poll_t revents, u64 data)
{
	if (unlikely(iter))
		return evpoll_put_event_iter(iter, revents, data);
	if (!user_write_access_begin(to, sizeof(*to)))
		return false;
	unsafe_put_user((__force __u32)revents, (__u32 __user *)&to->events, efault);
	unsafe_put_user(data, &to->data, efault);
	user_write_access_end();
	return true;

efault:
	user_write_access_end();
	return false;
}

#endif /* EVPOLL_PUT_H */
