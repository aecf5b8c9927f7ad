// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader: read() and EVPOLL_IOC_WAIT. It sleeps while nothing is ready, and delivers events
 * when it runs again.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/time.h>
#include <linux/uaccess.h>

#include "copy.h"
#include "ctlv.h"
#include "deliver.h"
#include "flush.h"
#include "harvest.h"
#include "ready.h"
#include "ring.h"
#include "stats.h"
#include "trace.h"
#include "wait.h"

/*
 * The size of so many events in bytes fits into an int. EP_MAX_EVENTS of fs/eventpoll.c is the
 * same.
 */
#define EVPOLL_MAX_EVENTS (INT_MAX / sizeof(struct epoll_event))

/**
 * struct evpoll_waiter - a task that sleeps until items are ready
 * @wait: on evpoll.waiters; its private pointer is the task
 * @ep: the instance
 * @need: number of ready items that wake it
 */
struct evpoll_waiter {
	wait_queue_entry_t wait;
	struct evpoll *ep;
	int need;
};

/* The exact answer of evpoll_may_deliver(). */
static noinline bool evpoll_has_items_locked(struct evpoll *ep)
{
	bool has_items;

	spin_lock_irq(&ep->waiters.lock);
	has_items = evpoll_has_items(ep);
	/* No scan will come and do this. */
	if (!has_items && READ_ONCE(ep->ring))
		evpoll_ring_clear_more(ep);
	spin_unlock_irq(&ep->waiters.lock);
	return has_items;
}

/* May a scan find an item? */
static bool evpoll_may_deliver(struct evpoll *ep)
{
	/*
	 * A wrong yes costs one scan, so this check needs no lock. list_splice() does not mark its
	 * stores, hence data_race(). A no must be exact, so it is checked again under the lock.
	 */
	return data_race(!list_empty(&ep->ready)) || evpoll_has_items_locked(ep);
}

/*
 * Are @need items ready? For 1, any item does. An event may be in the ring, and the waiter looks
 * there itself, because the answer may change with each harvest. Above that, only items with an
 * event that no reader has got yet count. Caller holds waiters.lock.
 */
static bool evpoll_has_enough(struct evpoll *ep, int need)
{
	lockdep_assert_held(&ep->waiters.lock);
	if (READ_ONCE(ep->ring))
		return true;
	return need > 1 ? evpoll_nr_new(ep) >= need : ep->nready;
}

/*
 * Runs under waiters.lock, for each waiter until one returns 1.
 *
 * Remove the waiter even if a signal or timeout has already woken it. Otherwise, after a process
 * with many waiters is killed, every later wakeup walks past all of them. The wakeup is not lost,
 * because a waiter always scans once more, and then wakes the next waiter for what it leaves.
 */
static int evpoll_wake_function(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct evpoll_waiter *waiter = container_of(wait, struct evpoll_waiter, wait);
	int woken;

	/* This waiter sleeps on, and the wakeup goes to the next one. */
	if (!evpoll_has_enough(waiter->ep, waiter->need))
		return 0;
	waiter->ep->woke = true;
	woken = default_wake_function(wait, mode, sync, key);
	if (woken) {
		trace_evpoll_wakeup(waiter->ep, wait->private);
		evpoll_count(&waiter->ep->counts.wakeups, 1);
	}

	/* Pairs with list_empty_careful() in finish_wait(). */
	list_del_init_careful(&wait->entry);
	return woken;
}

/*
 * A call may find an event. The program can write entries into the ring that are none, without end.
 * So with a ring, give way to other tasks, and return false when the time is over.
 */
static bool evpoll_try_again(const struct evpoll *ep, ktime_t expires)
{
	if (!READ_ONCE(ep->ring))
		return true;
	cond_resched();
	return expires == KTIME_MAX || ktime_before(ktime_get(), expires);
}

/*
 * Sleeps until @need items are ready, a signal comes or @expires is reached. Returns false if
 * @expires was reached. Returns true at once if a scan may find an item; with a @need above 1, if
 * @need are ready or a flush may move some.
 */
