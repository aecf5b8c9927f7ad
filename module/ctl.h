/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctl.c: one change of a registration.
 */
#ifndef EVPOLL_CTL_H
#define EVPOLL_CTL_H

#include "evpoll.h"

/* EVPOLL_IOC_CTL. Returns 0 or the error. */
long evpoll_ctl(struct file *file, struct evpoll_ctl *ctl);

/*
 * The same where the task may sleep before it returns to user space. With @nonblock, returns
 * -EAGAIN and changes nothing if it would have to wait for a mutex.
 */
long evpoll_ctl_one(struct file *file, struct evpoll_ctl *ctl, bool nonblock);

/* The mask that epoll makes of @events. */
u32 evpoll_mask_from_epoll(u32 events);

#endif /* EVPOLL_CTL_H */
