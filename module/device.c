// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file /dev/evpoll: each open makes an instance, and the last close releases it.
 */
#include <linux/err.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "compat.h"
#include "device.h"
#include "instance.h"
#include "ioctl.h"
#include "item.h"
#include "moderate.h"
#include "poll.h"
#include "ring.h"
#include "sigio.h"
#include "stats.h"
#include "uring.h"
#include "wait.h"

static int evpoll_open(struct inode *inode, struct file *file)
{
	struct evpoll *ep = evpoll_alloc();
	int error;

	if (IS_ERR(ep))
		return PTR_ERR(ep);
	error = evpoll_params_default(ep);
	if (error) {
		evpoll_put(ep);
		return error;
	}
	evpoll_moderate_init(ep);
	file->private_data = ep;
	evpoll_stats_add(ep);
	/*
	 * As for an epoll file, lseek() does nothing, pread() and pwrite() fail, and F_GETFL does
	 * not show O_LARGEFILE, which open() sets in 64-bit programs.
	 */
	file->f_mode &= ~(FMODE_PREAD | FMODE_PWRITE);
	file->f_mode |= FMODE_STREAM;
	/* io_uring tries a read, and polls the instance if there is no event yet. */
	file->f_mode |= FMODE_NOWAIT;
	file->f_flags &= ~O_LARGEFILE;
	return 0;
}

/*
 * Removes one item of the tree. Returns false when the tree is empty. If __fput() of the item's
 * file is running, the close hook removes the item, which has left the tree here.
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

	/*
	 * __fput() has done this if O_ASYNC is set. Two calls of F_SETFL at the same time can clear
	 * the flag and leave the rest.
	 */
	if (ep->sigio)
		evpoll_fasync(-1, file, false);
	while (evpoll_remove_one(ep))
		cond_resched();
	evpoll_stats_del(ep);
	evpoll_moderate_end(ep);
	evpoll_put(ep);
	return 0;
}

/*
 * Prints the item after (@watched, @fd) as one line, in epoll's format, and moves the pair to it.
 * Returns false when there is none.
 */
static bool evpoll_show_next(struct seq_file *m, struct evpoll *ep, struct file **watched,
			     int *fd)
{
	struct evpoll_item *item;
	struct inode *inode;
	__poll_t events;

	lockdep_assert_held(&ep->mtx);
	spin_lock(&ep->tree_lock);
	item = evpoll_item_after(ep, *watched, *fd);
	if (item) {
		*watched = item->file;
		*fd = item->fd;
		inode = file_inode(item->file);
		events = item->events;
		/* The ring has told of its event. */
		if (test_bit(EVPOLL_FIRED, &item->state))
			events &= EVPOLL_PRIVATE_BITS;
		seq_printf(m, "tfd: %8d events: %8x data: %16llx  pos:%lli ino:%llx sdev:%x\n",
			   item->fd, (__force u32)events, item->data,
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

	/* The mutex keeps masks and data. The close hook may remove items meanwhile. */
	mutex_lock(&ep->mtx);
	while (!seq_has_overflowed(m) && evpoll_show_next(m, ep, &watched, &fd))
		cond_resched();
	mutex_unlock(&ep->mtx);
	evpoll_stats_show(m, ep);
}

static const struct file_operations evpoll_fops = {
	.owner = THIS_MODULE,
	.open = evpoll_open,
	.release = evpoll_release,
	.llseek = noop_llseek,
	.read = evpoll_read,
	.read_iter = evpoll_read_iter,
	.poll = evpoll_poll,
	.mmap = evpoll_mmap,
	.unlocked_ioctl = evpoll_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = evpoll_uring_cmd,
	.fasync = evpoll_fasync,
	.show_fdinfo = evpoll_show_fdinfo,
};

static struct miscdevice evpoll_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "evpoll",
	.fops = &evpoll_fops,
	.mode = 0666,
};

int evpoll_device_init(void)
{
	return misc_register(&evpoll_device);
}

void evpoll_device_exit(void)
{
	misc_deregister(&evpoll_device);
}
