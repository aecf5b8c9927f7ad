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
 *                          pending.c    adds the item to a per-CPU list         queue lock
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
 *                          ready.c      wakes one waiter at most, then pollers  waiters.lock,
 *                              |                                                pollers.lock
 *   process: the reader    wait.c       sleeps, and runs again when woken       no lock
 *                              |
 *                          scan.c       takes items from the ready list         mtx, waiters.lock
 *                              |
 *                          poll.c       polls the watched file again            mtx
 *                              |
 *                          deliver.c    copies the event to user memory         mtx
 *
 * The left branch runs in the wake callback itself, so the queue lock is held there up to ready.c.
 * So does the middle branch for the event that completes coalesce_events. For others the timer runs
 * it.
 *
 * Three kinds of events skip the pending list. With EPOLLEXCLUSIVE or EVPOLL_UNBATCHED, callback.c
 * calls ready.c. In process context, without a window and with nothing else pending, pending.c
 * does.
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
 * the next waiter. Two calls recurse, because a watched file can be an instance. A poll goes down,
 * see evpoll_item_poll(). A wakeup of pollers goes up, see evpoll_wake_pollers().
 *
 * Locking
 * -------
 *
 * From outer to inner:
 *
 *   nest_mutex                     global, in nest.c: an ADD that changes the graph of instances
 *     > evpoll.mtx                 mutex: CTL and scans. Nests from an instance to one that it
 *                                  watches; the depth is the lockdep subclass
 *       > file->f_lock             spinlock of the watched file, process context: its items
 *         > evpoll.watchers_lock   spinlock, process context: the items that watch the instance.
 *                                  Nests in nest.c alone, to the instances that watch it
 *       > evpoll.tree_lock         spinlock, process context: the tree of items
 *       > lock of a wait queue of the watched file; the wake callback runs under it
 *         > evpoll.waiters.lock    spinlock, interrupts off: the ready list and the waiters. A
 *                                  wakeup takes the scheduler's locks inside, EPOLLWAKEUP its own
 *         > evpoll.pollers.lock    lock of a wait queue. Nests from an instance to one that watches
 *                                  it, see evpoll_wake_pollers()
 *
 * These do not nest in one another: tree_lock, a wait queue's lock, and f_lock or watchers_lock;
 * nor do waiters.lock and pollers.lock of the same instance. The users in limits.c and the list of
 * instances in stats.c have locks of their own, which stand alone. The buckets of the table in
 * watched.c have locks that are taken inside f_lock.
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
 * An instance is freed when its file, its items, NAPI, the timer and the walks of nest.c have
 * dropped their references with evpoll_put(). An item drops its reference last, after it has left
 * the list of its file. So the instance of an item exists for a caller that holds f_lock or
 * watchers_lock and finds the item among the items of its file.
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
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
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
	 * before it adds the item to the pending list, and the flush clears it.
	 */
	EVPOLL_URING,
	/* The item is on a pending list. Set before it is added, cleared by the flush. */
	EVPOLL_PENDING,
	/* The watched file is an instance. Set at ADD, before anybody else sees the item. */
	EVPOLL_NESTED,
};

/**
 * struct evpoll_item - one registration
 * @node: in evpoll.items, sorted by (@file, @fd); evpoll.tree_lock
 * @watched: in the table of watched files, if this is the first item of its file; f_lock and the
 *	lock of the bucket
 * @siblings: circular list of all items of the file; file->f_lock. If the file is an instance: in
 *	evpoll.watchers of that instance; its watchers_lock
 * @file: the watched file; constant since evpoll_watch()
 * @fd: the file descriptor that the caller gave; constant
 * @events: event mask; written under evpoll.mtx with WRITE_ONCE(), the wake callback reads it
 *	without a lock
 * @data: the caller's data; evpoll.mtx
 * @queued_ns: with EVPOLL_LATENCY, when the wake callback queued the item (ktime_get_ns()), else 0.
 *	Belongs to the context that set EVPOLL_QUEUED until the item is on a list, then to the scan
 *	until it clears the bit
 * @state: the bits above; atomic
 * @ready: in evpoll.ready or evpoll.scan, or empty; waiters.lock
 * @pending: in evpoll_pending.items or .batch. Shares its place with @ready.next alone, so that
 *	evpoll_is_ready() can read @ready.prev while the item is pending
 * @extra: what few items need, NULL for the others. Set once, under evpoll.mtx, with release
 *	order; pairs with evpoll_stay_awake()
 * @entry: the first wait entry. Its private pointer is set before the item can be found
 *
 * An instance can have millions of items. An item has 160 bytes at most, see evpoll_items_init().
 */
struct evpoll_item {
	struct rb_node node;
	struct rhash_head watched;
	struct list_head siblings;
	struct file *file;
	int fd;
	__poll_t events;
	u64 data;
	u64 queued_ns;
	unsigned long state;
	union {
		struct list_head ready;
		struct llist_node pending;
	};
	struct evpoll_extra *extra;
	struct evpoll_entry entry;
};

