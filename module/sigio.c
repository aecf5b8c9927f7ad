// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signal-driven delivery: fcntl(2) with O_ASYNC makes the kernel send SIGIO, or the signal of
 * F_SETSIG, when the instance has an event.
 *
 * A wait entry on the instance sends the signal, so it is one more poller. It hears of an event
 * when all other pollers do: once for a burst, and once for a window. An instance without O_ASYNC
 * has no such entry, and pays nothing.
 *
 * The wait function takes the locks of signals, such as tasklist_lock and the siglock of the
 * receiver. The kernel wakes a signalfd while it holds a siglock, and the wake callback runs under
 * it. So the callback must not send a signal. It wakes no pollers at all, and evpoll.h says why.
 */
#include <linux/fs.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "evpoll.h"
#include "sigio.h"

/**
 * struct evpoll_sigio - the poller of an instance with O_ASYNC
 * @wait: on evpoll.pollers; its private pointer is the instance
 * @fasync: the kernel's list of who gets a signal. It has one entry, because an instance has one
 *	file
 */
struct evpoll_sigio {
	wait_queue_entry_t wait;
	struct fasync_struct *fasync;
};

/*
 * Which instance sends its signal on this CPU, and in which task. Sending holds a spinlock, so the
 * task stays on the CPU. On PREEMPT_RT another task may run meanwhile and send a signal as well. It
 * overwrites these, and evpoll_sigio_is_sending() is false for the first task then. That costs that
 * task one more signal.
 */
static DEFINE_PER_CPU(const struct evpoll *, evpoll_sending);
static DEFINE_PER_CPU(const struct task_struct *, evpoll_sender);

static void evpoll_set_sender(const struct evpoll *ep, const struct task_struct *sender)
{
	preempt_disable();
	__this_cpu_write(evpoll_sending, ep);
	__this_cpu_write(evpoll_sender, sender);
	preempt_enable();
}

/*
 * The signal wakes each signalfd of the process that gets it, whatever the signalfd is for. If the
 * instance watches one, its wake callback runs inside kill_fasync(), in this task. Such an event
 * must not cause the next signal, because it would never end.
 */
bool evpoll_sigio_is_sending(const struct evpoll *ep)
{
	bool sending;

	preempt_disable();
	sending = __this_cpu_read(evpoll_sending) == ep &&
		  __this_cpu_read(evpoll_sender) == current;
	preempt_enable();
	return sending;
}

/* Runs under pollers.lock. */
static int evpoll_sigio_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct evpoll_sigio *sigio = container_of(wait, struct evpoll_sigio, wait);
	struct evpoll *ep = wait->private;

	if (!test_and_clear_bit(EVPOLL_SIGIO, &ep->state))
		return 0;
	evpoll_set_sender(ep, current);
	kill_fasync(&sigio->fasync, SIGIO, POLL_IN);
	evpoll_set_sender(NULL, NULL);
	return 0;
}

static int evpoll_sigio_start(struct evpoll *ep, int fd, struct file *file)
{
	struct evpoll_sigio *sigio;
	int ret;

	lockdep_assert_held(&ep->mtx);
	/* O_ASYNC is set already: this only renews the descriptor that si_fd shows. */
	if (ep->sigio)
		return fasync_helper(fd, file, true, &ep->sigio->fasync);
	sigio = kzalloc(sizeof(*sigio), GFP_KERNEL_ACCOUNT);
	if (!sigio)
		return -ENOMEM;
	ret = fasync_helper(fd, file, true, &sigio->fasync);
	if (ret < 0) {
		kfree(sigio);
		return ret;
	}
	init_waitqueue_func_entry(&sigio->wait, evpoll_sigio_wake);
	sigio->wait.private = ep;
	add_wait_queue(&ep->pollers, &sigio->wait);
	ep->sigio = sigio;
	/*
	 * The program reads the instance after this call. Either its scan finds an event that came
	 * before, or the waker finds the wait entry. Pairs with xchg() in evpoll_fifo_add().
	 */
	smp_mb();
	return ret;
}

static int evpoll_sigio_end(struct evpoll *ep, int fd, struct file *file)
{
	struct evpoll_sigio *sigio = ep->sigio;
	int ret;

	lockdep_assert_held(&ep->mtx);
	if (!sigio)
		return 0;
	ret = fasync_helper(fd, file, false, &sigio->fasync);
	ep->sigio = NULL;
	/* The wait function runs under the lock of the queue, so it is done after this. */
	remove_wait_queue(&ep->pollers, &sigio->wait);
	kfree(sigio);
	return ret;
}

int evpoll_fasync(int fd, struct file *file, int on)
{
	struct evpoll *ep = file->private_data;
	int ret;

	mutex_lock(&ep->mtx);
	ret = on ? evpoll_sigio_start(ep, fd, file) : evpoll_sigio_end(ep, fd, file);
	mutex_unlock(&ep->mtx);
	return ret;
}
