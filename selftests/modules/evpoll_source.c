// SPDX-License-Identifier: GPL-2.0-only
/*
 * A source of wakeups: see evpoll_source.h.
 *
 * A burst holds references on its lines, not on their files, so that close(2) ends a file as it
 * does elsewhere. It lives as long as the file of the line it was started on, and that file
 * holds the module: nothing goes on after the last close.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/math64.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "evpoll_source.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
static struct net_device *alloc_netdev_dummy(int unused)
{
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
}

#define free_netdev(dev) kfree(dev)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*fn)(struct hrtimer *),
			  clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}
#endif

/**
 * struct source_line - an open of the device
 * @ref: its file, and bursts that it is in
 * @wait: its lock protects @event
 * @event: what read() returns next
 * @mutex: for @burst, one ioctl at a time
 * @burst: the burst that was started on this line, or NULL
 */
struct source_line {
	struct kref ref;
	wait_queue_head_t wait;
	struct evpoll_source_event event;
	struct mutex mutex;	/* @burst */
	struct source_burst *burst;
};

/**
 * struct source_burst - see struct evpoll_source_burst
 * @arg: as the caller gave it
 * @left: events to come; 0: the burst is over
 * @released: events that the timer has let go
 * @due: of these, those that the NAPI poll has still to do
 * @timer: for all contexts but EVPOLL_SOURCE_PROCESS
 * @napi: for EVPOLL_SOURCE_NAPI
 * @rcu: frees it
 * @lines: arg.nr lines
 *
 * The fields belong to the context that it runs in; only @left is read elsewhere.
 */
struct source_burst {
	struct evpoll_source_burst arg;
	u64 left;
	u64 released;
	atomic_t due;
	struct hrtimer timer;
	struct napi_struct napi;
	struct rcu_head rcu;
	struct source_line *lines[];
};

static struct net_device *source_netdev;
/* For its list of NAPI contexts, which is not made for changes by several at once */
static DEFINE_MUTEX(source_napi_mutex);
static const struct file_operations source_fops;

static void source_line_free(struct kref *ref)
{
	kfree(container_of(ref, struct source_line, ref));
}

static void source_line_put(struct source_line *line)
{
	kref_put(&line->ref, source_line_free);
}

/* A reference on the line that @fd is, or NULL. */
static struct source_line *source_line_get(int fd)
{
	struct source_line *line = NULL;
	struct file *file = fget(fd);

	if (!file)
		return NULL;
	if (file->f_op == &source_fops) {
		line = file->private_data;
		kref_get(&line->ref);
	}
	fput(file);
	return line;
}

/* By the clock that @first_ns is of: ndelay() is as long as it was calibrated at boot. */
static void source_work(u64 ns)
{
	u64 end = ktime_get_ns() + ns;

	while (ktime_get_ns() < end)
		cpu_relax();
}

/* One event, on the line whose turn it is. */
static void source_fire(struct source_burst *burst)
{
	u64 total = (u64)burst->arg.nr * burst->arg.repeat;
	struct source_line *line;
	unsigned long flags;
	u32 at;

	if (burst->arg.work_ns)
		source_work(burst->arg.work_ns);
	div_u64_rem(total - burst->left, burst->arg.nr, &at);
	line = burst->lines[at];
	spin_lock_irqsave(&line->wait.lock, flags);
	if (!line->event.count)
		line->event.first_ns = ktime_get_ns();
	/* Pairs with READ_ONCE() in source_poll(). */
	WRITE_ONCE(line->event.count, line->event.count + 1);
	wake_up_locked_poll(&line->wait, EPOLLIN | EPOLLRDNORM);
	spin_unlock_irqrestore(&line->wait.lock, flags);
	WRITE_ONCE(burst->left, burst->left - 1);
}

/* As a NIC's driver: up to the budget, and all that is there. */
static int source_napi_poll(struct napi_struct *napi, int budget)
{
	struct source_burst *burst = container_of(napi, struct source_burst, napi);
	int done = 0;

	while (done < budget && atomic_dec_if_positive(&burst->due) >= 0) {
		source_fire(burst);
		done++;
	}
	if (done < budget)
		napi_complete_done(napi, done);
	return done;
}

/* Lets the next events go; returns the time until the next ones after them. */
static u64 source_release(struct source_burst *burst, u32 *events)
{
	u32 at;

	*events = burst->arg.spacing_ns ? 1 : burst->arg.nr;
	burst->released += *events;
	div_u64_rem(burst->released, burst->arg.nr, &at);
	return at ? burst->arg.spacing_ns : burst->arg.pause_ns;
}

