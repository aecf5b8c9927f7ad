/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats.c: counters of an instance, and where they are shown.
 */
#ifndef EVPOLL_STATS_H
#define EVPOLL_STATS_H

#include <linux/percpu.h>

#include "evpoll.h"

struct seq_file;

/* Adds @n to a counter of struct evpoll_stats. In any context. */
#define evpoll_count(ep, counter, n) this_cpu_add((ep)->pending->stats.counter, n)

/* EVPOLL_IOC_GET_STATS: the sum over all CPUs. */
void evpoll_stats_sum(struct evpoll *ep, struct evpoll_stats *sum);

/* The lines of fdinfo and debugfs. */
void evpoll_stats_show(struct seq_file *m, struct evpoll *ep);

/* Adds an instance to the list in debugfs when it is opened, and removes it at its release. */
void evpoll_stats_add(struct evpoll *ep);
void evpoll_stats_del(struct evpoll *ep);

void evpoll_stats_init(void);
void evpoll_stats_exit(void);

#endif /* EVPOLL_STATS_H */
