// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance: from open to the last reference, and what can be done with its file.
 */
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>

#include "compat.h"
#include "evpoll.h"

/* Instances in memory; unloading waits for none. */
static atomic_t evpoll_instances = ATOMIC_INIT(0);

void evpoll_wait_for_instances(void)
{
	wait_var_event(&evpoll_instances, !atomic_read(&evpoll_instances));
}

static void evpoll_free(struct evpoll *ep)
{
	evpoll_user_put(ep->user);
	free_percpu(ep->pending);
	mutex_destroy(&ep->mtx);
	kfree_rcu(ep, rcu);
	if (atomic_dec_and_test(&evpoll_instances))
		wake_up_var(&evpoll_instances);
}

static void evpoll_free_work(struct work_struct *work)
{
	struct evpoll *ep = container_of(work, struct evpoll, free_work);

	wakeup_source_unregister(ep->ws);
	evpoll_free(ep);
}

/* From any context but a hard interrupt: NAPI may be the last to let go. */
void evpoll_put(struct evpoll *ep)
{
	if (!refcount_dec_and_test(&ep->refs))
		return;
	if (ep->ws) {
		INIT_WORK(&ep->free_work, evpoll_free_work);
		queue_work(evpoll_wq, &ep->free_work);
	} else {
		evpoll_free(ep);
	}
}

static struct evpoll_pending __percpu *evpoll_pending_alloc(struct evpoll *ep)
{
	struct evpoll_pending __percpu *all;
	int cpu;

	all = alloc_percpu_gfp(struct evpoll_pending, GFP_KERNEL_ACCOUNT);
	if (!all)
		return NULL;
	for_each_possible_cpu(cpu) {
		struct evpoll_pending *pending = per_cpu_ptr(all, cpu);

		init_llist_head(&pending->items);
		pending->ep = ep;
		pending->cpu = cpu;
	}
	return all;
}

static int evpoll_open(struct inode *inode, struct file *file)
{
	struct evpoll *ep;
	int error = -ENOMEM;

	ep = kzalloc(struct_size(ep, pending_cpus, BITS_TO_LONGS(nr_cpu_ids)),
		     GFP_KERNEL_ACCOUNT);
	if (!ep)
		return -ENOMEM;
	ep->pending = evpoll_pending_alloc(ep);
	if (!ep->pending)
		goto err_free;
	ep->user = evpoll_user_get();
	if (IS_ERR(ep->user)) {
		error = PTR_ERR(ep->user);
		goto err_pending;
	}
	mutex_init(&ep->mtx);
	init_waitqueue_head(&ep->waiters);
	INIT_LIST_HEAD(&ep->ready);
	INIT_LIST_HEAD(&ep->scan);
	init_waitqueue_head(&ep->pollers);
	spin_lock_init(&ep->tree_lock);
	ep->items = RB_ROOT;
	spin_lock_init(&ep->watchers_lock);
	INIT_LIST_HEAD(&ep->watchers);
	refcount_set(&ep->refs, 1);
	evpoll_params_default(&ep->params);
	evpoll_moderate_init(ep);
	file->private_data = ep;
	atomic_inc(&evpoll_instances);
	evpoll_stats_add(ep);
	/* No position: neither seek nor pread. */
	return stream_open(inode, file);

err_pending:
	free_percpu(ep->pending);
err_free:
	kfree(ep);
	return error;
}

/*
 * Removes an item of the tree; false when there is none. If the file of the item is in __fput(),
 * the hook removes the item, and finds it out of the tree already.
 */
static bool evpoll_remove_one(struct evpoll *ep)
{
	struct evpoll_item *item;
	struct file *watched;
	struct rb_node *node;
	bool got;

	spin_lock(&ep->tree_lock);
	node = ep->items.rb_node;
	if (!node) {
		spin_unlock(&ep->tree_lock);
		return false;
	}
	item = rb_entry(node, struct evpoll_item, node);
	rb_erase(node, &ep->items);
	RB_CLEAR_NODE(node);
	got = compat_file_tryget(item->file);
	watched = item->file;
	spin_unlock(&ep->tree_lock);

	if (got) {
		evpoll_item_remove(item);
		fput(watched);
	}
	return true;
}

static int evpoll_release(struct inode *inode, struct file *file)
{
	struct evpoll *ep = file->private_data;

	while (evpoll_remove_one(ep))
		cond_resched();
	evpoll_stats_del(ep);
	evpoll_moderate_end(ep);
	evpoll_put(ep);
	return 0;
}

/* Reads a structure that may have grown since its first version, see uapi/linux/evpoll.h. */
static __always_inline int evpoll_copy_arg(void *to, size_t size, unsigned int cmd,
					   const void __user *arg)
{
	if (_IOC_SIZE(cmd) == size)
		return evpoll_copy_words(to, arg, size);
	if (_IOC_SIZE(cmd) < size)
		return -EINVAL;
	return copy_struct_from_user(to, size, arg, _IOC_SIZE(cmd));
}

