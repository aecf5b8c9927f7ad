/* SPDX-License-Identifier: MIT */
/**
 * DOC: libevpoll
 *
 * epoll's calls, implemented on /dev/evpoll. To port a program, write evpoll_create1(),
 * evpoll_ctl() and evpoll_wait() where it calls epoll_create1(), epoll_ctl() and epoll_wait().
 * Arguments, results and errors are the same as epoll's. The exceptions are in the README's table
 * of differences and in the descriptions below.
 *
 * Each call that fails returns -1 and sets errno. If the descriptor is not an evpoll instance,
 * errno is usually ENOTTY. It may be another error, because the file behind the descriptor answers
 * the ioctl(). The kernel checks the descriptor first, so such an error, or EBADF, comes before the
 * errors of all other arguments, except that of a NULL event.
 *
 * The library keeps no state. An instance is an open file of /dev/evpoll: it can be duplicated by
 * dup(), inherited over fork() and execve() and sent over a unix socket, and several threads can
 * use it. A program can mix calls of the library with ioctl(), read(), poll() and close() on the
 * descriptor.
 */
#ifndef EVPOLL_H
#define EVPOLL_H

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/evpoll.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * evpoll_create1() - open an instance
 * @flags: EPOLL_CLOEXEC or 0
 *
 * Source: epoll_create1(2).
 * Return: a file descriptor, or -1. Errors: EINVAL (a flag other than EPOLL_CLOEXEC), and those of
 * open(2), of which ENOENT means that the module is not loaded.
 */
int evpoll_create1(int flags);

/**
 * evpoll_create() - open an instance, without flags
 * @size: must be greater than zero; its value is ignored
 *
 * Source: epoll_create(2).
 * Return: as evpoll_create1().
 */
int evpoll_create(int size);

/**
 * evpoll_ctl() - add, change or remove an item
 * @ep: the instance
 * @op: EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL or EVPOLL_CTL_FORGET
 * @fd: the file to watch; for EVPOLL_CTL_FORGET the number that items were added under
 * @event: event mask and data; EPOLL_CTL_DEL and EVPOLL_CTL_FORGET ignore it
 *
 * EVPOLL_CTL_FORGET removes items whose descriptor was closed while another descriptor, made by
 * dup() or fork(), keeps their file open. EPOLL_CTL_DEL cannot name such an item.
 *
 * The library reads @event, not the kernel. So NULL fails with EFAULT, but another bad pointer
 * raises SIGSEGV.
 *
 * Source: epoll_ctl(2). epoll ignores unknown bits of the mask; evpoll fails with EINVAL.
 * Return: 0, or -1. Errors: see &struct evpoll_ctl.
 */
int evpoll_ctl(int ep, int op, int fd, struct epoll_event *event);

/**
 * evpoll_wait() - wait for events
 * @ep: the instance
 * @events: array that receives the events
 * @maxevents: number of elements of @events, greater than zero
 * @timeout: in ms; 0 returns at once, a negative number waits without a limit
 *
 * All calls that wait are cancellation points: pthread_cancel() can end a thread in them.
 *
 * Source: epoll_wait(2).
 * Return: the number of events, 0 after the timeout, or -1. Errors: EINTR, EINVAL, EFAULT.
 */
int evpoll_wait(int ep, struct epoll_event *events, int maxevents, int timeout);

/**
 * evpoll_pwait() - wait for events with another signal mask
 * @ep: the instance
 * @events: array that receives the events
 * @maxevents: number of elements of @events, greater than zero
 * @timeout: in ms, as for evpoll_wait()
 * @sigmask: signal mask of the thread during the call; NULL leaves the mask as it is
 *
 * Source: epoll_pwait(2).
 * Return: as evpoll_wait().
 */
int evpoll_pwait(int ep, struct epoll_event *events, int maxevents, int timeout,
		 const sigset_t *sigmask);

/**
 * evpoll_pwait2() - wait for events with a timeout in ns
 * @ep: the instance
 * @events: array that receives the events
 * @maxevents: number of elements of @events, greater than zero
 * @timeout: in s and ns; 0 returns at once, NULL waits without a limit
 * @sigmask: signal mask of the thread during the call; NULL leaves the mask as it is
 *
 * The library passes a 64-bit time to the kernel, even if the program's time_t has 32 bits.
 *
 * Source: epoll_pwait2(2).
 * Return: as evpoll_wait(). EINVAL also if a field of @timeout is negative or tv_nsec is 10^9 or
 * more.
 */
