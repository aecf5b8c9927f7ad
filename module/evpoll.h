/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evpoll - an eventpoll that can be loaded
 *
 * Words
 * -----
 *
 * instance       one open of /dev/evpoll: struct evpoll
 * item           one registration: struct evpoll_item
 * watched file   the file that an item is registered for
 * wait entry     the item's entry on a wait queue of the watched file
 * pending        the wake callback has seen the item, nobody has looked yet
 * ready list     items that a waiter is to look at
 * waiter         a task in read() or EVPOLL_IOC_WAIT; poller: who polls the instance's file
 *
 * The way of an event
 * -------------------
 *
 *   callback.c   the watched file wakes its wait queue; the item becomes pending
 *   pending.c    a list per CPU; from there to the ready list, in batches or at once
 *   napi.c       ... in softirq, when the callback ran in an interrupt
 *   moderate.c   ... or at the end of a window
 *   ready.c      the ready list, and the wakeup
 *   wait.c       the waiter
 *   deliver.c    looks at each ready item again and copies events out
 *
 * Locking
 * -------
 *
 * From outer to inner:
 *
 *   nest_mutex                  global; ADDs that change the graph of instances (nest.c)
 *     > evpoll.mtx              mutex; CTL and scans of the ready list. Nests from an instance
 *                               to one that it watches, with the depth as lockdep subclass
 *       > file->f_lock          spinlock, process context, of the watched file; the ring of
 *                               its items
 *         > evpoll.watchers_lock spinlock, process context; the same for an instance. Nests,
 *                               in nest.c alone, to those of the instances that watch it
 *       > evpoll.tree_lock      spinlock, process context; the tree of items
 *       > lock of a wait queue of the watched file; the wake callback runs under it
 *         > evpoll.waiters.lock spinlock, interrupt safe; the ready list and the waiters. The
 *                               wakeup takes the scheduler's locks inside, EPOLLWAKEUP its own
 *         > evpoll.pollers.lock as any wait queue's. Nests from an instance to one that
 *                               watches it, see evpoll_wake_pollers()
 *
 * Of f_lock and watchers_lock, tree_lock, and the lock of the wait queue none is taken inside
 * another; waiters.lock and pollers.lock neither. evpoll_users (limits.c) and the buckets of
 * evpoll_watched (close.c, inside f_lock) have locks of their own.
 *
 * Who holds what alive
 * --------------------
 *
 * An item holds its instance (evpoll.refs), and no reference on the watched file: close(2)
 * must end the file, as with epoll. The hook in __fput() (close.c) tells of the end.
 *
 * Only one that keeps __fput() from running may look into the file or take an item away:
 *
 *   - who holds a reference on the file: CTL got it from the caller's fd; a scan and the
 *     release of an instance try to get it (compat_file_tryget()), which fails when the last
 *     reference is gone;
 *   - or the hook, which runs when the last reference is gone.
 *
 * So they exclude each other without a lock. Those with a reference exclude each other by
 * evpoll.mtx (release: nobody else has the instance any more).
 *
 * Trying to get a reference needs the memory of the file and of the item. Whoever finds the
 * item under waiters.lock on a list, or under tree_lock in the tree, has both while it holds
 * the lock: removal takes the item out under these locks, and the hook runs before the file
 * is freed.
 *
 * Removal (evpoll_item_remove()) goes along the way of an event: off the wait queues, so that
 * no callback runs any more; off pending and ready; out of the table of watched files and the
 * tree. Then the memory may be another item at once. Who looks into that table, under RCU as far as
 * other files' items go, may still stand on it (SLAB_TYPESAFE_BY_RCU): it reads @watched and @file,
 * and finds out, see evpoll_replaced in close.c.
 *
 * The instance goes when its file, its items, NAPI and the timer have let go of it
 * (evpoll_put()). So under the lock of a file's items their instances are there.
 */
#ifndef EVPOLL_H
#define EVPOLL_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
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
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/evpoll.h>

