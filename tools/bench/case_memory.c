// SPDX-License-Identifier: GPL-2.0-only
/* R37: how much kernel memory a watched file takes. */
#include "bench.h"

/*
 * Bytes in the objects of all slab caches, and in the ring. The kernel counts per-CPU slabs as
 * full, so n must be large.
 */
static double object_bytes(void)
{
	double sum = 0, active, size;
	char line[512];
	FILE *f = fopen("/proc/slabinfo", "r");

	if (!f)
		err(1, "/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %lf %*s %lf", &active, &size) == 2)
			sum += active * size;
	fclose(f);
	return sum + ring_bytes();
}

/* Bytes in the pages of slab caches and of vmalloc(), which has tables too large for a cache */
static double page_bytes(void)
{
	double sum = 0, kb;
	char line[256];
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");

	/* The kernel counts per CPU. This write makes it add up the counts. */
	if (!f || fputs("1", f) < 0 || fclose(f))
		err(1, "/proc/sys/vm/stat_refresh");
	f = fopen("/proc/meminfo", "r");
	if (!f)
		err(1, "/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lf", &kb) == 1 ||
		    sscanf(line, "VmallocUsed: %lf", &kb) == 1)
			sum += kb * 1024;
	fclose(f);
	return sum;
}

/* The instance is new each time, because a ring has its memory from the beginning. */
static void objects(const struct bench_case *c, struct set *set)
{
	double values[5], before, spread, value;

	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		set->by->close(set);
		sleep(1);	/* until RCU has freed the memory */
		before = object_bytes();
		set_open_instance(set);
		set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN);
		values[i] = (object_bytes() - before) / set->n;
		set_ctl_all(set, EPOLL_CTL_DEL, 0);
	}
	value = median(values, ARRAY_SIZE(values), &spread);
	result(c, set, "bytes", value, spread);
}

/* Only the first ADDs take new pages, because freed objects leave pages that are used again. */
static void pages(const struct bench_case *c, struct set *set)
{
	double before = page_bytes();

	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN);
	result(c, set, "bytes", (page_bytes() - before) / set->n, 0);
}

const struct bench_case cases_memory[] = {
	{ .name = "memory-pages",
	  .what = "memory of a watch in whole pages, with the tables that find it; n are watched",
	  .by = EPOLL | EVPOLL_READ, .n = { 10000 }, .measure = pages },
	{ .name = "memory",
	  .what = "memory of a watch: objects in slab caches, and the ring; n are watched",
	  .by = EPOLL | EVPOLL_READ | EVPOLL_RING, .n = { 10000, 16384 }, .measure = objects },
	{ }
};
