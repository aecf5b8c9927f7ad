// SPDX-License-Identifier: GPL-2.0-only
/*
 * Producer threads, and one consumer that waits. A file has at most one event at a time: the
 * producer sets @full and writes, the consumer reads and clears @full. So two events never become
 * one, and the mechanism delivers each of them.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "../../selftests/evpoll_task.h"

#define EACH	16	/* files of each producer */
#define EVENTS	4000	/* of all producers in one turn */

struct producer {
	pthread_t thread;
	struct set *set;
	int first;
	int events;
};

static atomic_bool full[MAX_FILES];

static void lt_setup(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN);
}

static void et_setup(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN | EPOLLET);
}

/* The consumer of a ring looks at it without a system call, and never sleeps. */
static void spin_setup(struct set *set)
{
	if (set->by->bit == EVPOLL_RING)
		set->block = false;
	et_setup(set);
}

static void *produce(void *arg)
{
	struct producer *p = arg;

	for (int at = 0, found = 0; p->events; at = (at + 1) % EACH) {
		int i = p->first + at;

		if (!at && !found)
			sched_yield();	/* all files are full */
		if (!at)
			found = 0;
		if (atomic_load(&full[i]))
			continue;
		atomic_store(&full[i], true);
		set_ready(p->set, i);
		found++;
		p->events--;
	}
	return NULL;
}

/* The consumer without a mechanism reads all flags, which needs no system call. */
static int consume_seen(struct set *set)
{
	int n = 0;

	for (int i = 0; i < set->n * EACH; i++) {
		/* the producer may not have written yet */
		if (!atomic_load(&full[i]) || !set_clear(set, i))
			continue;
		atomic_store(&full[i], false);
		n++;
	}
	if (!n)
		sched_yield();
	return n;
}

static int consume_waited(struct set *set)
{
	int n = set->by->wait(set);

	if (n < 0 && n != -EINTR)
		errx(1, "%s: wait: %s", set->by->name, strerror(-n));
	for (int i = 0; i < n; i++) {
		int index = set->got[i].data.u64;

		set_clear(set, index);
		atomic_store(&full[index], false);
	}
	if (!n)
		sched_yield();
	return n > 0 ? n : 0;
}

static int consume(struct set *set)
{
	return set->by->bit == NONE ? consume_seen(set) : consume_waited(set);
}

static void producers_turn(struct set *set, double *values)
{
	struct producer producers[MAX_SIZES];
	int left = EVENTS, waits = 0;
	uint64_t start = now_ns();

	for (int i = 0; i < set->n; i++) {
		producers[i] = (struct producer){
			.set = set, .first = i * EACH, .events = EVENTS / set->n,
		};
		if (pthread_create(&producers[i].thread, NULL, produce, &producers[i]))
			errx(1, "no thread");
	}
	while (left > 0) {
		left -= consume(set);
		waits++;
	}
	values[0] = EVENTS / ((now_ns() - start) / 1e6);
	values[1] = (double)EVENTS / waits;
	for (int i = 0; i < set->n; i++)
		pthread_join(producers[i].thread, NULL);
}

const struct bench_case cases_threads[] = {
	{ .name = "producers",
	  .what = "n threads write to eventfds, one waits and reads them; edge-triggered",
	  .mode = SMP, .by = NONE | IO_URING | REGISTERING | EVPOLL_RING, .n = { 1, 2, 4 },
	  .files = 4 * EACH, .block = true, .setup = spin_setup, .turn = producers_turn,
	  .unit = { "events/ms", "events/wait" } },
	{ .name = "producers-lt", .what = "the same, level-triggered",
	  .mode = SMP, .by = POLL | REGISTERING | EVPOLL_RING, .n = { 1, 2, 4 }, .files = 4 * EACH,
	  .block = true, .setup = lt_setup, .turn = producers_turn,
	  .unit = { "events/ms", "events/wait" } },
	{ }
};
