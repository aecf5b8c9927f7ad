/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evpoll - an eventpoll that can be loaded
 *
 * Start here. This header has what every file of the module relies on: the words, the path of an
 * event, and the locking and lifetime rules. structs.h has the structures. Each stage has a header
 * of its own with the functions that other stages call. A file includes the headers of the stages
 * that it calls.
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
 * ring           memory that an instance shares with a program, for events without a system call.
 *                Documentation/ring.rst has the words and the protocol
 * slot           the place in the ring for the events of one item
 * publish        put an event into the ring
 * harvest        take events out of the ring
 * classic way    the way of an event without a ring: pending, ready, polled by a scan
 * poller         whoever polls the instance, with a wait entry on it: poll(2), epoll, io_uring,
 *                another instance, or what sends the signal of O_ASYNC
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
 *                          deliver.c    makes an event of the item              mtx
 *                              |
 *                          put.c        copies it to user memory                mtx
 *
 * If the instance has a ring, publish.c puts the event into it first, and the program takes it out
 * there. An item that is level-triggered goes on to pending.c all the same, because a scan must
 * poll its file. An edge-triggered or one-shot item ends in the ring. If somebody sleeps,
 * EVPOLL_NEWS takes the place of that item on the way to ready.c. On the reader's side, harvest.c
 * takes events out of the ring that are on no list. What the ring cannot tell goes the classic way
 * alone.
 *
 * The left branch runs in the wake callback itself, so the queue lock is held there up to ready.c.
 * So does the middle branch for an event in process context that completes coalesce_events. For one
 * in an interrupt NAPI runs it, and else the timer. A callback and the timer move 64 items at most.
 * The rest is for NAPI, or for the next reader.
 *
 * Some events skip the pending queue. With EPOLLEXCLUSIVE or EVPOLL_UNBATCHED, callback.c calls
 * ready.c. If nothing else is pending, pending.c calls ready.c in process context without a window,
 * and with EVPOLL_EAGER for the first event of a burst.
 *
 * Most pollers have wait functions that are not evpoll's: they may take any lock, and may even
 * wake a file that the instance watches. So a wake callback never wakes pollers, because it runs
 * under the queue lock. It marks the instance (EVPOLL_POLLERS) and leaves it to NAPI. NAPI, the
 * timer and a task in CTL or in a scan hold no spinlock, and wake pollers themselves.
 *
 * A poller scans as a reader does, from ->poll of the instance in poll.c. A scan begins with a
 * flush, so a reader that is awake never waits for NAPI or for a window.
 *
 * Around the path: device.c and ioctl.c are the file /dev/evpoll, ctl.c and ctlv.c change
 * registrations, uring.c does the same for io_uring, sigio.c sends signals, ring.c is the memory of
 * the ring and gives items their slots, item.c makes and removes items, watched.c finds the items
 * of a file, close.c removes them when the file is closed, nest.c bounds instances that watch
 * instances, instance.c allocates and frees an instance, limits.c counts watches, awake.c does
 * EPOLLWAKEUP, stats.c and trace.h show what happens. main.c loads the module, refuse.c takes its
 * place on a kernel that lacks an option, and compat.h has the differences between kernels. copy.h,
 * extra.h and file.h are small helpers.
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
 *     > evpoll.pollers.lock        the wait functions of pollers run under it, and that of sigio.c
 *                                  takes the locks of signals inside
 *
 * These do not nest in one another: tree_lock, a wait queue's lock, and f_lock or watchers_lock. No
 * spinlock is held where pollers.lock is taken. The users in limits.c and the list of instances in
 * stats.c have locks of their own, which stand alone, as has the list of free slots. The buckets of
 * the table in watched.c have locks that are taken inside f_lock.
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
 * no wake callback runs any more; then off the pending and ready lists; then its slot; then out of
 * the table of watched files and the tree. After that the memory may become another item at once. A
 * lookup in the table that began earlier may still read @watched and @file of that memory, because
 * a lookup holds f_lock of its own file only. The cache is SLAB_TYPESAFE_BY_RCU for this reason.
 * evpoll_replaced in watched.c explains how the lookup notices.
 *
 * An instance is freed when its file, its items, the timer and the walks of nest.c have dropped
 * their references with evpoll_put(), and NAPI has it in no queue. An item drops its reference
 * last, after it has left the list of its file. So the instance of an item exists for a caller that
 * holds f_lock or watchers_lock and finds the item among the items of its file. NAPI runs in
 * softirq, which is a read section of RCU, and the memory of an instance is freed after a grace
 * period. So a NAPI poll may use the instance up to its end.
 *
 * The ring is freed with its instance, because a wake callback may publish as long as an item is
 * left. A mapping of the ring has references on the pages, and on nothing else.
 *
 * An instance holds a reference on the module. So the module stays while a watched file of an
 * instance that was released is not closed yet.
 */
#ifndef EVPOLL_H
#define EVPOLL_H

#include <linux/preempt.h>
#include <linux/sched.h>

#include "structs.h"

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
