/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.c: the file /dev/evpoll.
 */
#ifndef EVPOLL_DEVICE_H
#define EVPOLL_DEVICE_H

/* Registers /dev/evpoll. A program may open it before this returns. */
int evpoll_device_init(void);
void evpoll_device_exit(void);

#endif /* EVPOLL_DEVICE_H */
