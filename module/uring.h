/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uring.c: changes of registrations by io_uring(7).
 */
#ifndef EVPOLL_URING_H
#define EVPOLL_URING_H

struct io_uring_cmd;

/* ->uring_cmd. Returns the result, or -EAGAIN if io_uring must call again from a worker thread. */
int evpoll_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

#endif /* EVPOLL_URING_H */
