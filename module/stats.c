// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters of an instance. EVPOLL_IOC_GET_STATS and fdinfo show them, and
 * /sys/kernel/debug/evpoll/instances does for all instances.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "ring.h"
#include "stats.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* All instances that are open; the mutex protects the list. */
static DEFINE_MUTEX(evpoll_all_mutex);
static LIST_HEAD(evpoll_all);
static struct dentry *evpoll_debugfs;

/*
 * READ_ONCE() pairs with evpoll_count(). Those who count go on meanwhile.
 */
void evpoll_stats_sum(struct evpoll *ep, struct evpoll_stats *sum)
{
	const struct evpoll_counts *counts = &ep->counts;
	u64 pushed = atomic64_read(&ep->pushed);
	u64 direct = READ_ONCE(counts->direct);
	/* Pairs with smp_store_release() in evpoll_latency_on(). */
	const u64 *latency = smp_load_acquire(&ep->latency);
	/* Pairs with smp_store_release() in evpoll_ring_install(). */
	const struct evpoll_ring *ring = smp_load_acquire(&ep->ring);
	u64 news = ring ? atomic64_read(&ring->news) : 0;
	int i;

	memset(sum, 0, sizeof(*sum));
	sum->callbacks = READ_ONCE(counts->callbacks) + direct + pushed +
			 atomic64_read(&ep->repeated) + news;
	sum->queued = READ_ONCE(counts->queued) + direct + pushed;
	sum->polls = READ_ONCE(counts->polls);
	sum->exhausted = READ_ONCE(counts->exhausted);
	sum->inline_flushes = READ_ONCE(ep->waker_flushes) + direct;
	sum->timer_flushes = READ_ONCE(ep->timer_flushes);
	sum->wakeups = READ_ONCE(counts->wakeups);
	sum->reads = READ_ONCE(ep->reads);
	sum->delivered = READ_ONCE(ep->delivered);
	sum->spurious = READ_ONCE(ep->spurious);
	for (i = 0; latency && i < EVPOLL_LATENCY_SLOTS; i++)
		sum->latency[i] = READ_ONCE(latency[i]);
	if (ring) {
		sum->published = atomic64_read(&ring->tail);
		sum->harvested = READ_ONCE(ring->harvested);
	}
}

/*
 * Few instances measure latency, so only these have the counters. Caller holds the mutex, or is the
 * only one that has the instance.
 */
int evpoll_latency_on(struct evpoll *ep)
{
	u64 *latency;

	if (ep->latency)
		return 0;
	latency = kcalloc(EVPOLL_LATENCY_SLOTS, sizeof(*latency), GFP_KERNEL_ACCOUNT);
	if (!latency)
		return -ENOMEM;
	/* Pairs with smp_load_acquire() in evpoll_stats_sum(). */
	smp_store_release(&ep->latency, latency);
	return 0;
}

void evpoll_stats_show(struct seq_file *m, struct evpoll *ep)
{
	/* Pairs with smp_store_release() in evpoll_ring_install(). */
	const struct evpoll_ring *ring = smp_load_acquire(&ep->ring);
	struct evpoll_stats sum;
	int i;

	evpoll_stats_sum(ep, &sum);
	seq_printf(m, "callbacks: %llu\nqueued: %llu\npolls: %llu\nexhausted: %llu\n",
		   sum.callbacks, sum.queued, sum.polls, sum.exhausted);
	seq_printf(m, "inline_flushes: %llu\ntimer_flushes: %llu\nwakeups: %llu\n",
		   sum.inline_flushes, sum.timer_flushes, sum.wakeups);
	seq_printf(m, "reads: %llu\ndelivered: %llu\nspurious: %llu\n",
		   sum.reads, sum.delivered, sum.spurious);
	for (i = 0; i < EVPOLL_LATENCY_SLOTS; i++)
		if (sum.latency[i])
			seq_printf(m, "latency_ns %llu: %llu\n", 1ULL << i, sum.latency[i]);
	if (ring)
		seq_printf(m, "ring_slots: %u\npublished: %llu\nharvested: %llu\n",
			   ring->mask + 1, sum.published, sum.harvested);
}

/*
 * The process that opened the instance, as a number in the namespace of the task that reads. 0 if
 * it has ended, or is not visible there.
 */
static pid_t evpoll_opener_nr(const struct evpoll *ep)
{
	pid_t nr = 0;

	rcu_read_lock();
	if (pid_task(ep->pid, PIDTYPE_TGID))
		nr = pid_vnr(ep->pid);
	rcu_read_unlock();
	return nr;
}

static int evpoll_instances_show(struct seq_file *m, void *unused)
{
	struct evpoll *ep;

	mutex_lock(&evpoll_all_mutex);
	list_for_each_entry(ep, &evpoll_all, list) {
		seq_printf(m, "instance: %d %s\n", evpoll_opener_nr(ep), ep->opener);
		evpoll_stats_show(m, ep);
		seq_putc(m, '\n');
	}
	mutex_unlock(&evpoll_all_mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(evpoll_instances);

void evpoll_stats_add(struct evpoll *ep)
{
	get_task_comm(ep->opener, current);
	ep->pid = get_pid(task_tgid(current));
	mutex_lock(&evpoll_all_mutex);
	list_add_tail(&ep->list, &evpoll_all);
	mutex_unlock(&evpoll_all_mutex);
}

void evpoll_stats_del(struct evpoll *ep)
{
	mutex_lock(&evpoll_all_mutex);
	list_del(&ep->list);
	mutex_unlock(&evpoll_all_mutex);
	put_pid(ep->pid);
}

/* debugfs keeps its errors in the dentry, and nothing depends on them. */
void evpoll_stats_init(void)
{
	evpoll_debugfs = debugfs_create_dir("evpoll", NULL);
	debugfs_create_file("instances", 0400, evpoll_debugfs, NULL, &evpoll_instances_fops);
}

void evpoll_stats_exit(void)
{
	debugfs_remove(evpoll_debugfs);
}