/*
 * The calls. Not inlined: evpoll_ioctl() needs no stack then, and each only its own.
 * evpoll_copy_arg() fills a structure or fails, so that it need not be cleared before.
 */
static noinline long evpoll_set_params(struct evpoll *ep, unsigned int cmd, const void __user *arg)
{
	struct evpoll_params params __uninitialized;
	int error;

	error = evpoll_copy_arg(&params, sizeof(params), cmd, arg);
	return error ?: evpoll_params_set(ep, &params);
}

/* Writes a structure; what the caller expects beyond it is zero. */
static long evpoll_copy_result(void __user *arg, unsigned int cmd, const void *from, size_t size)
{
	if (_IOC_SIZE(cmd) < size)
		return -EINVAL;
	if (copy_to_user(arg, from, size) || clear_user(arg + size, _IOC_SIZE(cmd) - size))
		return -EFAULT;
	return 0;
}

static noinline long evpoll_get_params(struct evpoll *ep, unsigned int cmd, void __user *arg)
{
	struct evpoll_params params;

	mutex_lock(&ep->mtx);
	params = ep->params;
	mutex_unlock(&ep->mtx);
	return evpoll_copy_result(arg, cmd, &params, sizeof(params));
}

static noinline long evpoll_get_stats(struct evpoll *ep, unsigned int cmd, void __user *arg)
{
	struct evpoll_stats stats;

	evpoll_stats_sum(ep, &stats);
	return evpoll_copy_result(arg, cmd, &stats, sizeof(stats));
}

static noinline long evpoll_ioctl_ctl(struct file *file, unsigned int cmd,
				      const void __user *arg)
{
	struct evpoll_ctl ctl __uninitialized;
	int error;

	error = evpoll_copy_arg(&ctl, sizeof(ctl), cmd, arg);
	if (error)
		return error;
	return ctl.result ? -EINVAL : evpoll_ctl(file, &ctl);
}

static noinline long evpoll_ioctl_ctlv(struct file *file, unsigned int cmd, void __user *arg)
{
	struct evpoll_ctlv ctlv __uninitialized;
	int error;

	error = evpoll_copy_arg(&ctlv, sizeof(ctlv), cmd, arg);
	if (error)
		return error;
	return evpoll_ctlv_is_wrong(&ctlv) ? -EINVAL : evpoll_ctlv(file, &ctlv, arg);
}

static noinline long evpoll_ioctl_wait(struct file *file, unsigned int cmd, void __user *arg)
{
	struct evpoll_wait wait __uninitialized;
	int error;

	error = evpoll_copy_arg(&wait, sizeof(wait), cmd, arg);
	return error ?: evpoll_wait(file, &wait, arg);
}

/* The number of a call without the size of its structure. */
#define EVPOLL_IOC_NR(cmd) ((cmd) & ~IOCSIZE_MASK)

static long evpoll_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct evpoll *ep = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (EVPOLL_IOC_NR(cmd)) {
	case EVPOLL_IOC_NR(EVPOLL_IOC_CTL):
		return evpoll_ioctl_ctl(file, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_WAIT):
		return evpoll_ioctl_wait(file, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_CTLV):
		return evpoll_ioctl_ctlv(file, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_SET_PARAMS):
		return evpoll_set_params(ep, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_GET_PARAMS):
		return evpoll_get_params(ep, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_GET_STATS):
		return evpoll_get_stats(ep, cmd, uarg);
	default:
		return -ENOTTY;
	}
}

/* One line, as epoll's; false when there is no item after (@watched, @fd). */
static bool evpoll_show_next(struct seq_file *m, struct evpoll *ep, struct file **watched,
			     int *fd)
{
	struct evpoll_item *item;
	struct inode *inode;

	lockdep_assert_held(&ep->mtx);
	spin_lock(&ep->tree_lock);
	item = evpoll_item_after(ep, *watched, *fd);
	if (item) {
		*watched = item->file;
		*fd = item->fd;
		inode = file_inode(item->file);
		seq_printf(m, "tfd: %8d events: %8x data: %16llx  pos:%lli ino:%llx sdev:%x\n",
			   item->fd, (__force u32)item->events, item->data,
			   (long long)item->file->f_pos, (u64)inode->i_ino, inode->i_sb->s_dev);
	}
	spin_unlock(&ep->tree_lock);
	return item;
}

static void evpoll_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct evpoll *ep = file->private_data;
	struct file *watched = NULL;
	int fd = -1;

	/* For events and data; the tree may still lose items. */
	mutex_lock(&ep->mtx);
	while (!seq_has_overflowed(m) && evpoll_show_next(m, ep, &watched, &fd))
		cond_resched();
	mutex_unlock(&ep->mtx);
	evpoll_stats_show(m, ep);
}

const struct file_operations evpoll_fops = {
	.owner = THIS_MODULE,
	.open = evpoll_open,
	.release = evpoll_release,
	.read = evpoll_read,
	.poll = evpoll_poll,
	.unlocked_ioctl = evpoll_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = evpoll_show_fdinfo,
};
