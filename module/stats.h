/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats.c: counters of an instance, and where they are shown.
 */
#ifndef EVPOLL_STATS_H
#define EVPOLL_STATS_H

#include "evpoll.h"

struct seq_file;

/*
 * Adds @n to a counter of an instance. Caller holds the lock of the counter. data_race(), because
 * READ_ONCE() in evpoll_stats_sum() takes no lock. The compiler can make one instruction of it,
 * which it does not for WRITE_ONCE().
 */
#define evpoll_count(counter, n) data_race(*(counter) += (n))

/* EVPOLL_IOC_GET_STATS: the counters of the instance. */
void evpoll_stats_sum(struct evpoll *ep, struct evpoll_stats *sum);

/* EVPOLL_LATENCY is being set. Returns 0 or -ENOMEM. */
int evpoll_latency_on(struct evpoll *ep);

/* The lines of fdinfo and debugfs. */
void evpoll_stats_show(struct seq_file *m, struct evpoll *ep);

/* Adds an instance to the list in debugfs when it is opened, and removes it at its release. */
void evpoll_stats_add(struct evpoll *ep);
void evpoll_stats_del(struct evpoll *ep);

void evpoll_stats_init(void);
void evpoll_stats_exit(void);

#endif /* EVPOLL_STATS_H */
