/* SPDX-License-Identifier: MIT */
/* Code for both libraries, libevpoll and libevpoll-preload. */
#ifndef EVPOLL_INTERNAL_H
#define EVPOLL_INTERNAL_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include <linux/evpoll.h>

#define EVPOLL_DEVICE "/dev/evpoll"

/* Bytes of the kernel's signal mask. The C library's sigset_t is larger. */
#define SIGMASK_SIZE (_NSIG / 8)

/*
 * Programs of this architecture have either a 32-bit or a 64-bit time_t, and so one of two struct
 * timespec. That of _TIME_BITS=64 is laid out as struct __kernel_timespec, except that its tv_nsec
 * has 32 bits and 32 bits of padding. The kernel ignores this padding in 32-bit programs.
 */
#if defined(__TIMESIZE) && __TIMESIZE == 32
#define HAVE_TIME64
#endif

/* Convert a timeout of epoll_wait(). NULL, for a negative one, waits without a limit. */
static inline struct __kernel_timespec *timeout_of_ms(struct __kernel_timespec *ts, int ms)
{
	if (ms < 0)
		return NULL;
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * 1000000LL;
	return ts;
}

/*
 * Convert a timeout of epoll_pwait2(). NULL waits without a limit. If the kernel knows the layout
 * of the structure, it reads it itself, so that a bad pointer fails with EFAULT.
 */
static inline const struct __kernel_timespec *timeout_of(struct __kernel_timespec *ts,
							 const struct timespec *from)
{
	if (!from || sizeof(*from) == sizeof(*ts))
		return (const struct __kernel_timespec *)from;
	ts->tv_sec = from->tv_sec;
	ts->tv_nsec = from->tv_nsec;
	return ts;
}

static inline struct evpoll_wait wait_of(struct epoll_event *events, int maxevents,
					 const struct __kernel_timespec *timeout,
					 const void *sigmask, size_t sigsetsize)
{
	return (struct evpoll_wait){
		.events = (uintptr_t)events,
		.timeout = (uintptr_t)timeout,
		.sigmask = (uintptr_t)sigmask,
		/* The field has 32 bits, and a size that needs more must stay wrong. */
		.sigsetsize = sigsetsize > UINT32_MAX ? UINT32_MAX : sigsetsize,
		/*
		 * The field is unsigned: a negative number becomes one that is too large, for which
		 * the kernel returns EINVAL.
		 */
		.maxevents = maxevents,
	};
}

#endif /* EVPOLL_INTERNAL_H */
