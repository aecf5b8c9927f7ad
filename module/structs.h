/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The structures that the stages share: an item, which is one registration, and an instance. Each
 * field says which lock it needs. The rules are at the top of evpoll.h, which includes this.
 */
#ifndef EVPOLL_STRUCTS_H
#define EVPOLL_STRUCTS_H

#include <linux/atomic.h>
#include <linux/capability.h>	/* 6.1's eventpoll.h needs this and fs.h */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/eventpoll.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/rhashtable-types.h>
#include <linux/sched.h>	/* TASK_COMM_LEN */
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/evpoll.h>

/* The uapi header has it without the type of a mask. */
#define EVPOLL_ROTATE ((__force __poll_t)EVPOLLROTATE)

/* These bits say how to report events. A mask that has no other bit reports nothing. */
#define EVPOLL_PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE | EVPOLL_ROTATE)

struct evpoll_extra;
struct evpoll_ring;
struct evpoll_sigio;
struct evpoll_user;
struct wakeup_source;

/**
 * struct evpoll_entry - a wait entry
 * @wait: entry on the wait queue @head; its private pointer is the instance
 * @head: the wait queue, or NULL while not queued. Written before the entry is on the queue. The
 *	wake callback clears it under the queue's lock when the queue dies (POLLFREE); pairs with
 *	evpoll_remove_wait_entry()
 */
struct evpoll_entry {
	wait_queue_entry_t wait;
	wait_queue_head_t *head;
};

/* Bits of evpoll_item.state */
enum {
	/*
	 * The item is pending, on the ready list or on a scan's list, or the context that set the
	 * bit is about to put it there. While the bit is set, a wake callback need not queue the
	 * item: whoever clears the bit polls the file afterwards, requeues the item or removes it.
	 *
	 * Two full barriers pair: test_and_set_bit() in evpoll_queue_event() orders the file's new
	 * state before the bit, and the smp_mb() in evpoll_scan_take() and in evpoll_scan_remove()
	 * orders the clearing of the bit before the poll of the file.
	 */
	EVPOLL_QUEUED,
	/*
	 * The waker of the pending item passed EPOLL_URING_WAKE. The wake callback sets the bit
	 * before it adds the item to the pending queue, and the flush clears it.
	 */
	EVPOLL_URING,
	/* The item is in the pending queue. Set before it is added, cleared by the flush. */
	EVPOLL_PENDING,
	/*
	 * The item stays ready because it is level-triggered. A reader has got its event, and its
	 * file has told of no new one since. evpoll.nreported counts these items.
	 */
	EVPOLL_REPORTED,
	/*
	 * The item is one-shot, and its event was put into the ring or reported, so it is disarmed.
	 * Set by whoever tells of the event, cleared by MOD. Only with a ring.
	 */
	EVPOLL_FIRED,
};

/* Above the bits, evpoll_item.state has the number of the item's slot in the ring, plus 1. */
#define EVPOLL_SLOT_SHIFT 8
#define EVPOLL_SLOT_MASK (~0UL << EVPOLL_SLOT_SHIFT)

/**
 * struct evpoll_item - one registration
 * @node: in evpoll.items, sorted by (@file, @fd); evpoll.tree_lock
 * @watched: in the table of watched files, if this is the first item of its file; f_lock and the
 *	lock of the bucket
 * @siblings: circular list of all items of the file; file->f_lock. If the file is an instance: in
 *	evpoll.watchers of that instance; its watchers_lock
 * @file: the watched file; constant since evpoll_watch()
 * @data: the caller's data; evpoll.mtx
 * @fd: the file descriptor that the caller gave; constant
 * @events: event mask; written under evpoll.mtx with WRITE_ONCE(), the wake callback reads it
 *	without a lock
 * @state: the bits above, and the slot; atomic. The slot changes under evpoll.mtx
 * @queued_ns: with EVPOLL_LATENCY, when the wake callback queued the item (ktime_get_ns()), else 0.
 *	Belongs to the context that set EVPOLL_QUEUED until the item is on a list, then to the scan
 *	until it clears the bit
 * @extra: what few items need, NULL for the others. Set once, under evpoll.mtx, with release
 *	order; pairs with evpoll_stay_awake()
 * @ready: in evpoll.ready or evpoll.scan, or empty; waiters.lock
 * @pending: in the pending queue. Shares its place with @ready.next alone, so that
 *	evpoll_is_ready() can read @ready.prev while the item is pending
 * @entry: the first wait entry. Its private pointer is set before the item can be found
 *
 * An instance can have millions of items. An item has 160 bytes at most, see evpoll_items_init().
 */