int evpoll_pwait2(int ep, struct epoll_event *events, int maxevents,
		  const struct timespec *timeout, const sigset_t *sigmask);

/*
 * A 32-bit program that is built with -D_TIME_BITS=64 has a larger struct timespec. It calls the
 * function that takes this structure.
 */
#if defined(__USE_TIME_BITS64) && defined(__TIMESIZE) && __TIMESIZE == 32
int evpoll_pwait2(int ep, struct epoll_event *events, int maxevents,
		  const struct timespec *timeout, const sigset_t *sigmask)
	__asm__("evpoll_pwait2_time64");
#endif

/**
 * evpoll_ctlv() - add, change or remove several items in one call
 * @ep: the instance
 * @changes: the changes; the call sets the result of each to 0 or to a negative errno
 * @nr: number of changes
 *
 * The kernel tries the changes one after the other, each as evpoll_ctl() does. A change that fails
 * does not stop the ones after it.
 *
 * Source: EVPOLL_IOC_CTLV.
 * Return: the number of changes that failed, 0 if none did, or -1. Errors: EINVAL (@nr is
 * negative), EFAULT (part of @changes is not accessible; the kernel has tried the changes before
 * that part), EINTR (a signal came after 64 or more changes. The kernel has set the results of
 * those that it tried, so set all results to a positive number before, to see where to go on).
 */
int evpoll_ctlv(int ep, struct evpoll_ctl *changes, int nr);

/**
 * evpoll_change_wait() - change items, then wait, in one call
 * @ep: the instance
 * @changes: the changes, as for evpoll_ctlv()
 * @nr: number of changes, may be 0
 * @events: array that receives the events
 * @maxevents: number of elements of @events, greater than zero
 * @timeout: in ms, as for evpoll_wait(); it starts before the changes
 * @failed: receives the number of changes that failed; may be NULL
 *
 * If a change fails, the call does not sleep. It returns the events that are ready, or 0.
 *
 * For a timeout in ns, a signal mask or min_wait_ns, use evpoll_call_wait().
 *
 * Source: kqueue(2), EVPOLL_IOC_WAIT.
 * Return: as evpoll_wait(). EINTR: with at most 64 changes, the kernel has tried all of them. With
 * more, see evpoll_ctlv().
 */
int evpoll_change_wait(int ep, struct evpoll_ctl *changes, int nr, struct epoll_event *events,
		       int maxevents, int timeout, int *failed);

/**
 * evpoll_call_wait() - wait for events with all options of EVPOLL_IOC_WAIT
 * @ep: the instance
 * @wait: see &struct evpoll_wait; set the fields that you do not use to zero
 * @size: sizeof(*@wait), because later versions of the structure may be larger
 *
 * This is the only call with min_wait_ns.
 *
 * Source: EVPOLL_IOC_WAIT.
 * Return: as evpoll_wait(). E2BIG also, if a field is set that the module does not know.
 */
int evpoll_call_wait(int ep, struct evpoll_wait *wait, size_t size);

/**
 * evpoll_set_params() - set the read timeout, batching and moderation of an instance
 * @ep: the instance
 * @params: the new values
 *
 * The call sets all parameters. To change one, call evpoll_get_params() first.
 *
 * Source: EVPOLL_IOC_SET_PARAMS.
 * Return: 0, or -1. Errors: EINVAL (a value is out of its range).
 */
static inline int evpoll_set_params(int ep, const struct evpoll_params *params)
{
	return ioctl(ep, EVPOLL_IOC_SET_PARAMS, params);
}

/**
 * evpoll_get_params() - get the parameters of an instance
 * @ep: the instance
 * @params: receives the values; a new instance has those of the module's parameters
 *
 * Source: EVPOLL_IOC_GET_PARAMS.
 * Return: 0, or -1.
 */
static inline int evpoll_get_params(int ep, struct evpoll_params *params)
{
	return ioctl(ep, EVPOLL_IOC_GET_PARAMS, params);
}

/**
 * evpoll_get_stats() - get the counters of an instance
 * @ep: the instance
 * @stats: receives the counters, which start at zero when the instance is opened
 *
 * Source: EVPOLL_IOC_GET_STATS.
 * Return: 0, or -1.
 */
static inline int evpoll_get_stats(int ep, struct evpoll_stats *stats)
{
	return ioctl(ep, EVPOLL_IOC_GET_STATS, stats);
}

#ifdef __cplusplus
}
#endif

#endif /* EVPOLL_H */
