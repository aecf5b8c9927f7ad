/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/**
 * DOC: evpoll user interface
 *
 * Each open of /dev/evpoll makes an *instance*, as each epoll_create1(2) does. Events are
 * &struct epoll_event with the EPOLL* flags of <sys/epoll.h>, or of <linux/eventpoll.h>, which
 * defines the same. They mean what epoll_ctl(2) and epoll_wait(2) say.
 *
 * An *item* is one registration of a file. When the file wakes its wait queue, the item's *wake
 * callback* makes the item *pending*. A *flush* makes pending items *ready*, and wakes a reader.
 *
 * read(2) on the instance waits for events and fills the buffer with whole &struct epoll_event.
 * The number of events is the number of bytes returned, divided by the size of one event. Errors:
 *
 * * EINVAL: the buffer is smaller than one event
 * * EAGAIN: nothing is ready, and O_NONBLOCK is set or read_timeout_ns of &struct evpoll_params is
 *   over
 * * EFAULT: the buffer cannot be written; the events stay ready
 * * EINTR: a signal came. If read_timeout_ns is 0 and the handler has SA_RESTART, the call restarts
 *   instead
 *
 * poll(2), select(2), epoll(7) and io_uring report the instance as readable while it has an event.
 *
 * A later version may add fields to the end of a structure. The ioctl number contains the size
 * that the caller knows. The kernel takes fields that the caller does not know as zero. If the
 * caller sets a field that the kernel does not know, the call fails with E2BIG, as clone3(2) and
 * openat2(2) do.
 */
#ifndef _UAPI_LINUX_EVPOLL_H
#define _UAPI_LINUX_EVPOLL_H

#include <linux/ioctl.h>
#include <linux/time_types.h>
#include <linux/types.h>

/*
 * An operation of &struct evpoll_ctl: removes all items that were added under the number @fd,
 * whatever the number means now. It is for a descriptor that was closed while its file lives on,
 * because a dup(2) or a fork(2) has made another descriptor for it: EPOLL_CTL_DEL cannot name such
 * an item, and its events keep coming. ENOENT: no item was added under this number.
 */
#define EVPOLL_CTL_FORGET	16

/*
 * A bit of an event mask, with EPOLLEXCLUSIVE only: instances that watch the file are woken in
 * turn. A reader that gets an event from the item moves the item behind the others on the wait
 * queue of the file. Without the bit, a waker tries the instances in the order in which they added
 * the file, so the first ones do most of the work.
 */
#define EVPOLLROTATE		(1U << 26)

