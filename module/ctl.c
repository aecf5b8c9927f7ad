// SPDX-License-Identifier: GPL-2.0-only
/*
 * EVPOLL_IOC_CTL: adds, changes and removes registrations.
 *
 * The checks are in the order of do_epoll_ctl() in fs/eventpoll.c, so that a call with several
 * faults fails with the same error as there.
 */
#include <linux/err.h>

#include "awake.h"
#include "callback.h"
#include "compat.h"
#include "ctl.h"
#include "file.h"
#include "item.h"
#include "nest.h"
#include "poll.h"
#include "ready.h"
#include "ring.h"
#include "trace.h"

/*
 * The bits that any mask may have; EVPOLLROTATE is allowed together with EPOLLEXCLUSIVE. epoll
 * ignores other bits. evpoll refuses them, so that a later version can give them a meaning, and
 * because wakers use some of them to tell the wake callback something.
 */
#define EVPOLL_KNOWN_BITS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLNVAL | \
			   EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG | \
			   EPOLLRDHUP | (EVPOLL_PRIVATE_BITS & ~EVPOLL_ROTATE))

/* The bits that are allowed together with EPOLLEXCLUSIVE, see epoll_ctl(2). */
#define EVPOLL_EXCLUSIVE_OK_BITS (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | \
				  EPOLLET | EPOLLEXCLUSIVE | EVPOLL_ROTATE)

static bool is_epoll_file(const struct file *file)
{
	return evpoll_is_anon_file(file, "[eventpoll]");
}

static int evpoll_add(struct evpoll *ep, struct file *file, const struct evpoll_ctl *ctl,
		      bool nonblock)
{
	struct evpoll_item *item;
	int error = 0;

	item = evpoll_nest_is_needed(ep, file) ? ERR_PTR(-EAGAIN)
					       : evpoll_item_add(ep, file, ctl, false);
	/* EAGAIN: this changes the graph of instances, or another task has begun to do so. */
	if (item == ERR_PTR(-EAGAIN) && !nonblock)
		item = evpoll_nest_add(ep, file, ctl);
	if (IS_ERR(item))
		return PTR_ERR(item);
	if (item->events & EPOLLWAKEUP)
		error = evpoll_awake_set(item, true);
	/* From here on the wake callback may run. */
	if (!error)
		error = evpoll_add_wait_entries(item);
	if (error)
		evpoll_item_remove(item);
	else if (ep->ring)
		evpoll_slot_show(item, 0, 0);
	return error;
}

/*
 * noinline, because the poll table on its stack makes the compiler add a stack guard, which ADD and
 * DEL need not pay for.
 */
static noinline int evpoll_mod(struct evpoll_item *item, const struct evpoll_ctl *ctl)
{
	bool ring = evpoll_of(item)->ring;
	unsigned long slot = ring ? evpoll_slot_hide(item) : 0;
	u64 old_data = item->data;
	poll_table pt;

	/* Pairs with READ_ONCE() in evpoll_wake_item(). */
	WRITE_ONCE(item->events, (__force __poll_t)ctl->events | EPOLLERR | EPOLLHUP);
	item->data = ctl->data;
	if (ring)
		/* Ordered as the mask, for evpoll_publish(). */
		clear_bit(EVPOLL_FIRED, &item->state);
	/* Without memory the item has no wakeup source, and MOD succeeds. epoll does the same. */
	evpoll_awake_set(item, item->events & EPOLLWAKEUP);
	/*
	 * Orders the new mask before the poll. Either the wake callback sees the new mask, or the
	 * poll sees what the waker did. Pairs with the barrier in evpoll_wants_now().
	 */
	smp_mb();
	init_poll_funcptr(&pt, NULL);
	/* A reader gets the event anew, so it counts as a new one. */
	if (evpoll_item_poll(item, &pt, 1))
		evpoll_queue(item);
	evpoll_renew(item);
	/* Not before, because what the poll above found must not be in the ring as well. */
	if (ring)
		evpoll_slot_show(item, slot, old_data);
	return 0;
}

static int evpoll_change(struct evpoll *ep, struct file *file, const struct evpoll_ctl *ctl,
			 bool nonblock)
{
	struct evpoll_item *item;

	/* ADD looks for the item when it inserts the new one. */
	if (ctl->op == EPOLL_CTL_ADD)
		return evpoll_add(ep, file, ctl, nonblock);
	item = evpoll_item_find(ep, file, ctl->fd);
	switch (ctl->op) {
	case EPOLL_CTL_DEL:
		if (!item)
			return -ENOENT;
		evpoll_item_remove(item);
		return 0;
	case EPOLL_CTL_MOD:
		if (!item)
			return -ENOENT;
		if (item->events & EPOLLEXCLUSIVE)
			return -EINVAL;
		return evpoll_mod(item, ctl);
	default:
		return -EINVAL;
	}
}

