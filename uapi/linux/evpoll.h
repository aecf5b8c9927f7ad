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
 * @reserved: must be zero
 * @data: comes back in &struct epoll_event.data as given, ignored by EPOLL_CTL_DEL
 *
 * Source: epoll_ctl(2), whose errors this call has, in their order: EBADF, EPERM, EINVAL,
 * ELOOP, EEXIST, ENOENT, ENOSPC, ENOMEM. ELOOP is also what an epoll file descriptor gets.
 */
struct evpoll_ctl {
	__u32 op;
	__s32 fd;
	__u32 events;
	__u32 reserved;
	__u64 data;
};

/**
 * struct evpoll_wait - wait for events
 * @events: user pointer to an array of @maxevents &struct epoll_event
 * @timeout: user pointer to a &struct __kernel_timespec, how long to wait at most;
 *	0 waits for ever, a time of zero does not wait
 * @sigmask: user pointer to the signal mask of the wait alone; 0 leaves the mask as it is
 * @sigsetsize: size of that mask in bytes (8 on all but MIPS), ignored without @sigmask
 * @maxevents: events that the array holds, greater than zero
 * @reserved: must be zero
 *
 * Source: epoll_pwait2(2). Returns the number of events, 0 when the time is over. Errors:
 * EINTR (a signal came), EINVAL (@maxevents, the time, @sigsetsize or @reserved), EFAULT.
 */
struct evpoll_wait {
	__u64 events;
	__u64 timeout;
	__u64 sigmask;
	__u32 sigsetsize;
	__u32 maxevents;
	__u64 reserved;
};

/**
 * struct evpoll_params - settings of an instance
 * @read_timeout_ns: how long read() waits at most, in ns; 0 (the default) is for ever, as
 *	with SO_RCVTIMEO of socket(7)
 *
 * A larger time than KTIME_MAX (2^63 - 1 ns) is EINVAL.
 */
struct evpoll_params {
	__u64 read_timeout_ns;
};

#define EVPOLL_IOC_MAGIC	0xEB

#define EVPOLL_IOC_CTL		_IOW(EVPOLL_IOC_MAGIC, 0, struct evpoll_ctl)
#define EVPOLL_IOC_WAIT		_IOW(EVPOLL_IOC_MAGIC, 1, struct evpoll_wait)
#define EVPOLL_IOC_SET_PARAMS	_IOW(EVPOLL_IOC_MAGIC, 2, struct evpoll_params)
#define EVPOLL_IOC_GET_PARAMS	_IOR(EVPOLL_IOC_MAGIC, 3, struct evpoll_params)

#endif /* _UAPI_LINUX_EVPOLL_H */