static bool evpoll_sleep(struct evpoll *ep, ktime_t expires, int need)
{
	struct evpoll_waiter waiter = { .ep = ep, .need = need };
	bool timed_out = false;

	init_wait(&waiter.wait);
	waiter.wait.func = evpoll_wake_function;
	spin_lock_irq(&ep->waiters.lock);
	/*
	 * The waker makes items ready and wakes under the same lock. So either this check sees the
	 * item, or the waker finds this task on the queue.
	 */
	if (need > 1 ? evpoll_is_pending(ep) || evpoll_has_enough(ep, need) :
		       evpoll_has_items(ep)) {
		spin_unlock_irq(&ep->waiters.lock);
		return evpoll_try_again(ep, expires);
	}
	if (READ_ONCE(ep->params.flags) & EVPOLL_FIFO)
		__add_wait_queue_entry_tail_exclusive(&ep->waiters, &waiter.wait);
	else
		/* As epoll does, because the task that slept least has the warmest caches. */
		__add_wait_queue_exclusive(&ep->waiters, &waiter.wait);
	__set_current_state(TASK_INTERRUPTIBLE);
	if (READ_ONCE(ep->ring))
		/*
		 * W3. A wake callback puts entries into the ring without the lock, so this looks
		 * once more. Pairs with the barrier in evpoll_queue_news().
		 */
		smp_mb();
	if (evpoll_ring_has_entry(ep)) {
		__remove_wait_queue(&ep->waiters, &waiter.wait);
		__set_current_state(TASK_RUNNING);
		spin_unlock_irq(&ep->waiters.lock);
		return evpoll_try_again(ep, expires);
	}
	spin_unlock_irq(&ep->waiters.lock);

	trace_evpoll_sleep(ep);
	timed_out = !schedule_hrtimeout_range(expires == KTIME_MAX ? NULL : &expires,
					      current->timer_slack_ns, HRTIMER_MODE_ABS);
	finish_wait(&ep->waiters, &waiter.wait);
	trace_evpoll_run(ep);
	return !timed_out;
}

/*
 * Waits for events until @expires (CLOCK_MONOTONIC; KTIME_MAX: no limit), or not at all without
 * @block. Returns the number of events, 0 when the time is over, -EINTR or -EFAULT.
 *
 * Checks after every sleep, also after a signal or a timeout, because this task may have taken a
 * wakeup that no other waiter got.
 */
static __always_inline int evpoll_wait_events(struct evpoll *ep,
					      struct epoll_event __user *to,
					      struct iov_iter *iter, int max,
					      ktime_t expires, bool block)
{
	int n;

	for (;;) {
		n = evpoll_may_deliver(ep) ? evpoll_deliver(ep, to, iter, max) : 0;
		if (n || !block)
			return n;
		if (signal_pending(current))
			return -EINTR;
		block = evpoll_sleep(ep, expires, 1);
	}
}

/*
 * Sleeps until @min_wait_ns are over, @expires is reached, @need items are ready, or a signal
 * comes. Caller ensures that @need is above 1, because for 1 evpoll_wait_events() does the same.
 *
 * Polls no file, because ->poll of some files tells a change only once, and the delivery that
 * follows polls. So a level-triggered item that was reported before does not count until its file
 * tells of an event: nobody knows whether it still has one.
 */
static void evpoll_min_wait(struct evpoll *ep, u64 min_wait_ns, ktime_t expires,
			    int need)
{
	ktime_t until = min(ktime_add_safe(ktime_get(), ns_to_ktime(min_wait_ns)), expires);
	bool enough;

	do {
		evpoll_flush_all(ep, EVPOLL_WAKEUP);
		spin_lock_irq(&ep->waiters.lock);
		enough = evpoll_has_enough(ep, need);
		/* Another waiter may need fewer items. */
		if (!enough && !list_empty(&ep->ready))
			evpoll_wake_waiter(ep, EVPOLL_WAKEUP);
		spin_unlock_irq(&ep->waiters.lock);
		/*
		 * evpoll_sleep() returns at once while events keep coming, and checks no time then.
		 */
		cond_resched();
	} while (!enough && !signal_pending(current) && ktime_before(ktime_get(), until) &&
		 evpoll_sleep(ep, until, need));
}