struct evpoll_item {
	struct rb_node node;
	struct rhash_head watched;
	struct list_head siblings;
	struct file *file;
	u64 data;

	/* The wake callback uses these four, so they are on one cache line. */
	int fd;
	__poll_t events;
	unsigned long state;
	u64 queued_ns;
	struct evpoll_extra *extra;

	union {
		struct list_head ready;
		struct llist_node pending;
	};
	struct evpoll_entry entry;
};

/**
 * struct evpoll_counts - counters of an instance that are written under waiters.lock
 * @direct: items that a wake callback made ready itself, see evpoll_queue_pending()
 * @callbacks: wake callbacks with EPOLLEXCLUSIVE or EVPOLL_UNBATCHED
 * @queued: those of them that made an item ready
 * @wakeups: waiters woken
 * @polls: turns in NAPI polls
 * @exhausted: turns that used up the budget
 */
struct evpoll_counts {
	u64 direct;
	u64 callbacks;
	u64 queued;
	u64 wakeups;
	u64 polls;
	u64 exhausted;
};

/* Bits of evpoll.state */
enum {
	/* The timer of the window is queued, and has a reference on the instance. */
	EVPOLL_ARMED,
	/* The window is over, and NAPI moves what it has collected. No meaning without window. */
	EVPOLL_DUE,
	/*
	 * An event came while the instance had pollers, and nobody has woken these for it yet.
	 * Whoever clears the bit wakes them afterwards. For an item that becomes ready, the bit is
	 * set under the same waiters.lock.
	 */
	EVPOLL_POLLERS,
	/* With EVPOLL_POLLERS: a waker passed EPOLL_URING_WAKE, so tell it to the pollers too. */
	EVPOLL_POLLERS_URING,
	/*
	 * An event was put into the ring while somebody slept, and its item is on no list. So this
	 * stands for a pending item: a flush clears it, and wakes.
	 */
	EVPOLL_NEWS,
	/*
	 * With EVPOLL_POLLERS: one of the events was not caused by the signal of O_ASYNC itself, so
	 * send that signal. Set before EVPOLL_POLLERS. No meaning without O_ASYNC.
	 */
	EVPOLL_SIGIO,
};

/* evpoll.refs counts in steps of 2. Bit 0 says that the instance is in a queue of napi.c. */
#define EVPOLL_SCHEDULED 1
#define EVPOLL_REF 2

