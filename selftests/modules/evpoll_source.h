/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/evpoll_source: files that become readable on command, a burst at a time, from a chosen
 * context. For selftests, measurements and traces: a burst is the same every time.
 *
 * Each open is a *line*. A line counts events; it is readable while there are some. read(2)
 * returns the events since the last read as &struct evpoll_source_event, or its first 8 bytes,
 * which are what an eventfd returns; EAGAIN when there are none, it never waits.
 */
#ifndef EVPOLL_SOURCE_H
#define EVPOLL_SOURCE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct evpoll_source_event - what read(2) of a line returns
 * @count: events since the last read
 * @first_ns: CLOCK_MONOTONIC time of the first of them
 */
struct evpoll_source_event {
	__u64 count;
	__u64 first_ns;
};

/* Where the events come from */
enum {
	EVPOLL_SOURCE_PROCESS,	/* the ioctl itself, which returns after the last one */
	EVPOLL_SOURCE_SOFTIRQ,	/* a timer in softirq */
	EVPOLL_SOURCE_HARDIRQ,	/* an interrupt: at once, for later events a timer's */
	EVPOLL_SOURCE_NAPI,	/* a NAPI poll, that such an interrupt schedules, as a NIC's */
	EVPOLL_SOURCE_CONTEXTS,
};

#define EVPOLL_SOURCE_MAX_LINES	4096
#define EVPOLL_SOURCE_MAX_NS	1000000000
#define EVPOLL_SOURCE_MAX_WORK_NS	10000

/**
 * struct evpoll_source_burst - rounds of one event on each of some lines
 * @fds: user pointer to @nr __s32, the lines, in the order of their events
 * @nr: lines, up to EVPOLL_SOURCE_MAX_LINES
 * @context: EVPOLL_SOURCE_PROCESS and so on
 * @spacing_ns: from one event of a round to the next; 0 is all of a round in one go, of which a
 *	NAPI poll does up to 64
 * @pause_ns: from one round to the next
 * @repeat: rounds
 * @cpu: the processor that it comes from, -1 is the caller's. -1 with EVPOLL_SOURCE_PROCESS
 * @work_ns: what each event costs before it is there, in the same go, as a packet costs the network
 *	stack; up to EVPOLL_SOURCE_MAX_WORK_NS
 *
 * Both times are up to EVPOLL_SOURCE_MAX_NS. A timer that is late does not put off the next one;
 * EVPOLL_SOURCE_PROCESS sleeps so long at least.
 *
 * The burst belongs to the line that the ioctl is done on, which need not be one of @fds: closing
 * it ends the burst, and it has one at a time. A line that is closed while a burst goes on just is
 * not heard of any more.
 *
 * Errors: EINVAL, EFAULT, ENOMEM; EBADF (no file descriptor, or not of a line); EBUSY (a burst of
 * the line goes on); EINTR (EVPOLL_SOURCE_PROCESS: a signal came between events); ENXIO (@cpu has
 * just gone offline); EOPNOTSUPP (EVPOLL_SOURCE_HARDIRQ on PREEMPT_RT, where wait queues cannot be
 * woken from there).
 */
struct evpoll_source_burst {
	__u64 fds;
	__u32 nr;
	__u32 context;
	__u64 spacing_ns;
	__u64 pause_ns;
	__u32 repeat;
	__s32 cpu;
	__u64 work_ns;
};

#define EVPOLL_SOURCE_IOC_BURST	_IOW(0xEC, 0, struct evpoll_source_burst)

#endif /* EVPOLL_SOURCE_H */
