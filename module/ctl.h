/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctl.c: one change of a registration.
 */
#ifndef EVPOLL_CTL_H
#define EVPOLL_CTL_H

#include "evpoll.h"

/* EVPOLL_IOC_CTL. Returns 0 or the error. */
long evpoll_ctl(struct file *file, struct evpoll_ctl *ctl);

/* The same for one of several changes: the task may sleep before it returns to user space. */
long evpoll_ctl_one(struct file *file, struct evpoll_ctl *ctl);

#endif /* EVPOLL_CTL_H */
