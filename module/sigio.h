/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sigio.c: signals for a process that set O_ASYNC on the instance.
 */
#ifndef EVPOLL_SIGIO_H
#define EVPOLL_SIGIO_H

struct file;

/* ->fasync: a program sets or clears O_ASYNC, or the file with O_ASYNC is closed. */
int evpoll_fasync(int fd, struct file *file, int on);

#endif /* EVPOLL_SIGIO_H */
