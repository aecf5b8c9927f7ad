/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/evpoll_source: files that become readable on command, in bursts, from a chosen context. It
 * is for selftests, measurements and traces, which need bursts that are the same every time.
 *
 * Each open file is a *line*. A line counts its events, and is readable while the count is not
 * zero. read(2) returns the events since the last read as &struct evpoll_source_event, or only its
 * first 8 bytes, as an eventfd does. It never waits: without events it fails with EAGAIN.
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
	EVPOLL_SOURCE_HARDIRQ,	/* an interrupt, from a timer for later events */
	EVPOLL_SOURCE_NAPI,	/* a NAPI poll, which an interrupt schedules, as from a NIC */
	EVPOLL_SOURCE_CONTEXTS,
};

#define EVPOLL_SOURCE_MAX_LINES	4096
#define EVPOLL_SOURCE_MAX_NS	1000000000
#define EVPOLL_SOURCE_MAX_WORK_NS	10000

/**
 * struct evpoll_source_burst - rounds of one event on each of some lines
 * @fds: user pointer to @nr __s32, the lines in the order of their events
 * @nr: number of lines, up to EVPOLL_SOURCE_MAX_LINES
 * @context: EVPOLL_SOURCE_PROCESS and so on
 * @spacing_ns: time from one event of a round to the next. 0: all events of a round come
 *	together; a NAPI poll handles up to 64 of them
 * @pause_ns: time from one round to the next
 * @repeat: number of rounds
 * @cpu: the processor on which the events happen, -1 is the caller's. Must be -1 with
 *	EVPOLL_SOURCE_PROCESS
 * @work_ns: time that the context spends before each event, as the network stack does for a packet;
 *	up to EVPOLL_SOURCE_MAX_WORK_NS
 *
 * @spacing_ns and @pause_ns are up to EVPOLL_SOURCE_MAX_NS. A late timer does not delay the timers
 * after it. EVPOLL_SOURCE_PROCESS sleeps at least this long.
 *
 * The burst belongs to the line on which the ioctl is called, which need not be one of @fds. A line
 * has one burst at a time, and closing it ends the burst. A burst continues if one of the lines in
 * @fds is closed.
 *
 * Errors: EINVAL, EFAULT, ENOMEM; EBADF (no file descriptor, or not of a line); EBUSY (the line has
 * a burst that has not ended); EINTR (EVPOLL_SOURCE_PROCESS: a signal came between events); ENXIO
 * (@cpu has just gone offline); EOPNOTSUPP (EVPOLL_SOURCE_HARDIRQ on PREEMPT_RT, where a hard
 * interrupt cannot wake wait queues).
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