/**
 * struct evpoll - an instance
 * @params: settings. Written under @mtx, or at the release, with WRITE_ONCE(), field by field. Read
 *	with READ_ONCE() without a lock; any value that a field has had is good
 * @ring: the ready ring, or NULL. Set once, before the first item
 * @latency: counters of struct evpoll_stats.latency, NULL until EVPOLL_LATENCY is set; @mtx
 * @pollers: wait queue of the pollers
 * @tail: the newest pending item, see fifo.h; atomic
 * @refs: EVPOLL_REF for its file, each item, the timer while it is armed, and a walk in nest.c;
 *	and EVPOLL_SCHEDULED. Atomic
 * @state: the bits above; atomic
 * @scheduled: in evpoll_napi.tail of a CPU, while @refs has EVPOLL_SCHEDULED
 * @pushed: number of items that were added to the pending queue; atomic
 * @repeated: number of wake callbacks that found their item queued; atomic
 * @waker_flushes: flushes by wake callbacks in process context without a window; waiters.lock
 * @window_events: events that became pending in the current window; atomic
 * @nreported: number of items with EVPOLL_REPORTED; atomic
 * @waiters: wait queue of the waiters. Its lock, waiters.lock, also protects the ready list
 * @ready: the ready list, the oldest item first; waiters.lock
 * @scan: the items of the scan that is running; waiters.lock, filled under @mtx
 * @cursor: the last item that this scan has taken and that stays in @scan, or &@scan, as it is
 *	while no scan runs; waiters.lock. evpoll_scan_has_more() reads it without the lock
 * @pending: the head of the pending queue, see fifo.h: the oldest pending item is next;
 *	waiters.lock for whoever takes
 * @nready: number of items in @ready and @scan; waiters.lock
 * @scanning: a scan is running; waiters.lock
 * @woke: the current wakeup found a waiter that can use it; waiters.lock
 * @counts: counters that are written under waiters.lock
 * @mtx: serializes CTL and scans
 * @tree_lock: protects @items
 * @nwatchers: number of @watchers, plus one during an ADD of this instance to another; grows under
 *	@tree_lock
 * @items: tree of all items
 * @reads: counter of struct evpoll_stats; @mtx
 * @delivered: counter of struct evpoll_stats; @mtx
 * @spurious: counter of struct evpoll_stats; @mtx
 * @ws: wakeup source that is active while a scan has taken items with EPOLLWAKEUP; @mtx
 * @user: the user that its watches are charged to; constant
 * @visit_gen: number of the last walk that visited this instance; nest_mutex
 * @visit_depth: result of that walk; nest_mutex
 * @watchers: items of other instances that watch this one
 * @list: in evpoll_all (stats.c); its mutex
 * @rcu: frees the memory, when @list and @watchers are used no more
 * @free_work: the same where unregistering @ws may sleep
 * @timer: ends the window
 * @window_end: when the current window ends (ktime_get_ns()). The event that opens the window
 *	writes it with WRITE_ONCE(), the timer reads it with READ_ONCE()
 * @event_ns: when the last event came, for EVPOLL_ADAPTIVE. READ_ONCE() and WRITE_ONCE() without
 *	a lock, because it is an estimate
 * @gap_ns: average time between events; like @event_ns
 * @watchers_lock: protects @watchers
 * @timer_flushes: counter of struct evpoll_stats; the timer
 * @opener: name of the task that opened the instance; constant
 * @pid: process id of that task; constant
 * @sigio: the poller that sends SIGIO, NULL without O_ASYNC; @mtx
 *
 * The fields stand in groups by who writes them, and each group begins on a cache line, so that a
 * processor which writes one group does not slow down those that use another. Without debugging
 * options an instance takes 512 bytes on x86-64.
 */
struct evpoll {
	/* Read by each wake callback, written by few calls. */
	struct evpoll_params params;
	struct evpoll_ring *ring;
	u64 *latency;
	wait_queue_head_t pollers;

	/* Written by wake callbacks that do not take waiters.lock. */
	struct llist_node *tail ____cacheline_aligned;
	atomic_long_t refs;
	unsigned long state;
	struct llist_node scheduled;
	atomic64_t pushed;
	atomic64_t repeated;
	u64 waker_flushes;
	atomic_t window_events;
	atomic_t nreported;

	/* Written under waiters.lock: by flushes, by the other wake callbacks, and by scans. */
	wait_queue_head_t waiters ____cacheline_aligned;
	struct list_head ready;
	struct list_head scan;
	struct list_head *cursor;
	struct llist_node pending;
	unsigned int nready;
	bool scanning;
	bool woke;
	struct evpoll_counts counts;

	/* Written by CTL and by readers, mostly under the mutex. */
	struct mutex mtx ____cacheline_aligned;
	spinlock_t tree_lock;
	atomic_t nwatchers;
	struct rb_root items;
	u64 reads;
	u64 delivered;
	u64 spurious;
	struct wakeup_source *ws;
	struct evpoll_user *user;
	u64 visit_gen : 56;
	u64 visit_depth : 8;
	union {
		struct {
			struct list_head watchers;
			struct list_head list;
		};
		struct rcu_head rcu;
		struct work_struct free_work;
	};

	/* Written by events in a window. Behind them is what nobody writes. */
	struct hrtimer timer ____cacheline_aligned;
	u64 window_end;
	u64 event_ns;
	u32 gap_ns;
	spinlock_t watchers_lock;
	u64 timer_flushes;
	char opener[TASK_COMM_LEN];
	struct pid *pid;
	struct evpoll_sigio *sigio;
};

#endif /* EVPOLL_STRUCTS_H */
