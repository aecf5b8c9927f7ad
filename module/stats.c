// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters of an instance. EVPOLL_IOC_GET_STATS and fdinfo show them, and
 * /sys/kernel/debug/evpoll/instances does for all instances.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "stats.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* All instances that are open; the mutex protects the list. */
static DEFINE_MUTEX(evpoll_all_mutex);
static LIST_HEAD(evpoll_all);
static struct dentry *evpoll_debugfs;

/*
 * Adds up the CPUs. The structure has nothing but u64 counters, so it is treated as an array.
 * READ_ONCE(), because the other CPUs keep counting with this_cpu_add().
 */
void evpoll_stats_sum(struct evpoll *ep, struct evpoll_stats *sum)
{
	u64 *to = (u64 *)sum;
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const u64 *from = (u64 *)&per_cpu_ptr(ep->pending, cpu)->stats;

		for (i = 0; i < sizeof(*sum) / sizeof(*to); i++)
			to[i] += READ_ONCE(from[i]);
	}
}

void evpoll_stats_show(struct seq_file *m, struct evpoll *ep)
{
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
}

static int evpoll_instances_show(struct seq_file *m, void *unused)
{
	struct evpoll *ep;

	mutex_lock(&evpoll_all_mutex);
	list_for_each_entry(ep, &evpoll_all, list) {
		seq_printf(m, "instance: %d %s\n", ep->pid, ep->opener);
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
	ep->pid = task_tgid_nr(current);
	mutex_lock(&evpoll_all_mutex);
	list_add_tail(&ep->list, &evpoll_all);
	mutex_unlock(&evpoll_all_mutex);
}

void evpoll_stats_del(struct evpoll *ep)
{
	mutex_lock(&evpoll_all_mutex);
	list_del(&ep->list);
	mutex_unlock(&evpoll_all_mutex);
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
