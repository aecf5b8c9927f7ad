/* SPDX-License-Identifier: MIT */
/* What the files of libevpoll-preload share. */
#ifndef EVPOLL_PRELOAD_H
#define EVPOLL_PRELOAD_H

#define EXPORT __attribute__((visibility("default")))

/* Make a system call by the syscall() of the C library. */
long kernel(long nr, long a, long b, long c, long d, long e, long f);

struct io_uring_params;

/* preload_uring.c: io_uring_setup(), and what io_uring_enter() needs before the kernel sees it */
int uring_setup(unsigned int entries, struct io_uring_params *p);
void uring_before_enter(int fd, unsigned int to_submit, unsigned int flags);

#endif /* EVPOLL_PRELOAD_H */
