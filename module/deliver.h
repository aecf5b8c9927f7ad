/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * deliver.c: ready items become events in user memory.
 */
#ifndef EVPOLL_DELIVER_H
#define EVPOLL_DELIVER_H

#include "evpoll.h"

/* Scans and writes up to @max events. Returns how many, -EFAULT or -EINTR. */
int evpoll_deliver(struct evpoll *ep, struct epoll_event __user *to, int max);

#endif /* EVPOLL_DELIVER_H */