/* Not events but how to report them: a mask of these alone reports nothing. */
#define EVPOLL_PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

/* Links in the longest chain of instances, as EP_MAX_NESTS of fs/eventpoll.c. */
#define EVPOLL_MAX_NESTS 4

struct evpoll_user;
struct wakeup_source;

/**
 * struct evpoll_entry - a wait entry
 * @wait: on the wait queue @head; its private pointer is the instance
 * @head: NULL while not queued. Written under the queue's lock or before the entry is there;
 *	cleared when the queue dies (POLLFREE), see evpoll_unhook()
 */
struct evpoll_entry {
	wait_queue_entry_t wait;
	wait_queue_head_t *head;
};

/**
 * struct evpoll_more - the second and further wait entries of an item
 * @entry: the wait entry
 * @item: the item
 * @next: the next one
 */
struct evpoll_more {
	struct evpoll_entry entry;
	struct evpoll_item *item;
	struct evpoll_more *next;
};

/**
 * struct evpoll_extra - what few items need
 * @ws: wakeup source of EPOLLWAKEUP; written under evpoll.mtx, read under RCU
 * @more: further wait entries; evpoll.mtx, or who removes the item
 * @free_work: a wakeup source can only be freed where sleeping is allowed
 */
struct evpoll_extra {
	struct wakeup_source __rcu *ws;
	struct evpoll_more *more;
	struct work_struct free_work;
};

/* Bits of evpoll_item.state */
enum {
	/*
	 * The item is on a pending list, the ready list or a scan's list, or is about to be:
	 * somebody will ask the file after it cleared the bit, or leaves the item on its list.
	 * Who sets it puts the item on a list. Pairs: test_and_set_bit() in the callback orders
	 * the file's new state before the bit; evpoll_scan_take() and evpoll_scan_ask_again()
	 * order the clearing of the bit before the file is asked.
	 */
	EVPOLL_QUEUED,
	/*
	 * The pending item was woken with EPOLL_URING_WAKE. Set before the item goes onto the
	 * pending list, taken by who takes it from there.
	 */
	EVPOLL_URING,
	/* The item is on a pending list: set before it goes there, cleared by the flush. */
	EVPOLL_PENDING,
};

/**
 * struct evpoll_item - one registration
 * @node: in evpoll.items, by (file, fd); evpoll.tree_lock
 * @watched: in evpoll_watched, if it is the first item of its file
 * @siblings: a ring of all items of the file; file->f_lock. If the file is an instance: in its
 *	evpoll.watchers
 * @file: the watched file; constant since evpoll_watch()
 * @fd: its number, as the caller gave it; constant
 * @events: mask; written under evpoll.mtx, read by the callback without
 * @data: evpoll.mtx
 * @noted_ns: when the callback queued the item, with EVPOLL_LATENCY, or 0; written by who sets
 *	EVPOLL_QUEUED, then by the scan until it clears the bit
 * @state: bits, atomic
 * @ready: in evpoll.ready or .scan, or empty; waiters.lock
 * @pending: in evpoll_pending.items or .batch. Takes the place of @ready.next alone, so that
 *	evpoll_is_ready() can tell
 * @extra: NULL for most; set once under evpoll.mtx, pairs with evpoll_stay_awake()
 * @entry: the first wait entry. Its private pointer, the instance, is set from the beginning;
 *	the item has a reference on the instance
 *
 * There can be millions: at most 160 bytes, see evpoll_items_init().
 */
struct evpoll_item {
	struct rb_node node;
	struct rhash_head watched;
	struct list_head siblings;
	struct file *file;
	int fd;
	__poll_t events;
	u64 data;
	u64 noted_ns;
	unsigned long state;
	union {
		struct list_head ready;
		struct llist_node pending;
	};
	struct evpoll_extra *extra;
	struct evpoll_entry entry;
};

static inline struct evpoll *evpoll_of(const struct evpoll_item *item)
{
	return item->entry.wait.private;
}

