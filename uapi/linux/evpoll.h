/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/**
 * DOC: evpoll user interface
 *
 * Each open of /dev/evpoll is an *instance*, as each epoll_create1(2) is. Events are
 * &struct epoll_event and the EPOLL* flags of <sys/epoll.h> (or <linux/eventpoll.h>, which
 * defines the same), with the meaning that epoll_ctl(2) and epoll_wait(2) give them.
 *
 * read(2) on the instance waits and fills the buffer with whole &struct epoll_event; the
 * bytes returned over the size of one are the events. Errors:
 *
 * * EINVAL: the buffer does not hold one event
 * * EAGAIN: nothing is ready, and O_NONBLOCK is set or the read timeout ended
 * * EFAULT: the buffer cannot be written; the events stay ready
 * * EINTR: a signal came, and a read timeout is set (without one the call is restarted or
 *   fails with EINTR as sigaction(2) says of SA_RESTART)
 *
 * poll(2), select(2), epoll(7) and io_uring see an instance as readable when an event waits.
 *
 * Structures may grow at their end. Their size travels in the ioctl number: a field that the
 * caller does not know is taken as zero, and a field that the kernel does not know must be
 * zero or the call fails with E2BIG, as with clone3(2) and openat2(2).
 */
#ifndef _UAPI_LINUX_EVPOLL_H
#define _UAPI_LINUX_EVPOLL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct evpoll_ctl - one change to the interest list of an instance
 * @op: EPOLL_CTL_ADD, EPOLL_CTL_MOD or EPOLL_CTL_DEL
 * @fd: file descriptor of the file to watch, in the caller's table
 * @events: EPOLL* mask, ignored by EPOLL_CTL_DEL; an unknown bit is EINVAL
 * @result: in an array (&struct evpoll_ctlv), written by the call: 0, or the error as a negative
 *	number. Must be zero in EVPOLL_IOC_CTL, which returns its error
 * @data: comes back in &struct epoll_event.data as given, ignored by EPOLL_CTL_DEL
 *
 * Source: epoll_ctl(2), whose errors this call has, in their order: EBADF, EPERM, EINVAL,
 * ELOOP, EEXIST, ENOENT, ENOSPC, ENOMEM. ELOOP is also what an epoll file descriptor gets.
 */
struct evpoll_ctl {
	__u32 op;
	__s32 fd;
	__u32 events;
	__s32 result;
	__u64 data;
};

/**
 * struct evpoll_ctlv - several changes in one call
 * @changes: user pointer to an array of @nr &struct evpoll_ctl
 * @nr: changes, up to 2^31 - 1
 * @done: written by the call: changes that were tried
 * @failed: written by the call: those of them that failed
 * @reserved: must be zero
 *
 * EVPOLL_IOC_CTLV tries them in their order, each as EVPOLL_IOC_CTL would, whatever becomes of the
 * others; each gets its result. Returns @failed. When a change cannot be read, or its result
 * cannot be written, the call ends there with EFAULT: @done have been tried, and a change whose
 * result could not be written is the last of them. EINTR: the same, when the task is to die.
 * EINVAL: @reserved, or @nr above 2^31 - 1; nothing was tried.
 */
struct evpoll_ctlv {
	__u64 changes;
	__u32 nr;
	__u32 done;
	__u32 failed;
	__u32 reserved;
};

/**
 * struct evpoll_wait - wait for events
 * @events: user pointer to an array of @maxevents &struct epoll_event
 * @timeout: user pointer to a &struct __kernel_timespec, how long to wait at most;
 *	0 waits for ever, a time of zero does not wait
 * @sigmask: user pointer to the signal mask of the wait alone; 0 leaves the mask as it is
 * @sigsetsize: size of that mask in bytes (8 on all but MIPS), ignored without @sigmask
 * @maxevents: events that the array holds, greater than zero
 * @min_wait_ns: do not return before this time is over, in ns, unless @maxevents items are ready,
 *	a signal comes or the timeout ends; 0 is as epoll_pwait2(2). Without effect when the
 *	timeout is zero
 * @reserved: must be zero
 * @ctlv: changes to try before the wait, as EVPOLL_IOC_CTLV would; @ctlv.nr of 0 is none. If one
 *	fails the wait does not sleep: it returns what is ready, which may be nothing, and the
 *	caller finds @ctlv.failed greater than zero. The time of @timeout begins before them
 *
 * Source: epoll_pwait2(2); Axboe, "epoll: support for min_wait" (2022) for @min_wait_ns; kqueue(2)
 * for @ctlv. Returns the number of events, 0 when the time is over. Errors: EINTR (a signal came;
 * the changes have been tried), EINVAL (a value out of its range, a time above 2^63 - 1 ns,
 * @sigsetsize or a reserved field; nothing was tried), EFAULT (look at @ctlv.done: the events,
 * or a change; a call that came to no change leaves it as it was, so let it be 0 before).
 */
