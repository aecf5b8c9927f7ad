// SPDX-License-Identifier: GPL-2.0-only
/*
 * A source of wakeups: see evpoll_source.h.
 *
 * A burst holds references on its lines, not on their files, so that close(2) releases a file as
 * usual. It lives as long as the file of the line on which it was started. This file holds the
 * module, so no burst runs after the last close. The next burst of the line reuses the memory if
 * that is large enough, so that each burst costs the same.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
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
 * @ref: held by its file, and by the bursts that it is part of
 * @wait: its wait queue, whose lock protects @event
 * @event: what the next read() returns
 * @mutex: protects @burst, one ioctl at a time
 * @burst: the last burst that was started on this line, or NULL
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
 * @arg: the arguments of the ioctl
 * @left: number of events that have not happened yet; 0: the burst has ended
 * @released: number of events that are due or have happened
 * @due: number of due events that the NAPI poll has not handled yet
 * @irq: the first interrupt, see source_begin()
 * @timer: all events of EVPOLL_SOURCE_SOFTIRQ; in other contexts the events after @irq. PREEMPT_RT
 *	uses it instead of @irq
 * @napi: for EVPOLL_SOURCE_NAPI
 * @polls: @napi is enabled
 * @rcu: frees the burst
 * @room: number of lines that fit into @lines
 * @lines: arg.nr lines, then NULL
 *
 * The context of the burst uses @arg, @released, @due and @left; others read @left too. The task
 * that starts or stops the burst uses the other fields.
 */
struct source_burst {
	struct evpoll_source_burst arg;
	u64 left;
	u64 released;
	atomic_t due;
	struct irq_work irq;
	struct hrtimer timer;
	struct napi_struct napi;
	bool polls;
	struct rcu_head rcu;
	u32 room;
	struct source_line *lines[];
};

static struct net_device *source_netdev;
/* Protects the device's list of NAPI contexts, which has no lock for its writers. */
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

/* Get a reference on the line of @fd; NULL if @fd is not a line. */
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

/* Not ndelay(), because it depends on its calibration at boot. @first_ns has this clock too. */
static void source_work(u64 ns)
{
	u64 end = ktime_get_ns() + ns;

	while (ktime_get_ns() < end)
		cpu_relax();
}

/* Make one event, on the line whose turn it is. */
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
	/* Pairs with READ_ONCE() in source_burst_start(). */
	WRITE_ONCE(burst->left, burst->left - 1);
}

/* Like the driver of a NIC: handle all due events, up to the budget. */
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

/* Make the next events due. Returns the time until the ones after them. */
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

/* Runs in an interrupt or in the softirq of a timer. Returns the time until the next events. */
static u64 source_go_on(struct source_burst *burst)
{
	u32 events;
	u64 gap = source_release(burst, &events);

	if (burst->arg.context == EVPOLL_SOURCE_NAPI) {
		atomic_add(events, &burst->due);
		napi_schedule(&burst->napi);
	} else {
		while (events--)
			source_fire(burst);
	}
	return gap;
}

static enum hrtimer_restart source_timer(struct hrtimer *timer)
{
	struct source_burst *burst = container_of(timer, struct source_burst, timer);
	u64 gap = source_go_on(burst);

	if (source_released_all(burst))
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(gap));
	return HRTIMER_RESTART;
}

/*
 * A mode without _SOFT or _HARD runs the timer in the interrupt, and on PREEMPT_RT in a thread, as
 * for a NIC.
 */
static enum hrtimer_mode source_timer_mode(const struct source_burst *burst)
{
	return burst->arg.context == EVPOLL_SOURCE_SOFTIRQ ? HRTIMER_MODE_REL_PINNED_SOFT :
							     HRTIMER_MODE_REL_PINNED;
}

static void source_timer_start(struct source_burst *burst, u64 ns)
{
	hrtimer_start(&burst->timer, ns_to_ktime(ns), source_timer_mode(burst));
}

static void source_irq(struct irq_work *irq)
{
	struct source_burst *burst = container_of(irq, struct source_burst, irq);
	u64 gap = source_go_on(burst);

	if (!source_released_all(burst))
		source_timer_start(burst, gap);
}

/*
 * Runs on the processor on which the events happen. The first interrupt is an irq_work, because the
 * delay until a timer's interrupt depends on the clock device and differs from boot to boot.
 * PREEMPT_RT would run the irq_work in a thread that is unlike that of a NIC, so it uses the timer.
 */
