/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evpoll - an eventpoll that can be loaded
 *
 * Start here. This header has what every file of the module relies on: the words, the path of an
 * event, the locking and lifetime rules, and the structures. Each stage has a header of its own
 * with the functions that other stages call. A file includes the headers of the stages that it
 * calls.
 *
 * Words
 * -----
 *
 * instance       one open of /dev/evpoll: struct evpoll
 * item           one registration: struct evpoll_item
 * watched file   the file that an item is registered for
 * wait entry     the item's entry on a wait queue of the watched file
 * wake callback  the function that a wake-up of that wait queue calls for the wait entry
 * waker          the code that wakes the wait queue; "context" means the one that it runs in
 * queue lock     the lock of the wait queue that is woken; the wake callback runs under it
 * CTL, ADD       EVPOLL_IOC_CTL, and its operation EPOLL_CTL_ADD; MOD and DEL likewise
 * queued         the item is pending or ready; the state bit EVPOLL_QUEUED says so
 * pending        queued by the wake callback, and not on the ready list yet
 * window         a time in which events stay pending, so that one flush moves them: moderate.c
 * ready list     the items that the next scan polls
 * scan's list    the items that the running scan has moved from the ready list: evpoll.scan
 * ready          on the ready list, or on the scan's list
 * scan           one pass over the ready list, by a reader or by ->poll of the instance
 * flush          a move of pending items to the ready list, with the wakeup that this causes
 * waiter         a task that sleeps in read() or EVPOLL_IOC_WAIT
 * reader         a task in one of these two calls, asleep or not
 * poller         whoever polls the instance, with a wait entry on it: poll(2), epoll, io_uring, or
 *                another instance
 * close hook     the ftrace callback on locks_remove_file(), which __fput() calls, or on __fput()
 *                itself: it tells the module that the last reference on a file is gone
 *
 * The path of an event
 * --------------------
 *
 *   context                file         what happens                            under
 *
 *   hardirq, softirq       (the file)   wakes its wait queue                    queue lock
 *   or process:                |
 *   that of the waker      callback.c   filters the event, queues the item      queue lock
 *                              |
 *                          pending.c    adds the item to the pending queue      queue lock
 *                              |
 *             +----------------+-----------------+
 *             | process        | any context,    | hardirq, softirq,
 *             | context        | with a window   | bottom halves off
 *             |                |                 |
 *             |            moderate.c          napi.c
 *             |            hrtimer, softirq    NAPI poll, softirq               no lock
 *             |                |                 |
 *             +----------------+-----------------+
 *                              |
 *                          flush.c      moves pending items to the ready list   waiters.lock
 *                              |
 *                          ready.c      wakes one waiter at most                waiters.lock
 *                              |
 *   process: the reader    wait.c       sleeps, and runs again when woken       no lock
 *                              |
 *                          scan.c       takes items from the ready list         mtx, waiters.lock
 *                              |
 *                          poll.c       polls the watched file again            mtx
 *                              |
 *                          deliver.c    copies the event to user memory         mtx
 *
 * The left branch runs in the wake callback itself, so the queue lock is held there up to ready.c.
 * So does the middle branch for an event in process context that completes coalesce_events. For one
 * in an interrupt NAPI runs it, and else the timer. A callback and the timer move 64 items at most,
 * and leave the rest to NAPI.
 *
 * Three kinds of events skip the pending queue. With EPOLLEXCLUSIVE or EVPOLL_UNBATCHED, callback.c
 * calls ready.c. In process context, without a window and with nothing else pending, pending.c
 * does.
 *
 * Pollers have wait functions that are not evpoll's: they may take any lock, and may even wake a
 * file that the instance watches. So a wake callback never wakes pollers, because it runs under the
 * queue lock. It marks the instance (EVPOLL_POLLERS) and leaves it to NAPI. NAPI, the timer and a
 * task in CTL or in a scan hold no spinlock, and wake pollers themselves.
 *
 * A poller scans as a reader does, from ->poll of the instance in poll.c. A scan begins with a
 * flush, so a reader that is awake never waits for NAPI or for a window.
 *
 * Around the path: device.c and ioctl.c are the file /dev/evpoll, ctl.c and ctlv.c change
 * registrations, item.c makes and removes items, watched.c finds the items of a file, close.c
 * removes them when the file is closed, nest.c bounds instances that watch instances, instance.c
 * allocates and frees an instance, limits.c counts watches, awake.c does EPOLLWAKEUP, stats.c
 * and trace.h show what happens. main.c loads the module, refuse.c takes its place on a kernel that
 * lacks an option, and compat.h has the differences between kernels. copy.h, extra.h and file.h are
 * small helpers.
 *
 * The arrows show the event, not the calls. The waker's side calls downwards, from callback.c to
 * ready.c. On the reader's side wait.c calls deliver.c, deliver.c calls scan.c and poll.c for each
 * item, and poll.c calls scan.c. The reader also calls flush.c before a scan, and ready.c to wake
 * the next waiter. One call recurses, because a watched file can be an instance: a poll goes down,
 * see evpoll_item_poll(). A wakeup that goes up does not recurse: each instance on its way has a
 * turn of its own in NAPI.
 *
 * Locking
 * -------
 *
 * From outer to inner:
 *
 *   evpoll.mtx                     mutex: CTL and scans. Nests from an instance to one that it
 *                                  watches; the depth is the lockdep subclass
 *     > nest_mutex                 global, in nest.c: an ADD that changes the graph of instances.
 *                                  Its holder waits for no other mutex and for no file
 *       > file->f_lock             spinlock of the watched file, process context: its items
 *         > evpoll.watchers_lock   spinlock, process context: the items that watch the instance.
 *                                  Nests in nest.c alone, to the instances that watch it
 *       > evpoll.tree_lock         spinlock, process context: the tree of items
 *     > lock of a wait queue of the watched file; the wake callback runs under it. If the watched
 *       file is an instance, this is its pollers.lock
 *       > evpoll.waiters.lock      spinlock, interrupts off: the ready list and the waiters. A
 *                                  wakeup takes the scheduler's locks inside, EPOLLWAKEUP its own
 *
 * These do not nest in one another: tree_lock, a wait queue's lock, and f_lock or watchers_lock.
 * No spinlock is held where pollers.lock is taken. The users in limits.c and the list of instances
 * in stats.c have locks of their own, which stand alone. The buckets of the table in watched.c have
 * locks that are taken inside f_lock.
 *
 * Lifetime
 * --------
 *
 * An item holds a reference on its instance (evpoll.refs), and none on the watched file, because
 * close(2) must end the file as it does with epoll. The close hook tells the module of the end.
 *
 * While __fput() of a watched file may run, the module must not look into the file or remove its
 * items. These callers may do both:
 *
 *   - A caller with a reference on the file. CTL has one from the caller's descriptor. A scan, the
 *     release of an instance and nest.c try to get one with compat_file_tryget(), which fails when
 *     the last reference is gone.
 *   - The close hook, because it runs inside __fput(), before ->release.
 *
 * These may only look: a caller that holds tree_lock and finds the item in the tree, and a wake
 * callback. The close hook takes tree_lock and the queue lock, so it waits for them.
 *
 * A caller with a reference and the close hook exclude each other without a lock. Callers with a
 * reference exclude each other by evpoll.mtx. A release needs no mutex, because nobody else has the
 * instance any more. Different instances meet only in the list of the file's items, under f_lock or
 * watchers_lock.
 *
 * compat_file_tryget() needs the memory of the item and of the file. Both are there for a caller
 * that holds waiters.lock and finds the item on a list, or holds tree_lock and finds it in the
 * tree: a removal takes the item off under these locks, and the close hook removes all items before
 * the file is freed.
 *
 * evpoll_item_remove() follows the path of an event. It takes the item off the wait queues, so that
 * no wake callback runs any more; then off the pending and ready lists; then out of the table of
 * watched files and the tree. After that the memory may become another item at once. A lookup in
 * the table that began earlier may still read @watched and @file of that memory, because a lookup
 * holds f_lock of its own file only. The cache is SLAB_TYPESAFE_BY_RCU for this reason.
 * evpoll_replaced in watched.c explains how the lookup notices.
 *
 * An instance is freed when its file, its items, the timer and the walks of nest.c have dropped
 * their references with evpoll_put(), and NAPI has it in no queue. An item drops its reference
 * last, after it has left the list of its file. So the instance of an item exists for a caller that
 * holds f_lock or watchers_lock and finds the item among the items of its file. NAPI runs in
 * softirq, which is a read section of RCU, and the memory of an instance is freed after a grace
 * period. So a NAPI poll may use the instance up to its end.
 *
 * An instance holds a reference on the module. So the module stays while a watched file of an
 * instance that was released is not closed yet.
 */
