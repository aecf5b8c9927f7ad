/* SPDX-License-Identifier: MIT */
/* What the library and the preload library share. */
#ifndef EVPOLL_INTERNAL_H
#define EVPOLL_INTERNAL_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include <linux/evpoll.h>
#include <linux/time_types.h>

#define EVPOLL_DEVICE "/dev/evpoll"

/* Bytes of a signal mask that the kernel knows; a sigset_t has more. */
#define SIGMASK_SIZE (_NSIG / 8)

/*
 * A program with 32-bit time_t has another struct timespec than one with _TIME_BITS=64, whose is
 * the kernel's (which ignores the padding that tv_nsec has there).
 */
#if defined(__TIMESIZE) && __TIMESIZE == 32
#define HAVE_TIME64
#endif

/* The kernel's time for a timeout of epoll_wait(); NULL is for ever. */
static inline struct __kernel_timespec *timeout_of_ms(struct __kernel_timespec *ts, int ms)
{
	if (ms < 0)
		return NULL;
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * 1000000LL;
	return ts;
}

/* The kernel's time for a struct timespec; NULL stays NULL. */
static inline struct __kernel_timespec *timeout_of(struct __kernel_timespec *ts,
						   const struct timespec *from)
{
	if (!from)
		return NULL;
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
		.sigsetsize = sigsetsize,
		/* A negative one becomes too large a one: EINVAL. */
		.maxevents = maxevents,
	};
}

#endif /* EVPOLL_INTERNAL_H */