static bool evpoll_mask_is_wrong(__poll_t events)
{
	__poll_t others = events & ~EVPOLL_KNOWN_BITS;

	return others && !(others == EVPOLL_ROTATE && (events & EPOLLEXCLUSIVE));
}

/*
 * epoll ignores unknown bits. With EPOLLEXCLUSIVE it refuses them, but only where it refuses
 * EPOLLPRI too, after other errors.
 */
u32 evpoll_mask_from_epoll(u32 events)
{
	__poll_t mask = (__force __poll_t)events & EVPOLL_KNOWN_BITS;

	if ((mask & EPOLLEXCLUSIVE) && mask != (__force __poll_t)events)
		mask |= EPOLLPRI;
	return (__force u32)mask;
}

/* EPOLLEXCLUSIVE is for ADD only, and for a watched file that is no instance. */
static bool evpoll_exclusive_is_wrong(const struct evpoll_ctl *ctl, const struct file *file)
{
	__poll_t events = (__force __poll_t)ctl->events;

	if (!(events & EPOLLEXCLUSIVE))
		return false;
	if (ctl->op == EPOLL_CTL_MOD)
		return true;
	return ctl->op == EPOLL_CTL_ADD &&
	       (is_evpoll_file(file) || is_epoll_file(file) ||
		(events & ~EVPOLL_EXCLUSIVE_OK_BITS));
}

static long evpoll_ctl_file(struct evpoll *ep, struct file *target, const struct evpoll_ctl *ctl,
			    bool nonblock)
{
	int error;

	if (evpoll_exclusive_is_wrong(ctl, target))
		return -EINVAL;
	/*
	 * A cycle through both epoll and evpoll would be invisible to the checks of each, and
	 * ->poll would recurse until the stack overflows. So refuse epoll below evpoll.
	 */
	if (ctl->op == EPOLL_CTL_ADD && is_epoll_file(target))
		return -ELOOP;
	if (!nonblock)
		mutex_lock(&ep->mtx);
	else if (is_evpoll_file(target) || !mutex_trylock(&ep->mtx))
		/* A change for an instance polls it, and takes its mutex as well. */
		return -EAGAIN;
	error = evpoll_change(ep, target, ctl, nonblock);
	mutex_unlock(&ep->mtx);
	return error;
}

static noinline long evpoll_forget(struct evpoll *ep, struct evpoll_ctl *ctl)
{
	long error;

	ctl->events = 0;
	error = evpoll_items_forget(ep, ctl->fd);
	trace_evpoll_ctl(ep, ctl, error);
	return error;
}

/*
 * @target: the file of @ctl's descriptor, or NULL if it has none. Corrects @ctl to what takes
 * effect: no mask for DEL, no EPOLLWAKEUP without the right to it.
 */
static __always_inline long evpoll_ctl_target(struct file *file, struct file *target,
					      struct evpoll_ctl *ctl, bool nonblock)
{
	long error;

	/* Needs no file. Waits for the mutex, and may walk a long list. */
	if (ctl->op == EVPOLL_CTL_FORGET)
		return nonblock ? -EAGAIN : evpoll_forget(file->private_data, ctl);
	if (ctl->op == EPOLL_CTL_DEL)
		ctl->events = 0;
	if (evpoll_mask_is_wrong((__force __poll_t)ctl->events))
		return -EINVAL;
	if (!target)
		return -EBADF;
	error = -EPERM;
	if (!file_can_poll(target))
		goto out;
	if (ctl->events & (__force u32)EPOLLWAKEUP)
		ctl->events = (__force u32)evpoll_awake_allowed((__force __poll_t)ctl->events);
	error = -EINVAL;
	if (target == file)
		goto out;
	error = evpoll_ctl_file(file->private_data, target, ctl, nonblock);
out:
	/* EAGAIN: the change is tried again. */
	if (!nonblock || error != -EAGAIN)
		trace_evpoll_ctl(file->private_data, ctl, error);
	return error;
}

long evpoll_ctl(struct file *file, struct evpoll_ctl *ctl)
{
	struct fd target = fdget(ctl->fd);
	long error = evpoll_ctl_target(file, fd_file(target), ctl, false);

	fdput(target);
	return error;
}

/* The task may sleep before it returns to user space, so this uses evpoll_fput(). */
long evpoll_ctl_one(struct file *file, struct evpoll_ctl *ctl, bool nonblock)
{
	struct fd target = fdget(ctl->fd);
	long error = evpoll_ctl_target(file, fd_file(target), ctl, nonblock);

	if (compat_fd_is_held(target))
		evpoll_fput(fd_file(target));
	return error;
}