/**
 * struct evpoll_ctl - one change to the interest list of an instance
 * @op: EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL or EVPOLL_CTL_FORGET
 * @fd: file descriptor of the file to watch, in the caller's table; for EVPOLL_CTL_FORGET any
 *	number
 * @events: EPOLL* mask, and EVPOLLROTATE; an unknown bit is EINVAL. EPOLL_CTL_DEL and
 *	EVPOLL_CTL_FORGET ignore it
 * @result: the call writes it for each change of an array (&struct evpoll_ctlv): 0, or the error as
 *	a negative number. Must be zero in EVPOLL_IOC_CTL, which returns its error
 * @data: the wait returns this value in &struct epoll_event.data. EPOLL_CTL_DEL and
 *	EVPOLL_CTL_FORGET ignore it
 *
 * Source: epoll_ctl(2). This call has the same errors, in the same order: EBADF, EPERM, EINVAL,
 * ELOOP, EEXIST, ENOENT, ENOSPC, ENOMEM. Two errors differ: an unknown bit in @events, or
 * EVPOLLROTATE without EPOLLEXCLUSIVE, is EINVAL before all of these, and an epoll file descriptor
 * in @fd is ELOOP.
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
 * @nr: number of changes, up to 2^31 - 1
 * @done: the call writes how many changes it tried
 * @failed: the call writes how many of these failed
 * @reserved: must be zero
 *
 * EVPOLL_IOC_CTLV tries the changes in the order of the array, each as EVPOLL_IOC_CTL would. It
 * goes on after a change that fails, and writes a result for each. It returns @failed. Errors:
 *
 * * EFAULT: a change cannot be read, or its result cannot be written. The call ends there, after
 *   @done changes. If a result could not be written, its change is the last of them
 * * EINTR: a signal came. The call ends there, after @done changes. It always tries the first 64,
 *   and checks for signals after every 64. To go on, call again with the rest of the array:
 *   @changes + @done, @nr - @done
 * * EINVAL: @reserved is not zero, or @nr is above 2^31 - 1. No change was tried
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
 * @timeout: user pointer to a &struct __kernel_timespec, the longest time to wait. A
 *	pointer of 0 sets no limit, and neither does a time above 2^63 - 1 ns. If the structure
 *	holds zero, the call does not wait
 * @sigmask: user pointer to the signal mask during the wait; 0 leaves the mask as it is
 * @sigsetsize: size of that mask in bytes (8 on all architectures but MIPS); ignored without
 *	@sigmask
 * @maxevents: number of events that the array holds: from 1 to 2^31 - 1, divided by the size of
 *	&struct epoll_event
 * @min_wait_ns: do not return before this time is over, in ns, unless @maxevents items are ready,
 *	a signal comes or the timeout ends. A level-triggered item that a wait has returned counts
 *	again when its file tells of a new event. With 0 the call returns at the first event, as
 *	epoll_pwait2(2) does. Without effect when the timeout is zero
 * @reserved: must be zero
 * @ctlv: changes to try before the wait, as EVPOLL_IOC_CTLV would; none if @ctlv.nr is 0. If one
 *	fails, the call does not sleep: it returns the events that are ready, or 0, and @ctlv.failed
 *	is greater than zero. The time of @timeout begins before the changes
 *
 * Source: epoll_pwait2(2); Axboe, "epoll: support for min_wait" (2022) for @min_wait_ns; kqueue(2)
 * for @ctlv. Returns the number of events, or 0 when the time is over. Errors:
 *
 * * EINTR: a signal came. If @ctlv.done is less than @ctlv.nr, it came during the changes, and the
 *   call did not wait; see EINTR of &struct evpoll_ctlv
 * * EINVAL: a value is out of its range, @timeout is negative or its tv_nsec is 10^9 or more,
 *   @min_wait_ns is above 2^63 - 1, or above 0 on an instance with a ring, @sigsetsize is wrong,
 *   or a reserved field is not zero. No change was tried
 * * EFAULT: user memory cannot be read or written. @ctlv.done says how many changes were tried. Set
 *   it to 0 before the call, because a call that fails before the first change does not write it
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

/*
 * Each wake callback wakes a waiter itself, as epoll's does: no pending queue and no window. NAPI
 * wakes those who poll the instance, in this mode too.
 */
#define EVPOLL_UNBATCHED	(1U << 0)
/*
 * Use a window only if 8 events are expected in coalesce_usecs; it is as long as they should take.
 */
#define EVPOLL_ADAPTIVE		(1U << 1)
/* Measure the time from wake callback to delivery, for struct evpoll_stats. */
#define EVPOLL_LATENCY		(1U << 2)
/*
 * The first event of a burst wakes a task that sleeps in a wait at once, and the rest of the burst
 * is batched. A burst is what comes until NAPI runs; with a window, until the window ends. Has no
 * effect on those who poll the instance.
 */
#define EVPOLL_EAGER		(1U << 3)
/*
 * Wake the tasks that wait on the instance in turn: the one that has slept longest comes first.
 * Without this flag, as with epoll, the one that has slept least comes first, because its caches
 * are warm.
 */
#define EVPOLL_FIFO		(1U << 4)

