/* SPDX-License-Identifier: MIT */
/**
 * DOC: libevpoll
 *
 * epoll's calls over /dev/evpoll: a program that has epoll_create1(), epoll_ctl() and epoll_wait()
 * puts "ev" for "e" and is done. Arguments, results and errors are theirs, but for what the
 * README's table of differences says and for what is noted here. Calls fail with -1 and errno.
 * A descriptor that is no instance is ENOTTY, or what else its file answers to ioctl().
 *
 * Nothing is kept in user space. A descriptor is an open file of /dev/evpoll, so it may go through
 * dup(), fork(), execve() and unix sockets, may be used by several threads, and calls of the
 * library and plain ioctl(), read(), poll() and close() may be mixed.
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
 * Return: a file descriptor, or -1. Errors: those of open(2) (ENOENT: the module is not loaded),
 * EINVAL (another flag).
 */
int evpoll_create1(int flags);

/**
 * evpoll_create() - open an instance, as before there were flags
 * @size: greater than zero, otherwise ignored
 *
 * Source: epoll_create(2).
 * Return: as evpoll_create1().
 */
int evpoll_create(int size);

/**
 * evpoll_ctl() - add, change or remove an item
 * @ep: the instance
 * @op: EPOLL_CTL_ADD, EPOLL_CTL_MOD or EPOLL_CTL_DEL
 * @fd: the file to watch
 * @event: mask and data, ignored by EPOLL_CTL_DEL. It is read here, not in the kernel: NULL is
 *	EFAULT, another bad pointer is a SIGSEGV
 *
 * Source: epoll_ctl(2). An unknown bit in the mask is EINVAL, which epoll ignores.
 * Return: 0, or -1. Errors: see &struct evpoll_ctl.
 */
int evpoll_ctl(int ep, int op, int fd, struct epoll_event *event);

/**
 * evpoll_wait() - wait for events
 * @ep: the instance
 * @events: where they go
 * @maxevents: how many fit there, greater than zero
 * @timeout: ms; 0 does not wait, -1 (any negative number) waits for ever
 *
 * A cancellation point, and so are the other calls that wait.
 *
 * Source: epoll_wait(2).
 * Return: the number of events, 0 when the time is over, or -1. Errors: EINTR, EINVAL, EFAULT.
 */
int evpoll_wait(int ep, struct epoll_event *events, int maxevents, int timeout);

/**
 * evpoll_pwait() - wait for events under another signal mask
 * @ep: the instance
 * @events: where they go
 * @maxevents: how many fit there
 * @timeout: ms, as with evpoll_wait()
 * @sigmask: the mask of the wait alone; NULL leaves the mask as it is
 *
 * Source: epoll_pwait(2).
 * Return: as evpoll_wait().
 */
int evpoll_pwait(int ep, struct epoll_event *events, int maxevents, int timeout,
		 const sigset_t *sigmask);

/**
 * evpoll_pwait2() - wait for events, with a finer timeout
 * @ep: the instance
 * @events: where they go
 * @maxevents: how many fit there
 * @timeout: s and ns; NULL waits for ever, zero does not wait
 * @sigmask: the mask of the wait alone; NULL leaves the mask as it is
 *
 * The kernel gets a 64-bit time, also from a program whose time_t has 32 bits.
 *
 * Source: epoll_pwait2(2).
 * Return: as evpoll_wait(); a time that is negative or has 10^9 ns or more is EINVAL.
 */
int evpoll_pwait2(int ep, struct epoll_event *events, int maxevents,
		  const struct timespec *timeout, const sigset_t *sigmask);

/* A 32-bit program with -D_TIME_BITS=64 gets the function for its struct timespec. */
#if defined(__USE_TIME_BITS64) && defined(__TIMESIZE) && __TIMESIZE == 32
int evpoll_pwait2(int ep, struct epoll_event *events, int maxevents,
		  const struct timespec *timeout, const sigset_t *sigmask)
	__asm__("evpoll_pwait2_time64");
#endif

/**
 * evpoll_ctlv() - several changes in one call
 * @ep: the instance
 * @changes: tried in their order, each as by evpoll_ctl(), whatever becomes of the others; each
 *	gets its result: 0, or the error as a negative number
 * @nr: how many
 *
 * Source: EVPOLL_IOC_CTLV.
 * Return: how many failed, 0 when all went well, or -1. Errors: EFAULT (before @changes ends;
 * those before have been tried), EINVAL (@nr below zero).
 */
int evpoll_ctlv(int ep, struct evpoll_ctl *changes, int nr);

/**
 * evpoll_change_wait() - change items and wait, in one call
 * @ep: the instance
 * @changes: as with evpoll_ctlv()
 * @nr: how many, 0 is none
 * @events: where the events go
 * @maxevents: how many fit there
 * @timeout: ms, as with evpoll_wait(); it begins before the changes
 * @failed: where to put how many changes failed; NULL if that is not asked
 *
 * If a change failed the call does not sleep: it returns what is ready, which may be nothing.
 * For a finer timeout, a signal mask or min_wait see evpoll_call_wait().
 *
 * Source: kqueue(2), EVPOLL_IOC_WAIT.
 * Return: as evpoll_wait(); after EINTR the changes have been tried.
 */
int evpoll_change_wait(int ep, struct evpoll_ctl *changes, int nr, struct epoll_event *events,
		       int maxevents, int timeout, int *failed);

/**
 * evpoll_call_wait() - EVPOLL_IOC_WAIT with all that it offers
 * @ep: the instance
 * @wait: see &struct evpoll_wait; what is not used must be zero
 * @size: sizeof(*@wait), as the structure may grow
 *
 * Source: EVPOLL_IOC_WAIT; min_wait_ns is in no other call.
 * Return: as evpoll_wait(), and E2BIG when a field is set that the module does not know.
 */
int evpoll_call_wait(int ep, struct evpoll_wait *wait, size_t size);

/**
 * evpoll_set_params() - set the read timeout, batching and moderation of an instance
 * @ep: the instance
 * @params: all of them; get them first to change one
 *
 * Source: EVPOLL_IOC_SET_PARAMS.
 * Return: 0, or -1. Errors: EINVAL (a value out of its range).
 */
static inline int evpoll_set_params(int ep, const struct evpoll_params *params)
{
	return ioctl(ep, EVPOLL_IOC_SET_PARAMS, params);
}

/**
 * evpoll_get_params() - what evpoll_set_params() set, or the module's defaults
 * @ep: the instance
 * @params: where they go
 *
 * Source: EVPOLL_IOC_GET_PARAMS.
 * Return: 0, or -1.
 */
static inline int evpoll_get_params(int ep, struct evpoll_params *params)
{
	return ioctl(ep, EVPOLL_IOC_GET_PARAMS, params);
}

/**
 * evpoll_get_stats() - what an instance has done since it was opened
 * @ep: the instance
 * @stats: where it goes
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
