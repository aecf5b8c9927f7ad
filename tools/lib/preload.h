/* SPDX-License-Identifier: MIT */
/* What the files of libevpoll-preload share. */
#ifndef EVPOLL_PRELOAD_H
#define EVPOLL_PRELOAD_H

#include <dlfcn.h>
#include <stdatomic.h>

#define EXPORT __attribute__((visibility("default")))

/* The function of the C library that the function @name of this library replaces */
#define LIBC(name) ({								\
	static _Atomic(__typeof__(&(name))) found;				\
	__typeof__(&(name)) fn = atomic_load_explicit(&found, memory_order_relaxed);	\
										\
	if (!fn) {								\
		fn = (__typeof__(fn))dlsym(RTLD_NEXT, #name);			\
		atomic_store_explicit(&found, fn, memory_order_relaxed);	\
	}									\
	fn;									\
})

/* Make a system call by the syscall() of the C library. */
long kernel(long nr, long a, long b, long c, long d, long e, long f);

struct io_uring_params;

/* preload_uring.c: io_uring_setup(), and what must be done before io_uring_enter() */
int uring_setup(unsigned int entries, struct io_uring_params *p);
void uring_before_enter(int fd, unsigned int to_submit, unsigned int flags);

#endif /* EVPOLL_PRELOAD_H */