/* Bits of evpoll_pending.state */
enum {
	/* In evpoll_napi.scheduled or .batch of its CPU, with a reference on the instance. */
	EVPOLL_SCHEDULED,
};

/**
 * struct evpoll_pending - the part of an instance that each CPU has
 * @items: pending items, the newest first; wake callbacks add without a lock, a flush takes all
 *	of them under waiters.lock
 * @batch: items that a flush has taken from @items, the oldest first, and not moved to the ready
 *	list yet; waiters.lock
 * @state: the bits above; atomic
 * @scheduled: in evpoll_napi.scheduled or .batch; lock-free
 * @ep: the instance; constant
 * @cpu: the CPU; constant
 * @stats: what happened on this CPU; this_cpu_add()
 */
struct evpoll_pending {
	struct llist_head items;
	struct llist_node *batch;
	unsigned long state;
	struct llist_node scheduled;
	struct evpoll *ep;
	int cpu;
	struct evpoll_stats stats;
};

/* Bits of evpoll.state */
enum {
	/* The timer of the window is queued, and has a reference on the instance. */
	EVPOLL_ARMED,
};

/**
 * struct evpoll - an instance
 * @mtx: serializes CTL and scans
 * @waiters: wait queue of the waiters. Its lock, waiters.lock, also protects the ready list
 * @ready: the ready list, the oldest item first; waiters.lock
 * @scan: the items of the scan that is running; waiters.lock, filled under @mtx
 * @cursor: the last item that this scan has taken and that stays in @scan, or &@scan;
 *	waiters.lock. evpoll_scan_has_more() reads it without the lock
 * @scanning: a scan is running; waiters.lock
 * @woke: the current wakeup found a waiter that can use it; waiters.lock
 * @nready: number of items in @ready and @scan; waiters.lock
 * @pollers: wait queue of the pollers
 * @poller_nests: lockdep subclass for pollers.lock of the next instance above; pollers.lock
 * @tree_lock: protects @items
 * @items: tree of all items
 * @pending: per CPU: pending items and counters
 * @refs: references of its file, of each item, of each evpoll_pending that is scheduled for NAPI,
 *	of the timer while it is armed, and of a walk in nest.c
 * @user: the user that its watches are charged to; constant
 * @params: settings. Written under @mtx, or at the release, with WRITE_ONCE(), field by field. Read
 *	with READ_ONCE() without a lock; any value that a field has had is good
 * @state: the bits above; atomic
 * @window_events: events that became pending in the current window
 * @window_end: when the current window ends (ktime_get_ns()). The event that opens the window
 *	writes it with WRITE_ONCE(), the timer reads it with READ_ONCE()
 * @event_ns: when the last event came, for EVPOLL_ADAPTIVE. READ_ONCE() and WRITE_ONCE() without
 *	a lock, because it is an estimate
 * @gap_ns: average time between events; like @event_ns
 * @timer: ends the window
 * @list: in evpoll_all (stats.c); its mutex
 * @opener: name of the task that opened the instance; constant
 * @pid: process id of that task; constant
 * @ws: wakeup source that is active while a scan has taken items with EPOLLWAKEUP; @mtx
 * @watchers_lock: protects @watchers
 * @watchers: items of other instances that watch this one
 * @nwatchers: their number, plus one during an ADD of this instance to another
 * @visit_depth: result of the walk that has number @visit_gen; nest_mutex
 * @visit_gen: number of the last walk that visited this instance; nest_mutex
 * @rcu: delays the free, because the timer may drop the last reference from its own callback
 * @free_work: frees the instance where unregistering @ws may sleep
 * @pending_cpus: CPUs that may have pending items; atomic bits. evpoll_add_pending() and a
 *	flush that leaves items set them, evpoll_take_pending() clears them
 */
struct evpoll {
	struct mutex mtx;
	wait_queue_head_t waiters;
	struct list_head ready;
	struct list_head scan;
	struct list_head *cursor;
	bool scanning;
	bool woke;
	unsigned int nready;
	u8 poller_nests;
	wait_queue_head_t pollers;
	spinlock_t tree_lock;
	struct rb_root items;
	struct evpoll_pending __percpu *pending;
	refcount_t refs;
	struct evpoll_user *user;
	struct evpoll_params params;
	unsigned long state;
	atomic_t window_events;
	u64 window_end;
	u64 event_ns;
	u64 gap_ns;
	struct hrtimer timer;
	struct list_head list;
	char opener[TASK_COMM_LEN];
	pid_t pid;
	struct wakeup_source *ws;
	spinlock_t watchers_lock;
	struct list_head watchers;
	atomic_t nwatchers;
	u8 visit_depth;
	u64 visit_gen;
	struct rcu_head rcu;
	struct work_struct free_work;
	unsigned long pending_cpus[];
};

/* The instance of an item. */
static inline struct evpoll *evpoll_of(const struct evpoll_item *item)
{
	return item->entry.wait.private;
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