/**
 * struct evpoll_params - settings of an instance
 * @read_timeout_ns: the longest time that read() waits, in ns. 0, the default, is no limit, as with
 *	SO_RCVTIMEO of socket(7). Reads by io_uring have no such limit
 * @flags: EVPOLL_UNBATCHED, EVPOLL_ADAPTIVE, EVPOLL_LATENCY, EVPOLL_EAGER, EVPOLL_FIFO
 * @budget: the most items of the instance that one NAPI poll moves, 1 to 64; 0 takes the value of
 *	the module parameter (64)
 * @coalesce_usecs: the window, in us, up to 1000000: the longest time from the first event that no
 *	reader has seen to the wakeup for it. 0 is no window. As rx-usecs of ethtool -C
 * @coalesce_events: end the window and wake at once when so many events have come in it, up to
 *	2^31 - 1; 0 is no such limit. With EVPOLL_EAGER the first one counts too. As rx-frames of
 *	ethtool -C
 *
 * EVPOLL_IOC_SET_PARAMS sets all of them for later events, and flushes what is pending. It may fail
 * with ENOMEM when it sets EVPOLL_LATENCY for the first time; then nothing changes. A new
 * instance takes its values from the parameters of the module. A value out of its range, or a time
 * above KTIME_MAX (2^63 - 1 ns), is EINVAL, and then nothing changes.
 *
 * A window delays the wakeup of a task that sleeps, in a wait or in poll(2), epoll or io_uring on
 * the instance. A call that does not sleep gets all events at once. An item with EPOLLEXCLUSIVE
 * skips the window, because its wake callback must say at once whether it woke a waiter.
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
 * @queued: wake callbacks that made an item pending or ready. In the others of @callbacks the item
 *	was pending or ready already
 * @polls: turns that the instance had in NAPI polls, to flush or to wake those who poll it
 * @exhausted: turns that used up the budget
 * @inline_flushes: events that a wake callback made ready itself, without NAPI and without a
 *	window: in process context, or with EVPOLL_EAGER
 * @timer_flushes: windows that the timer ended
 * @wakeups: waiters woken
 * @reads: scans of the ready list by readers
 * @delivered: events delivered
 * @spurious: items that a reader polled and that had no event
 * @latency: with EVPOLL_LATENCY, the number of events by the time from wake callback to delivery.
 *	Slot n counts times of 2^n to 2^(n+1) - 1 ns. Slot 0 also counts 0 ns, and the last slot
 *	counts all longer times. Events that the ring delivers are not measured
 * @published: entries that wake callbacks put into the ring's index. An event that joins others in
 *	its slot needs none
 * @harvested: entries that were taken out of the ring's index, with an event or without, by the
 *	program or by a wait. A wait counts those that the program took before
 *
 * A read takes no lock, so the counters agree with each other only while nothing happens.
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
	__u64 published;
	__u64 harvested;
};

#define EVPOLL_IOC_MAGIC	0xEB

#define EVPOLL_IOC_CTL		_IOW(EVPOLL_IOC_MAGIC, 0, struct evpoll_ctl)
#define EVPOLL_IOC_WAIT		_IOWR(EVPOLL_IOC_MAGIC, 1, struct evpoll_wait)
#define EVPOLL_IOC_SET_PARAMS	_IOW(EVPOLL_IOC_MAGIC, 2, struct evpoll_params)
#define EVPOLL_IOC_GET_PARAMS	_IOR(EVPOLL_IOC_MAGIC, 3, struct evpoll_params)
#define EVPOLL_IOC_GET_STATS	_IOR(EVPOLL_IOC_MAGIC, 4, struct evpoll_stats)
#define EVPOLL_IOC_CTLV		_IOWR(EVPOLL_IOC_MAGIC, 5, struct evpoll_ctlv)

/**
 * struct evpoll_uring_ioctl - a change of registrations by io_uring(7)
 * @arg: user pointer to the argument of the ioctl
 * @reserved: must be zero
 *
 * IORING_OP_URING_CMD with the instance as its fd, EVPOLL_IOC_CTL or EVPOLL_IOC_CTLV in cmd_op, and
 * this structure in cmd. The result of the ioctl is in the completion, errors as negative numbers.
 * The argument and the descriptors in it must stay until then, because a worker thread of io_uring
 * may make the change: always for EVPOLL_IOC_CTLV and EVPOLL_CTL_FORGET, and else if another task
 * uses the instance at that moment, or if instances watch each other. Additional errors:
 *
 * * EINTR: EVPOLL_IOC_CTLV was cancelled, see &struct evpoll_ctlv
 * * EINVAL: @reserved or uring_cmd_flags is not zero
 * * ENOTTY: the command is neither of these nor EVPOLL_URING_EPOLL_CTL
 */
struct evpoll_uring_ioctl {
	__u64 arg;
	__u64 reserved;
};

/**
 * struct evpoll_uring_epoll_ctl - what IORING_OP_EPOLL_CTL takes
 * @event: user pointer to a &struct epoll_event, which must stay until the completion, as must the
 *	descriptor @fd; ignored by EPOLL_CTL_DEL
 * @fd: file descriptor of the file to watch
 * @op: EPOLL_CTL_ADD, EPOLL_CTL_MOD or EPOLL_CTL_DEL
 *
 * IORING_OP_URING_CMD with the instance as its fd, EVPOLL_URING_EPOLL_CTL in cmd_op, and this
 * structure in cmd. It has the errors of IORING_OP_EPOLL_CTL on an epoll instance, and ignores
 * unknown bits of the mask as epoll does. An epoll file descriptor in @fd is ELOOP.
 */