/*
 * The buffer is @buf or @iter, as for evpoll_deliver(), and has @count bytes. @timeout: in ns, 0 is
 * no limit
 */
static __always_inline ssize_t evpoll_read_events(struct file *file, char __user *buf,
						  struct iov_iter *iter, size_t count, bool block,
						  u64 timeout)
{
	struct evpoll *ep = file->private_data;
	size_t max = min_t(size_t, count / sizeof(struct epoll_event), EVPOLL_MAX_EVENTS);
	ktime_t expires = KTIME_MAX;
	int n;

	if (!max)
		return -EINVAL;
	if (timeout)
		expires = ktime_add_safe(ktime_get(), ns_to_ktime(timeout));
	n = evpoll_wait_events(ep, (struct epoll_event __user *)buf, iter, max, expires, block);
	if (n > 0)
		return n * sizeof(struct epoll_event);
	if (!n)
		return -EAGAIN;
	/*
	 * With a timeout the call is not restarted, because it would wait for the whole time again.
	 */
	return n == -EINTR && !timeout ? -ERESTARTSYS : n;
}

static u64 evpoll_read_timeout(const struct file *file)
{
	const struct evpoll *ep = file->private_data;

	return READ_ONCE(ep->params.read_timeout_ns);
}

ssize_t evpoll_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	return evpoll_read_events(file, buf, NULL, count, !(file->f_flags & O_NONBLOCK),
				  evpoll_read_timeout(file));
}

/*
 * Asynchronous reads do not wait here, whatever O_NONBLOCK says. io_submit(2) fails with EAGAIN if
 * there is no event. io_uring sets IOCB_NOWAIT, also in its thread for IORING_SETUP_SQPOLL. It
 * polls the instance if there is no event, and reads again when it is woken. Only a read that
 * found no event again and again goes to a worker of io_uring, and waits there. All of them wait
 * for the mutex, as they do in ->poll.
 */
static bool evpoll_read_may_wait(struct kiocb *iocb)
{
	if (iocb->ki_flags & IOCB_NOWAIT)
		return false;
	if (is_sync_kiocb(iocb))
		return !(iocb->ki_filp->f_flags & O_NONBLOCK);
	return current->flags & PF_IO_WORKER;
}

/*
 * One wait fills all segments of the buffer. If this were missing, the kernel would call ->read for
 * each segment, and the second call would wait although the first has got an event. ->read stays,
 * because it is faster for a plain buffer.
 */
ssize_t evpoll_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	u64 timeout = is_sync_kiocb(iocb) ? evpoll_read_timeout(iocb->ki_filp) : 0;
	bool plain = iter_is_ubuf(to);
	ssize_t n;

	/* One plain buffer: the iterator would cost more for each event. */
	n = evpoll_read_events(iocb->ki_filp, plain ? to->ubuf + to->iov_offset : NULL,
			       plain ? NULL : to, iov_iter_count(to), evpoll_read_may_wait(iocb),
			       timeout);
	if (plain && n > 0)
		iov_iter_advance(to, n);
	/* A worker that is cancelled. io_uring of 6.1 would pass the other error to the program. */
	if (n == -ERESTARTSYS && !is_sync_kiocb(iocb))
		return -EINTR;
	return n;
}

/*
 * Sets the signal mask of the wait. The kernel restores the old mask on the return to user space,
 * after the handler of the signal that ended the wait. Same as set_user_sigmask(), which is not
 * exported.
 */
