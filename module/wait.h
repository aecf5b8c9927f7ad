/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wait.c: the two calls that wait for events.
 */
#ifndef EVPOLL_WAIT_H
#define EVPOLL_WAIT_H

#include "evpoll.h"

/* ->read of an instance. */
ssize_t evpoll_read(struct file *file, char __user *buf, size_t count, loff_t *ppos);

/* ->read_iter of an instance, for readv(2), io_uring and Linux AIO. */
ssize_t evpoll_read_iter(struct kiocb *iocb, struct iov_iter *to);

/* EVPOLL_IOC_WAIT. Returns the number of events or an error; @arg gets the result of changes. */
long evpoll_wait(struct file *file, struct evpoll_wait *wait, struct evpoll_wait __user *arg);

#endif /* EVPOLL_WAIT_H */
