// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signal-driven delivery: fcntl(2) with O_ASYNC makes the kernel send SIGIO, or the signal of
 * F_SETSIG, when the instance has an event.
 *
 * A wait entry on the instance sends the signal, so it is one more poller. It hears of an event
 * when all other pollers do, once for a burst or a window, and an instance without O_ASYNC pays
 * nothing. Its wait function takes the locks of signals, such as tasklist_lock and the siglock of
 * the receiver. A waker may hold a siglock, because signalfd(2) has its queue woken under it. That
 * is one more reason why a wake callback never wakes pollers.
 */
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "evpoll.h"
#include "sigio.h"

/**
 * struct evpoll_sigio - the poller of an instance with O_ASYNC
 * @wait: on evpoll.pollers
 * @fasync: the kernel's list of who gets a signal. It has one entry, because an instance has one
 *	file
 */
struct evpoll_sigio {
	wait_queue_entry_t wait;
	struct fasync_struct *fasync;
};

/* Runs under pollers.lock, with interrupts off. */
static int evpoll_sigio_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct evpoll_sigio *sigio = container_of(wait, struct evpoll_sigio, wait);

	kill_fasync(&sigio->fasync, SIGIO, POLL_IN);
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