#ifndef EVPOLL_H
#define EVPOLL_H

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
#include <linux/preempt.h>
#include <linux/rhashtable-types.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/evpoll.h>

/* These bits say how to report events. A mask that has no other bit reports nothing. */
#define EVPOLL_PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

struct evpoll_extra;
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
};

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
 * @state: the bits above; atomic
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
 * @direct: items that a wake callback in process context made ready, because nothing was pending
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
};

/* evpoll.refs counts in steps of 2. Bit 0 says that the instance is in a queue of napi.c. */
#define EVPOLL_SCHEDULED 1
#define EVPOLL_REF 2

/**
 * struct evpoll - an instance
 * @params: settings. Written under @mtx, or at the release, with WRITE_ONCE(), field by field. Read
 *	with READ_ONCE() without a lock; any value that a field has had is good
 * @user: the user that its watches are charged to; constant
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
 * @waiters: wait queue of the waiters. Its lock, waiters.lock, also protects the ready list
 * @ready: the ready list, the oldest item first; waiters.lock
 * @scan: the items of the scan that is running; waiters.lock, filled under @mtx
 * @cursor: the last item that this scan has taken and that stays in @scan, or &@scan;
 *	waiters.lock. evpoll_scan_has_more() reads it without the lock
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
 * @visit_gen: number of the last walk that visited this instance; nest_mutex
 * @visit_depth: result of that walk; nest_mutex
 * @watchers_lock: protects @watchers
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
 * @timer_flushes: counter of struct evpoll_stats; the timer
 * @opener: name of the task that opened the instance; constant
 * @pid: process id of that task; constant
 *
 * The fields stand in groups by who writes them, and each group begins on a cache line, so that a
 * processor which writes one group does not slow down those that use another. Without debugging
 * options an instance takes 512 bytes on x86-64.
 */