struct evpoll_wait {
	__u64 events;
	__u64 timeout;
	__u64 sigmask;
	__u32 sigsetsize;
	__u32 maxevents;
	__u64 min_wait_ns;
	__u64 reserved;
	struct evpoll_ctlv ctlv;
};

/* No pending list, no NAPI, no window: each callback wakes a waiter itself, as epoll's does. */
#define EVPOLL_UNBATCHED	(1U << 0)
/* The window is only used while events come so fast that it collects some: see coalesce_usecs. */
#define EVPOLL_ADAPTIVE		(1U << 1)
/* Measure the time from callback to delivery, for struct evpoll_stats. */
#define EVPOLL_LATENCY		(1U << 2)

/**
 * struct evpoll_params - settings of an instance
 * @read_timeout_ns: how long read() waits at most, in ns; 0 (the default) is for ever, as
 *	with SO_RCVTIMEO of socket(7)
 * @flags: EVPOLL_UNBATCHED, EVPOLL_ADAPTIVE, EVPOLL_LATENCY
 * @budget: items of the instance that one NAPI poll moves at most, 1 to 64; 0 is the module's
 *	parameter (64)
 * @coalesce_usecs: the window: the longest delay between the first event that nobody has seen
 *	and the wakeup for it, in us, up to 1000000; 0 is none. As rx-usecs of ethtool -C
 * @coalesce_events: in a window, wake at once when so many items are pending, up to 2^31 - 1; 0 is
 *	no such limit. As rx-frames of ethtool -C
 *
 * EVPOLL_IOC_SET_PARAMS sets them all, for events from then on; what is pending is flushed.
 * Values that a new instance has are parameters of the module. A value out of its range, or a
 * time above KTIME_MAX (2^63 - 1 ns), is EINVAL, and nothing is changed.
 *
 * A waiter that is awake, and one that does not wait, sees all events at once whatever the
 * window is. So does EPOLLEXCLUSIVE, whose callback must say at once whether it woke a waiter.
 */
struct evpoll_params {
	__u64 read_timeout_ns;
	__u32 flags;
	__u32 budget;
	__u32 coalesce_usecs;
	__u32 coalesce_events;
};

#define EVPOLL_LATENCY_SLOTS 32

/**
 * struct evpoll_stats - what an instance has done since it was opened
 * @callbacks: wake callbacks for events in the mask of an item
 * @queued: of these, those that made an item pending or ready (the others found it so)
 * @polls: NAPI polls that had a turn for the instance
 * @exhausted: of these, those that used up the budget
 * @inline_flushes: flushes by the callback itself
 * @timer_flushes: windows that ended with their time
 * @wakeups: waiters woken
 * @reads: scans of the ready list by waiters
 * @delivered: events
 * @spurious: items that a waiter asked in vain
 * @latency: with EVPOLL_LATENCY, events by the time from callback to delivery: slot n counts
 *	those of 2^n to 2^(n+1) - 1 ns, slot 0 also 0, the last one all longer
 *
 * Counters are per CPU and added up without a lock: they are right when nothing happens.
 */
struct evpoll_stats {
	__u64 callbacks;
	__u64 queued;
	__u64 polls;
	__u64 exhausted;
	__u64 inline_flushes;
	__u64 timer_flushes;
	__u64 wakeups;
	__u64 reads;
	__u64 delivered;
	__u64 spurious;
	__u64 latency[EVPOLL_LATENCY_SLOTS];
};

#define EVPOLL_IOC_MAGIC	0xEB

#define EVPOLL_IOC_CTL		_IOW(EVPOLL_IOC_MAGIC, 0, struct evpoll_ctl)
#define EVPOLL_IOC_WAIT		_IOWR(EVPOLL_IOC_MAGIC, 1, struct evpoll_wait)
#define EVPOLL_IOC_SET_PARAMS	_IOW(EVPOLL_IOC_MAGIC, 2, struct evpoll_params)
#define EVPOLL_IOC_GET_PARAMS	_IOR(EVPOLL_IOC_MAGIC, 3, struct evpoll_params)
#define EVPOLL_IOC_GET_STATS	_IOR(EVPOLL_IOC_MAGIC, 4, struct evpoll_stats)
#define EVPOLL_IOC_CTLV		_IOWR(EVPOLL_IOC_MAGIC, 5, struct evpoll_ctlv)

#endif /* _UAPI_LINUX_EVPOLL_H */