/* Is the item on the ready list or a scan's? Caller holds waiters.lock. */
static inline bool evpoll_is_ready(const struct evpoll_item *item)
{
	return item->ready.prev != &item->ready;
}

/* Bits of evpoll_pending.state */
enum {
	/* In evpoll_napi.scheduled, with a reference on the instance. */
	EVPOLL_SCHEDULED,
};

/**
 * struct evpoll_pending - what one CPU has pending for an instance
 * @items: lock-free; wake callbacks add, who holds waiters.lock takes all
 * @batch: taken from @items, oldest first, not on the ready list yet; waiters.lock
 * @state: bits, atomic
 * @scheduled: in evpoll_napi.scheduled
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
	/* The timer of the window is queued, with a reference on the instance. */
	EVPOLL_ARMED,
};

/**
 * struct evpoll - an instance
 * @mtx: CTL and scans, one at a time
 * @waiters: tasks that wait for events; its lock is the instance's inner lock
 * @ready: FIFO; waiters.lock
 * @scan: what a scan looks at; waiters.lock, filled under @mtx
 * @cursor: where the scan is: items up to this one have been asked and stay; waiters.lock
 * @scanning: a scan is going on; waiters.lock
 * @woke: the wakeup that goes on was of use; waiters.lock
 * @nready: items in @ready and @scan; waiters.lock
 * @pollers: who polls the file of the instance
 * @poller_nests: lockdep subclass for the next level; pollers.lock
 * @tree_lock: for @items
 * @items: all items
 * @pending: per CPU
 * @refs: its file, each item, each evpoll_pending that NAPI has, the timer when armed
 * @user: whose watches are counted
 * @params: written under @mtx with WRITE_ONCE, each field alone; read with READ_ONCE, any value
 *	a reader sees is good
 * @state: bits, atomic
 * @noted: items that became pending in this window
 * @window_end: when this window ends, ktime_get_ns(); written by who is the first in it
 * @event_ns: when the last event came; for EVPOLL_ADAPTIVE, READ_ONCE/WRITE_ONCE
 * @gap_ns: average time between events, an estimate; as @event_ns
 * @timer: the window
 * @list: in evpoll_all (stats.c)
 * @opener: name of the task that opened it
 * @pid: its process
 * @ws: keeps the system awake while a scan moves between items'; @mtx
 * @watchers_lock: for @watchers
 * @watchers: items that watch this instance
 * @nwatchers: their number, and one for an ADD that is being checked
 * @visit_gen: nest_mutex
 * @visit_depth: nest_mutex
 * @rcu: frees it; the timer may be the last that lets go, and is not done with itself then
 * @free_work: frees it where @ws can be freed
 * @pending_cpus: CPUs that may have something pending; atomic bits, see evpoll_pend()
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
	atomic_t noted;
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

/* For the histogram of callback to delivery. Before the item can be found on a list. */
static inline void evpoll_stamp(struct evpoll_item *item)
{
	bool latency = READ_ONCE(evpoll_of(item)->params.flags) & EVPOLL_LATENCY;

	item->noted_ns = latency ? ktime_get_ns() : 0;
}

/**
 * struct evpoll_taken - an item that a scan has in its hands
 * @item: the item; its file is referenced
 * @noted_ns: its time, when it was taken
 */
struct evpoll_taken {
	struct evpoll_item *item;
	u64 noted_ns;
};

/* How to wake a waiter; SYNC: the waker is about to sleep, as for wake_up_sync(). */
enum evpoll_wakeup {
	EVPOLL_NO_WAKEUP,
	EVPOLL_WAKEUP,
	EVPOLL_WAKEUP_SYNC,
};

/* main.c */
extern struct workqueue_struct *evpoll_wq;

/*
 * Reads @size bytes, a constant, by words: for a structure of a few words a string instruction has
 * not begun when this is done. The address need not be aligned.
 */