static void source_begin(void *arg)
{
	struct source_burst *burst = arg;

	if (burst->arg.context == EVPOLL_SOURCE_SOFTIRQ || IS_ENABLED(CONFIG_PREEMPT_RT))
		source_timer_start(burst, 0);
	else
		irq_work_queue(&burst->irq);
}

static int source_begin_there(struct source_burst *burst)
{
	if (burst->arg.context == EVPOLL_SOURCE_NAPI) {
		if (!burst->napi.dev) {
			mutex_lock(&source_napi_mutex);
			netif_napi_add_tx(source_netdev, &burst->napi, source_napi_poll);
			mutex_unlock(&source_napi_mutex);
		}
		napi_enable(&burst->napi);
		burst->polls = true;
	}
	if (burst->arg.cpu >= 0)
		return smp_call_function_single(burst->arg.cpu, source_begin, burst, true);
	source_begin(burst);
	return 0;
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

/* Stop the burst. Even if its last event has happened, its timer or poll may still run. */
static void source_burst_stop(struct source_burst *burst)
{
	u32 i;

	/*
	 * The irq_work starts the timer, and both schedule the NAPI poll, so stop them in this
	 * order. PREEMPT_RT never queues the irq_work, and its irq_work_sync() would wait for RCU.
	 */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		irq_work_sync(&burst->irq);
	hrtimer_cancel(&burst->timer);
	if (burst->polls)
		napi_disable(&burst->napi);
	burst->polls = false;
	burst->left = 0;
	for (i = 0; i < burst->room && burst->lines[i]; i++) {
		source_line_put(burst->lines[i]);
		burst->lines[i] = NULL;
	}
}

static void source_burst_free(struct source_burst *burst)
{
	if (!burst)
		return;
	source_burst_stop(burst);
	if (burst->napi.dev) {
		mutex_lock(&source_napi_mutex);
		__netif_napi_del(&burst->napi);
		mutex_unlock(&source_napi_mutex);
	}
	/* RCU readers may still use the NAPI context. */
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

static struct source_burst *source_burst_alloc(u32 nr)
{
	struct source_burst *burst = kzalloc(struct_size(burst, lines, nr), GFP_KERNEL);

	if (!burst)
		return NULL;
	burst->room = nr;
	init_irq_work(&burst->irq, source_irq);
	return burst;
}

/* Get a burst that is stopped and has no lines yet. Caller holds line->mutex. */
static struct source_burst *source_burst_get(struct source_line *line,
					     const struct evpoll_source_burst *arg)
{
	struct source_burst *burst = line->burst;

	if (burst && burst->room >= arg->nr) {
		source_burst_stop(burst);
	} else {
		burst = source_burst_alloc(arg->nr);
		if (!burst)
			return NULL;
		source_burst_free(line->burst);
		line->burst = burst;
	}
	burst->arg = *arg;
	burst->released = 0;
	atomic_set(&burst->due, 0);
	hrtimer_setup(&burst->timer, source_timer, CLOCK_MONOTONIC, source_timer_mode(burst));
	return burst;
}

static int source_burst_fill(struct source_burst *burst)
{
	const s32 __user *fds = u64_to_user_ptr(burst->arg.fds);
	u32 i;
	s32 fd;

	for (i = 0; i < burst->arg.nr; i++) {
		if (get_user(fd, fds + i))
			return -EFAULT;
		burst->lines[i] = source_line_get(fd);
		if (!burst->lines[i])
			return -EBADF;
	}
	burst->left = (u64)burst->arg.nr * burst->arg.repeat;
	return 0;
}

/* Caller holds line->mutex. */
static int source_burst_start(struct source_line *line, const struct evpoll_source_burst *arg)
{
	struct source_burst *burst;
	int error;

	/* Pairs with WRITE_ONCE() in source_fire(). */
	if (line->burst && READ_ONCE(line->burst->left))
		return -EBUSY;
	burst = source_burst_get(line, arg);
	if (!burst)
		return -ENOMEM;
	error = source_burst_fill(burst);
	if (!error)
		error = arg->context == EVPOLL_SOURCE_PROCESS ? source_run_here(burst) :
								source_begin_there(burst);
	if (error || arg->context == EVPOLL_SOURCE_PROCESS)
		source_burst_stop(burst);
	return error;
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
	/* root only, because a burst can keep a processor busy */
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
	/* The tracepoint at the end of a NAPI poll reads the name of the device. */
	synchronize_net();
	free_netdev(source_netdev);
}

module_init(source_init);
module_exit(source_exit);

MODULE_DESCRIPTION("wakeups from a chosen context, to test and to measure");
MODULE_AUTHOR("The evpoll authors");
MODULE_LICENSE("GPL");
