// SPDX-License-Identifier: GPL-2.0-only
/*
 * EVPOLL_IOC_CTL: an item comes, changes, goes.
 *
 * The order of the checks is that of do_epoll_ctl() in fs/eventpoll.c, so that a call with
 * several faults fails with the same one.
 */
#include <linux/err.h>
#include <linux/magic.h>

#include "compat.h"
#include "evpoll.h"
#include "trace.h"

/*
 * What a mask may hold. epoll lets any other bit pass; here it is refused, so that a later
 * kernel can give it a meaning, and as the kernel uses some between waker and callback.
 */
#define EVPOLL_KNOWN_BITS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLNVAL | \
			   EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG | \
			   EPOLLRDHUP | EVPOLL_PRIVATE_BITS)

/* What EPOLLEXCLUSIVE goes together with, epoll_ctl(2). */
#define EVPOLL_EXCLUSIVE_OK_BITS (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | \
				  EPOLLET | EPOLLEXCLUSIVE)

/*
 * An epoll file cannot be told by its operations, which are private to fs/eventpoll.c. Only
 * that file gives this name to an inode that nobody can name.
 */
static bool is_epoll_file(const struct file *file)
{
	static const struct qstr epoll = QSTR_INIT("[eventpoll]", sizeof("[eventpoll]") - 1);
	const struct qstr *name = &file->f_path.dentry->d_name;

	/* Nobody renames these. */
	return file->f_path.mnt->mnt_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       name->len == epoll.len && !memcmp(name->name, epoll.name, epoll.len);
}

static int evpoll_add(struct evpoll *ep, struct file *file, const struct evpoll_ctl *ctl,
		      bool nested)
{
	struct evpoll_item *item;
	int error;

	item = evpoll_item_add(ep, file, ctl);
	if (IS_ERR(item))
		return PTR_ERR(item);
	error = -EINVAL;
	if (nested && evpoll_too_many_paths(file))
		goto err_remove;
	if (item->events & EPOLLWAKEUP) {
		error = evpoll_awake_set(item, true);
		if (error)
			goto err_remove;
	}
	/* From here on the callback may come. */
	error = evpoll_hook(item);
	if (error)
		goto err_remove;
	return 0;

err_remove:
	evpoll_item_remove(item);
	return error;
}

/* Not inline: a poll table on the stack has it guarded, at a cost to ADD and DEL. */
static noinline int evpoll_mod(struct evpoll_item *item, const struct evpoll_ctl *ctl)
{
	poll_table pt;

	/* The callback reads the mask without a lock, evpoll_wake_callback(). */
	WRITE_ONCE(item->events, (__force __poll_t)ctl->events | EPOLLERR | EPOLLHUP);
	item->data = ctl->data;
	/* As with epoll, running out of memory here only costs the wakeup source. */
	evpoll_awake_set(item, item->events & EPOLLWAKEUP);
	/*
	 * Either the callback sees the new mask, or we see the state that it was called for.
	 * Pairs with the barrier that a waker has between its state and the look at its wait
	 * queue, see wq_has_sleeper().
	 */
	smp_mb();
	init_poll_funcptr(&pt, NULL);
	if (evpoll_item_poll(item, &pt, 1))
		evpoll_queue(item);
	return 0;
}

static int evpoll_change(struct evpoll *ep, struct file *file, const struct evpoll_ctl *ctl,
			 bool nested)
{
	struct evpoll_item *item;

	/* It is the search for its place that finds one that is there. */
	if (ctl->op == EPOLL_CTL_ADD)
		return evpoll_add(ep, file, ctl, nested);
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

/* EPOLLEXCLUSIVE is a matter of ADD, between an instance and a file that is none. */
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

static long evpoll_ctl_file(struct evpoll *ep, struct file *target, const struct evpoll_ctl *ctl)
{
	int nested, error;

	if (evpoll_exclusive_is_wrong(ctl, target))
		return -EINVAL;
	/*
	 * Neither side could see a cycle through the other, and ->poll would recurse until the
	 * stack ends.
	 */
	if (ctl->op == EPOLL_CTL_ADD && is_epoll_file(target))
		return -ELOOP;
	nested = evpoll_ctl_lock(ep, ctl->op, target);
	if (nested < 0)
		return nested;
	error = evpoll_change(ep, target, ctl, nested);
	evpoll_ctl_unlock(ep, target, nested);
	return error;
}

/* The file of the change, or NULL: @ctl's descriptor is none. Makes of @ctl what takes effect. */
static __always_inline long evpoll_ctl_target(struct file *file, struct file *target,
					      struct evpoll_ctl *ctl)
{
	long error;

	if (ctl->op == EPOLL_CTL_DEL)
		ctl->events = 0;
	if (ctl->events & ~(__force u32)EVPOLL_KNOWN_BITS)
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
	error = evpoll_ctl_file(file->private_data, target, ctl);
out:
	trace_evpoll_ctl(file->private_data, ctl, error);
	return error;
}

long evpoll_ctl(struct file *file, struct evpoll_ctl *ctl)
{
	struct fd target = fdget(ctl->fd);
	long error = evpoll_ctl_target(file, fd_file(target), ctl);

	fdput(target);
	return error;
}

/* One of several: the task may sleep before it comes to user space, see evpoll_fput(). */
long evpoll_ctl_one(struct file *file, struct evpoll_ctl *ctl)
{
	struct fd target = fdget(ctl->fd);
	long error = evpoll_ctl_target(file, fd_file(target), ctl);

	if (compat_fd_is_held(target))
		evpoll_fput(fd_file(target));
	return error;
}