static __always_inline int evpoll_copy_words(void *to, const void __user *from, size_t size)
{
	const u64 __user *word = from;
	u64 *out = to;
	int i;

	BUILD_BUG_ON(size % sizeof(*word));
	if (!IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS))
		return copy_from_user(to, from, size) ? -EFAULT : 0;
	if (!user_read_access_begin(from, size))
		return -EFAULT;
#pragma GCC unroll 16
	for (i = 0; i < size / sizeof(*word); i++)
		unsafe_get_user(out[i], &word[i], efault);
	user_read_access_end();
	return 0;

efault:
	user_read_access_end();
	return -EFAULT;
}

/* instance.c */
extern const struct file_operations evpoll_fops;
void evpoll_put(struct evpoll *ep);
void evpoll_wait_for_instances(void);

static inline bool is_evpoll_file(const struct file *file)
{
	return file->f_op == &evpoll_fops;
}

/* ctl.c */
long evpoll_ctl(struct file *file, struct evpoll_ctl *ctl);
long evpoll_ctl_one(struct file *file, struct evpoll_ctl *ctl);

/* ctlv.c */
long evpoll_ctlv(struct file *file, struct evpoll_ctlv *ctlv, struct evpoll_ctlv __user *to);

/* The number of changes that fail must be told from an error. */
static inline bool evpoll_ctlv_is_wrong(const struct evpoll_ctlv *ctlv)
{
	return ctlv->reserved || ctlv->nr > INT_MAX;
}

/* nest.c */
int evpoll_nest_lock(struct evpoll *ep, struct file *target);
void evpoll_nest_unlock(struct file *target);
bool evpoll_too_many_paths(struct file *file);

/* limits.c */
struct evpoll_user *evpoll_user_get(void);
void evpoll_user_put(struct evpoll_user *user);
int evpoll_user_charge(struct evpoll_user *user);
void evpoll_user_uncharge(struct evpoll_user *user);
int evpoll_limits_init(void);
void evpoll_limits_exit(void);

/* item.c */
struct evpoll_item *evpoll_item_add(struct evpoll *ep, struct file *file,
				    const struct evpoll_ctl *ctl);
void evpoll_item_remove(struct evpoll_item *item);
struct evpoll_item *evpoll_item_find(struct evpoll *ep, struct file *file, int fd);
struct evpoll_item *evpoll_item_after(struct evpoll *ep, struct file *file, int fd);
struct evpoll_extra *evpoll_item_extra(struct evpoll_item *item);
int evpoll_items_init(void);
void evpoll_items_exit(void);

/* moderate.c */
void evpoll_params_default(struct evpoll_params *params);
long evpoll_params_set(struct evpoll *ep, struct evpoll_params *params);
u64 evpoll_window_up_to(struct evpoll *ep, u64 max_ns);
void evpoll_moderate(struct evpoll *ep, struct evpoll_item *source, u64 window_ns);
void evpoll_moderate_init(struct evpoll *ep);
void evpoll_moderate_end(struct evpoll *ep);

/* The window for an event that comes now, in ns; 0 is none. */
static inline u64 evpoll_window_ns(struct evpoll *ep)
{
	unsigned int usecs = READ_ONCE(ep->params.coalesce_usecs);

	return usecs ? evpoll_window_up_to(ep, (u64)usecs * NSEC_PER_USEC) : 0;
}

/* stats.c */
#define evpoll_count(ep, counter, n) this_cpu_add((ep)->pending->stats.counter, n)
void evpoll_stats_sum(struct evpoll *ep, struct evpoll_stats *sum);
void evpoll_stats_show(struct seq_file *m, struct evpoll *ep);
void evpoll_stats_add(struct evpoll *ep);
void evpoll_stats_del(struct evpoll *ep);
void evpoll_stats_init(void);
void evpoll_stats_exit(void);

/* callback.c */
int evpoll_hook(struct evpoll_item *item);
void evpoll_unhook(struct evpoll_item *item);

