/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sigio.c: the signals of O_ASYNC.
 */
#ifndef EVPOLL_SIGIO_H
#define EVPOLL_SIGIO_H

#include <linux/types.h>

struct evpoll;
struct file;

/* ->fasync: a program sets or clears O_ASYNC, or the file with O_ASYNC is closed. */
int evpoll_fasync(int fd, struct file *file, int on);

/*
 * Is the running task sending the signal of this instance just now? For a wake callback of a
 * signalfd, which the kernel wakes when it sends a signal.
 */
bool evpoll_sigio_is_sending(const struct evpoll *ep);

#endif /* EVPOLL_SIGIO_H */