struct evpoll {
	/* Read by each wake callback, written by few calls. */
	struct evpoll_params params;
	struct evpoll_user *user;
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
	u64 visit_gen;
	u8 visit_depth;
	spinlock_t watchers_lock;
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
	u64 gap_ns;
	u64 timer_flushes;
	char opener[TASK_COMM_LEN];
	struct pid *pid;
};

/* The instance of an item. */
static inline struct evpoll *evpoll_of(const struct evpoll_item *item)
{
	return item->entry.wait.private;
}

/*
 * Gives way to other tasks in a loop that a user can make long, if the context allows that. The
 * close hook may run with preemption off. Without CONFIG_PREEMPT_COUNT nobody can tell, and
 * preemption is never off: then the hook may give way for the reason in evpoll_release_items().
 */
static inline void evpoll_cond_resched(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_COUNT) || preemptible())
		cond_resched();
}

/*
 * Is the item level-triggered and not one-shot? Then it stays on the scan's list while the scan
 * polls its file. An item with EPOLLET or EPOLLONESHOT leaves the list before the poll, so that an
 * event which comes during the poll queues it again. Caller holds the mutex, which keeps the mask.
 */
static inline bool evpoll_is_level_triggered(const struct evpoll_item *item)
{
	return !(item->events & (EPOLLET | EPOLLONESHOT));
}

#endif /* EVPOLL_H */