static bool source_released_all(const struct source_burst *burst)
{
	return burst->released == (u64)burst->arg.nr * burst->arg.repeat;
}

static enum hrtimer_restart source_timer(struct hrtimer *timer)
{
	struct source_burst *burst = container_of(timer, struct source_burst, timer);
	u32 events;
	u64 gap = source_release(burst, &events);

	if (burst->arg.context == EVPOLL_SOURCE_NAPI) {
		atomic_add(events, &burst->due);
		napi_schedule(&burst->napi);
	} else {
		while (events--)
			source_fire(burst);
	}
	if (source_released_all(burst))
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(gap));
	return HRTIMER_RESTART;
}

/* Neither _SOFT nor _HARD: in the interrupt; on PREEMPT_RT in a thread, as a NIC's. */
static enum hrtimer_mode source_timer_mode(const struct source_burst *burst)
{
	return burst->arg.context == EVPOLL_SOURCE_SOFTIRQ ? HRTIMER_MODE_REL_PINNED_SOFT :
							     HRTIMER_MODE_REL_PINNED;
}

/* On the processor that the burst is to come from. */
static void source_timer_start(void *arg)
{
	struct source_burst *burst = arg;

	hrtimer_start(&burst->timer, 0, source_timer_mode(burst));
}

static int source_start_timer(struct source_burst *burst)
{
	if (burst->arg.context == EVPOLL_SOURCE_NAPI) {
		mutex_lock(&source_napi_mutex);
		netif_napi_add_tx(source_netdev, &burst->napi, source_napi_poll);
		mutex_unlock(&source_napi_mutex);
		napi_enable(&burst->napi);
	}
	if (burst->arg.cpu < 0) {
		source_timer_start(burst);
		return 0;
	}
	return smp_call_function_single(burst->arg.cpu, source_timer_start, burst, true);
}

static int source_run_here(struct source_burst *burst)
{
	u32 events;

	while (!source_released_all(burst)) {
		ktime_t gap = ns_to_ktime(source_release(burst, &events));

		while (events--)
			source_fire(burst);
		if (signal_pending(current))
			return burst->left ? -EINTR : 0;
		if (burst->left && gap) {
			set_current_state(TASK_INTERRUPTIBLE);
			schedule_hrtimeout(&gap, HRTIMER_MODE_REL);
		}
		cond_resched();
	}
	return 0;
}

/* Ends the burst if it goes on. */
static void source_burst_free(struct source_burst *burst)
{
	u32 i;

	if (!burst)
		return;
	hrtimer_cancel(&burst->timer);
	if (burst->napi.dev) {
		napi_disable(&burst->napi);
		mutex_lock(&source_napi_mutex);
		__netif_napi_del(&burst->napi);
		mutex_unlock(&source_napi_mutex);
	}
	for (i = 0; i < burst->arg.nr && burst->lines[i]; i++)
		source_line_put(burst->lines[i]);
	/* Of those who may still look at the NAPI context. */
	kfree_rcu(burst, rcu);
}

static int source_check(const struct evpoll_source_burst *arg)
{
	if (!arg->nr || arg->nr > EVPOLL_SOURCE_MAX_LINES || !arg->repeat ||
	    arg->context >= EVPOLL_SOURCE_CONTEXTS ||
	    arg->spacing_ns > EVPOLL_SOURCE_MAX_NS || arg->pause_ns > EVPOLL_SOURCE_MAX_NS ||
	    arg->work_ns > EVPOLL_SOURCE_MAX_WORK_NS)
		return -EINVAL;
	if (arg->cpu < -1 || arg->cpu >= (s32)nr_cpu_ids ||
	    (arg->cpu >= 0 && (arg->context == EVPOLL_SOURCE_PROCESS || !cpu_online(arg->cpu))))
		return -EINVAL;
	if (arg->context == EVPOLL_SOURCE_HARDIRQ && IS_ENABLED(CONFIG_PREEMPT_RT))
		return -EOPNOTSUPP;
	return 0;
}

static struct source_burst *source_burst_alloc(const struct evpoll_source_burst *arg)
{
	const s32 __user *fds = u64_to_user_ptr(arg->fds);
	struct source_burst *burst;
	int error = 0;
	u32 i;
	s32 fd;

