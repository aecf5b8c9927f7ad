/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * deliver.c: ready items become events in user memory.
 */
#ifndef EVPOLL_DELIVER_H
#define EVPOLL_DELIVER_H

#include <linux/uio.h>

#include "evpoll.h"

/*
 * Scans and writes up to @max events, to @iter if it is not NULL, else to @to, which the caller has
 * checked with access_ok(). Returns how many, -EFAULT or -EINTR.
 */
int evpoll_deliver(struct evpoll *ep, struct epoll_event __user *to, struct iov_iter *iter,
		   int max);

#endif /* EVPOLL_DELIVER_H */