/* pending.c */
void evpoll_note(struct evpoll_item *item, __poll_t uring, enum evpoll_wakeup wakeup);
void evpoll_dequeue_queued(struct evpoll_item *item);
int evpoll_flush(struct evpoll_pending *pending, int budget);
void evpoll_flush_all(struct evpoll *ep, struct evpoll_item *source, enum evpoll_wakeup wakeup);

/*
 * Neither pending nor ready. The item is off its wait queues, so nobody makes it pending any
 * more, and the caller keeps scans off it.
 */
static inline void evpoll_dequeue(struct evpoll_item *item)
{
	/*
	 * Mostly it is not set. Who had set it let go of a lock since, or of the file; who cleared
	 * it, in evpoll_leave(), with which this pairs, is done with the item.
	 */
	if (test_bit_acquire(EVPOLL_QUEUED, &item->state))
		evpoll_dequeue_queued(item);
}

/*
 * The first CPU from @cpu on that may have something pending, nr_cpu_ids when there is none. A race
 * with evpoll_pend(), evpoll_move() and evpoll_refill(), which change the bits atomically: whoever
 * needs to know holds waiters.lock, or is told by a flush.
 */
static inline unsigned int evpoll_pending_cpu(const struct evpoll *ep, unsigned int cpu)
{
	/* As said above. */
	return data_race(find_next_bit(ep->pending_cpus, nr_cpu_ids, cpu));
}

static inline bool evpoll_is_pending(const struct evpoll *ep)
{
	/* Nearly always; a call for a bitmap of unknown size costs more than the look. */
	if (nr_cpu_ids <= BITS_PER_LONG)
		return READ_ONCE(ep->pending_cpus[0]);
	return evpoll_pending_cpu(ep, 0) < nr_cpu_ids;
}

/* napi.c */
void evpoll_napi_add(struct evpoll_pending *pending);
int evpoll_napi_init(void);
void evpoll_napi_exit(void);

/* Caller holds the instance. In an interrupt, or with bottom halves off, or in the poll. */
static inline void evpoll_napi_schedule(struct evpoll_pending *pending)
{
	/* Whoever has the bit set looks at the pending items after it cleared it. */
	if (!test_and_set_bit(EVPOLL_SCHEDULED, &pending->state))
		evpoll_napi_add(pending);
}

/* awake.c */
__poll_t evpoll_awake_allowed(__poll_t events);
int evpoll_awake_set(struct evpoll_item *item, bool on);
void evpoll_awake_stay(struct evpoll_extra *extra);
void evpoll_awake_hand_over(struct evpoll_item *item);
void evpoll_awake_scan_end(struct evpoll *ep);
void evpoll_awake_free(struct evpoll_extra *extra);

/* The item becomes pending or ready. From any context. */
static inline void evpoll_stay_awake(struct evpoll_item *item)
{
	/* Pairs with smp_store_release() in evpoll_item_extra(). */
	struct evpoll_extra *extra = smp_load_acquire(&item->extra);

	if (extra)
		evpoll_awake_stay(extra);
}

/* ready.c */
bool evpoll_available(const struct evpoll *ep);
bool evpoll_wake_waiter(struct evpoll *ep, enum evpoll_wakeup wakeup);
void evpoll_queue(struct evpoll_item *item);
bool evpoll_queue_at_once(struct evpoll_item *item, bool news, __poll_t uring,
			  enum evpoll_wakeup wakeup);
void evpoll_pass_on(struct evpoll *ep);
void evpoll_wake_pollers(struct evpoll *ep, struct evpoll_item *source, __poll_t uring);
void evpoll_scan_start(struct evpoll *ep);
void evpoll_scan_end(struct evpoll *ep);
int evpoll_scan_take(struct evpoll *ep, struct evpoll_taken *taken, int max);
__poll_t evpoll_scan_ask_again(struct evpoll_item *item, poll_table *pt, int depth);
bool evpoll_scan_put_back(struct evpoll_item *item, u64 noted_ns, bool asked);
void evpoll_scan_undo(struct evpoll_item *item, u64 noted_ns);
void evpoll_unlink(struct evpoll_item *item);
void evpoll_fput(struct file *file);