	burst = kzalloc(struct_size(burst, lines, arg->nr), GFP_KERNEL);
	if (!burst)
		return ERR_PTR(-ENOMEM);
	burst->arg = *arg;
	burst->left = (u64)arg->nr * arg->repeat;
	hrtimer_setup(&burst->timer, source_timer, CLOCK_MONOTONIC, source_timer_mode(burst));
	for (i = 0; i < arg->nr && !error; i++) {
		if (get_user(fd, fds + i)) {
			error = -EFAULT;
			break;
		}
		burst->lines[i] = source_line_get(fd);
		if (!burst->lines[i])
			error = -EBADF;
	}
	if (error) {
		source_burst_free(burst);
		return ERR_PTR(error);
	}
	return burst;
}

/* Caller holds line->mutex. */
static int source_burst_start(struct source_line *line, const struct evpoll_source_burst *arg)
{
	struct source_burst *burst;
	int error;

	if (line->burst && READ_ONCE(line->burst->left))
		return -EBUSY;
	burst = source_burst_alloc(arg);
	if (IS_ERR(burst))
		return PTR_ERR(burst);
	if (arg->context == EVPOLL_SOURCE_PROCESS)
		error = source_run_here(burst);
	else
		error = source_start_timer(burst);
	if (error || arg->context == EVPOLL_SOURCE_PROCESS) {
		source_burst_free(burst);
		return error;
	}
	/* It is over, but perhaps not yet out of its timer or poll. */
	source_burst_free(line->burst);
	line->burst = burst;
	return 0;
}

static long source_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct source_line *line = file->private_data;
	struct evpoll_source_burst arg;
	int error;

	if (cmd != EVPOLL_SOURCE_IOC_BURST)
		return -ENOTTY;
	if (copy_from_user(&arg, (void __user *)user, sizeof(arg)))
		return -EFAULT;
	error = source_check(&arg);
	if (error)
		return error;
	if (!mutex_trylock(&line->mutex))
		return -EBUSY;
	error = source_burst_start(line, &arg);
	mutex_unlock(&line->mutex);
	return error;
}

static ssize_t source_read(struct file *file, char __user *buf, size_t size, loff_t *ppos)
{
	struct source_line *line = file->private_data;
	struct evpoll_source_event event;

	if (size < sizeof(event.count))
		return -EINVAL;
	size = size < sizeof(event) ? sizeof(event.count) : sizeof(event);
	spin_lock_irq(&line->wait.lock);
	event = line->event;
	/* Pairs with READ_ONCE() in source_poll(). */
	WRITE_ONCE(line->event.count, 0);
	spin_unlock_irq(&line->wait.lock);
	if (!event.count)
		return -EAGAIN;
	return copy_to_user(buf, &event, size) ? -EFAULT : size;
}

static __poll_t source_poll(struct file *file, poll_table *pt)
{
	struct source_line *line = file->private_data;

	poll_wait(file, &line->wait, pt);
	/* Pairs with WRITE_ONCE() in source_fire() and source_read(). */
	return READ_ONCE(line->event.count) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int source_open(struct inode *inode, struct file *file)
{
	struct source_line *line = kzalloc(sizeof(*line), GFP_KERNEL);

	if (!line)
		return -ENOMEM;
	kref_init(&line->ref);
	init_waitqueue_head(&line->wait);
	mutex_init(&line->mutex);
	file->private_data = line;
	return stream_open(inode, file);
}

static int source_close(struct inode *inode, struct file *file)
{
	struct source_line *line = file->private_data;

	source_burst_free(line->burst);
	source_line_put(line);
	return 0;
}

static const struct file_operations source_fops = {
	.owner = THIS_MODULE,
	.open = source_open,
	.release = source_close,
	.read = source_read,
	.poll = source_poll,
	.unlocked_ioctl = source_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice source_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "evpoll_source",
	.fops = &source_fops,
	/* It takes processors away from all others. */
	.mode = 0600,
};

static int __init source_init(void)
{
	int error;

	source_netdev = alloc_netdev_dummy(0);
	if (!source_netdev)
		return -ENOMEM;
	error = misc_register(&source_device);
	if (error)
		free_netdev(source_netdev);
	return error;
}

static void __exit source_exit(void)
{
	misc_deregister(&source_device);
	free_netdev(source_netdev);
}

module_init(source_init);
module_exit(source_exit);

MODULE_DESCRIPTION("wakeups from a chosen context, to test and to measure");
MODULE_AUTHOR("The evpoll authors");
MODULE_LICENSE("GPL");