static int evpoll_set_sigmask(const struct evpoll_wait *wait)
{
	void __user *from = u64_to_user_ptr(wait->sigmask);
	sigset_t mask;

	if (in_compat_syscall()) {
		if (wait->sigsetsize != sizeof(compat_sigset_t))
			return -EINVAL;
		if (get_compat_sigset(&mask, from))
			return -EFAULT;
	} else {
		if (wait->sigsetsize != sizeof(mask))
			return -EINVAL;
		if (copy_from_user(&mask, from, sizeof(mask)))
			return -EFAULT;
	}
	sigdelsetmask(&mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
	sigprocmask(SIG_SETMASK, &mask, &current->saved_sigmask);
	set_restore_sigmask();
	return 0;
}

/* No signal ended the wait: restore the old mask now, so that no handler runs under the new one. */
static void evpoll_restore_sigmask(void)
{
	if (test_and_clear_restore_sigmask())
		sigprocmask(SIG_SETMASK, &current->saved_sigmask, NULL);
}

/* Reads the timeout at @from. *@expires is when the wait ends; 0: do not wait. */
static int evpoll_get_timeout(const void __user *from, ktime_t *expires)
{
	struct __kernel_timespec user;
	struct timespec64 timeout;

	if (evpoll_copy_words(&user, from, sizeof(user)))
		return -EFAULT;
	timeout.tv_sec = user.tv_sec;
	/* In a 32-bit program the upper half is padding. get_timespec64() does the same. */
	timeout.tv_nsec = in_compat_syscall() ? (u32)user.tv_nsec : user.tv_nsec;
	if (!timespec64_valid(&timeout))
		return -EINVAL;
	*expires = 0;
	if (timeout.tv_sec || timeout.tv_nsec)
		*expires = ktime_add_safe(ktime_get(), timespec64_to_ktime(timeout));
	return 0;
}

static __always_inline int evpoll_wait_checked(struct file *file, struct evpoll_wait *wait,
					       struct evpoll_wait __user *arg,
					       ktime_t expires)
{
	struct epoll_event __user *to = u64_to_user_ptr(wait->events);
	struct evpoll *ep = file->private_data;
	bool block = expires;
	long failed;

	if (!wait->maxevents || wait->maxevents > EVPOLL_MAX_EVENTS)
		return -EINVAL;
	if (!access_ok(to, wait->maxevents * sizeof(*to)))
		return -EFAULT;
	if (wait->ctlv.nr) {
		failed = evpoll_ctlv(file, &wait->ctlv, &arg->ctlv);
		if (failed < 0)
			return failed;
		/* The caller wants to know of a failed change now. */
		block = block && !failed;
	}
	if (block && wait->min_wait_ns && wait->maxevents > 1)
		evpoll_min_wait(ep, wait->min_wait_ns, expires, wait->maxevents);
	return evpoll_wait_events(ep, to, NULL, wait->maxevents, expires, block);
}

static noinline int evpoll_wait_masked(struct file *file, struct evpoll_wait *wait,
				       struct evpoll_wait __user *arg, ktime_t expires)
{
	int n = evpoll_set_sigmask(wait);

	if (n)
		return n;
	n = evpoll_wait_checked(file, wait, arg, expires);
	if (n != -EINTR)
		evpoll_restore_sigmask();
	return n;
}

long evpoll_wait(struct file *file, struct evpoll_wait *wait, struct evpoll_wait __user *arg)
{
	ktime_t expires = KTIME_MAX;
	int n;

	if (wait->reserved || wait->min_wait_ns > KTIME_MAX || evpoll_ctlv_is_wrong(&wait->ctlv))
		return -EINVAL;
	/* Nobody knows how many different items the ring and the ready list have. */
	if (wait->min_wait_ns && READ_ONCE(((struct evpoll *)file->private_data)->ring))
		return -EINVAL;
	if (wait->timeout) {
		n = evpoll_get_timeout(u64_to_user_ptr(wait->timeout), &expires);
		if (n)
			return n;
	}
	if (wait->sigmask)
		return evpoll_wait_masked(file, wait, arg, expires);
	return evpoll_wait_checked(file, wait, arg, expires);
}