/* deliver.c */
int evpoll_deliver(struct evpoll *ep, struct epoll_event __user *events, int max);

/* wait.c */
ssize_t evpoll_read(struct file *file, char __user *buf, size_t count, loff_t *ppos);
long evpoll_wait(struct file *file, struct evpoll_wait *wait, struct evpoll_wait __user *arg);

/* poll.c */
__poll_t evpoll_poll(struct file *file, poll_table *pt);
__poll_t evpoll_poll_nested(struct file *file, poll_table *pt, int depth);
void evpoll_ask_again(struct evpoll *ep);

/*
 * What of the item's mask holds now. With a wait entry of @pt, or none. @depth: instances
 * above, for lockdep. Caller holds the mutex and a reference on the file.
 */
static inline __poll_t evpoll_item_poll(struct evpoll_item *item, poll_table *pt, int depth)
{
	__poll_t revents;

	pt->_key = item->events;
	if (is_evpoll_file(item->file))
		revents = evpoll_poll_nested(item->file, pt, depth);
	else
		revents = vfs_poll(item->file, pt);
	return revents & item->events;
}

/*
 * Does the item stay on the scan's list while its file is asked? Then it costs nothing to leave
 * it there, as is the rule with level-triggered ones. The others leave the list before: what
 * happens from then on is the next event. Constant during a scan.
 */
static inline bool evpoll_stays(const struct evpoll_item *item)
{
	return !(item->events & (EPOLLET | EPOLLONESHOT));
}

/*
 * Has the scan more to look at? For the task whose scan it is, without the lock: what others do is
 * to take items away. So if the cursor stands on the last item, nothing comes after it any more. If
 * it seems not to, evpoll_scan_take() says what there is.
 */
static inline bool evpoll_scan_has_more(const struct evpoll *ep)
{
	/* The cursor is stored with WRITE_ONCE(), the list's links are not: data_race(). */
	return data_race(READ_ONCE(ep->scan.prev)) != READ_ONCE(ep->cursor);
}

/* What an item that the scan has taken has of its mask now. */
static inline __poll_t evpoll_scan_ask(struct evpoll_item *item, poll_table *pt, int depth)
{
	__poll_t revents = evpoll_item_poll(item, pt, depth);

	if (revents || !evpoll_stays(item))
		return revents;
	return evpoll_scan_ask_again(item, pt, depth);
}

/* The item was asked, and is to be ready still, behind all others. Caller has its file. */
static inline void evpoll_scan_keep(struct evpoll_item *item, u64 noted_ns)
{
	if (!evpoll_stays(item)) {
		evpoll_scan_put_back(item, noted_ns, true);
		return;
	}
	/* Who has the item on a list owns this. */
	item->noted_ns = noted_ns;
	evpoll_stay_awake(item);
}

/*
 * Takes the mutex, and nest_mutex with it if the change is an ADD to the graph of instances.
 * Returns whether it is, for evpoll_ctl_unlock(), or an error.
 */
static inline int evpoll_ctl_lock(struct evpoll *ep, int op, struct file *target)
{
	mutex_lock(&ep->mtx);
	if (op != EPOLL_CTL_ADD || (!is_evpoll_file(target) && !atomic_read(&ep->nwatchers)))
		return false;
	mutex_unlock(&ep->mtx);
	return evpoll_nest_lock(ep, target);
}

static inline void evpoll_ctl_unlock(struct evpoll *ep, struct file *target, bool nested)
{
	mutex_unlock(&ep->mtx);
	if (nested)
		evpoll_nest_unlock(target);
}

/* close.c */
int evpoll_watch(struct evpoll_item *item, struct file *file);
void evpoll_unwatch(struct evpoll_item *item);
bool evpoll_watched_any(struct file *file, bool (*fn)(struct evpoll_item *item, int *count),
			int *count);
int evpoll_close_init(void);
void evpoll_close_exit(void);

#endif /* EVPOLL_H */