struct evpoll_uring_epoll_ctl {
	__u64 event;
	__s32 fd;
	__u32 op;
};

#define EVPOLL_URING_EPOLL_CTL	_IOW(EVPOLL_IOC_MAGIC, 6, struct evpoll_uring_epoll_ctl)

/**
 * struct evpoll_ring_setup - gives an instance a ring
 * @slots: number of slots: a power of two, at most 2^23. Each registration uses one. Registrations
 *	that find no free slot work as without a ring
 * @flags: must be zero
 * @size: the call writes the length of the mapping, in bytes
 * @flags_offset: the call writes where the flags (EVPOLL_RING_MORE) are, in bytes from the
 *	beginning of the mapping, as are all offsets
 * @head_offset: the call writes where the position of the next harvest is
 * @index_offset: the call writes where the index is: @slots words of 32 bits
 * @slots_offset: the call writes where the array of @slots &struct evpoll_ring_slot is
 *
 * EVPOLL_IOC_RING makes the ring, before the first registration, and
 * mmap(NULL, @size, PROT_READ | PROT_WRITE, MAP_SHARED, instance, 0) maps it. The wake callback
 * then puts events into the ring, and the program takes them out without a system call.
 * Documentation/ring.rst has the protocol, and tools/lib/evpoll_ring.h the program's side of it.
 *
 * Errors of the ioctl:
 *
 * * EINVAL: @slots is not a power of two or too large, or @flags is not zero
 * * EEXIST: the instance has a ring already
 * * EBUSY: the instance has a registration
 * * ENOSPC: the ring counts as @size / 160 watches of the user, which would take as much memory,
 *   and this would exceed fs.evpoll.max_user_watches
 * * ENOMEM: there is not enough memory
 *
 * Errors of mmap(2): ENODEV, the instance has no ring; EINVAL, the length, the offset, the flags or
 * the protection are not those above; EACCES, the instance was not opened with O_RDWR.
 */
struct evpoll_ring_setup {
	__u32 slots;
	__u32 flags;
	__u64 size;
	__u32 flags_offset;
	__u32 head_offset;
	__u32 index_offset;
	__u32 slots_offset;
};

#define EVPOLL_IOC_RING		_IOWR(EVPOLL_IOC_MAGIC, 7, struct evpoll_ring_setup)

#define EVPOLL_RING_MAX_SLOTS	(1U << 23)

/*
 * A bit of the ring's flags, which the kernel writes: items are pending or ready. A wait polls
 * them, and may return events that are not in the ring. Level-triggered items that the ring has
 * told of are among them.
 */
#define EVPOLL_RING_MORE	(1U << 0)

/**
 * struct evpoll_ring_slot - the events of one registration
 * @state: the events that wakers told of since the last harvest (EVPOLL_RING_EVENTS), and the bits
 *	EVPOLL_RING_LISTED and EVPOLL_RING_LEVEL. A harvest takes it with an atomic exchange
 * @reserved: not used
 * @data: as &struct epoll_event.data. The kernel changes it only while EVPOLL_RING_LISTED is clear
 */
struct evpoll_ring_slot {
	__u32 state;
	__u32 reserved;
	__u64 data;
};

/*
 * An entry of the index is 0, or the offset of a slot and the lap of its position: 1 in even rounds
 * of the index, 2 in odd ones. Offsets of slots are multiples of 16. An entry with another lap is
 * one that a harvester of the last round has not cleared yet.
 */
#define EVPOLL_RING_LAP(pos, slots)	((pos) & (slots) ? 2U : 1U)

/* The bits of evpoll_ring_slot.state that are events. */
#define EVPOLL_RING_EVENTS	0x7fffU
/* An entry of the index names the slot, or will do so in a moment. */
#define EVPOLL_RING_LISTED	(1U << 16)
/* The registration is level-triggered: it is also among those that EVPOLL_RING_MORE tells of. */
#define EVPOLL_RING_LEVEL	(1U << 17)

#endif /* _UAPI_LINUX_EVPOLL_H */
