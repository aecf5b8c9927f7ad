/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioctl.c: the ioctls of an instance.
 */
#ifndef EVPOLL_IOCTL_H
#define EVPOLL_IOCTL_H

#include <linux/fs.h>

/* ->unlocked_ioctl of an instance. */
long evpoll_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* EVPOLL_IOCTL_H */
