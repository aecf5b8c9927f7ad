// SPDX-License-Identifier: GPL-2.0-only
/* Waits that do not sleep, because a file is ready or because the timeout is 0. */
#include "bench.h"

static void wait_run(struct set *set)
{
	set->by->wait(set);
}

static void lt_setup(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN);
}

static void make_ready(struct set *set)
{
	for (int i = 0; i < set->n; i++)
		set_ready(set, i);
}

static void ready_setup(struct set *set)
{
	lt_setup(set);
	make_ready(set);
}

static void ready_run(struct set *set)
{
	wait_for(set, set->n);
}

static void et_setup(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN | EPOLLET);
}

static void make_and_wait(struct set *set)
{
	make_ready(set);
	wait_for(set, set->n);
}

static void clear_all(struct set *set)
{
	for (int i = 0; i < set->n; i++)
		set_clear(set, i);
}

/* Afterwards the mechanism knows that no file is ready. */
static void forget(struct set *set)
{
	clear_all(set);
	drain(set);
}

/* The last run has filled in all events, and as a check of this they are cleared again. */
static void harvest_check(struct set *set)
{
	int n = 0;

	while (n < set->n && set->got[n].events)
		set->got[n++].events = 0;
	expect(set, n, set->n);
}

/* The files become ready again before each run: only a wake callback puts an event into a ring. */
static void harvest_prepare(struct set *set)
{
	if (set->at++)
		harvest_check(set);
	forget(set);
	make_ready(set);
}

/*
 * evpoll_ring_wait() makes a system call after 16 harvests of level-triggered events. It returns
 * those of this turn.
 */
#define TURNS 17

static void loop_run(struct set *set)
{
	for (int i = 0; i < TURNS; i++) {
		make_and_wait(set);
		clear_all(set);
	}
}

static void oneshot_setup(struct set *set)
{
	make_ready(set);
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN | EPOLLONESHOT);
}

static void oneshot_run(struct set *set)
{
	int n = set->by->wait(set);

	expect(set, n, set->n);
	for (int i = 0; i < n; i++)
		set_ctl(set, EPOLL_CTL_MOD, set->got[i].data.u64, EPOLLIN | EPOLLONESHOT);
}

static void oneshot_batch_setup(struct set *set)
{
	oneshot_setup(set);
	ready_run(set);
}

static void oneshot_batch_run(struct set *set)
{
	expect(set, set_rearm_wait(set, set->n, EPOLLIN | EPOLLONESHOT), set->n);
}

const struct bench_case cases_wait[] = {
	{ .name = "nothing-ready", .what = "a wait with timeout 0, nothing of n is ready",
	  .by = ALL | EVPOLL_RING, .n = { 1, 64 }, .setup = lt_setup, .run = wait_run },
	{ .name = "look", .what = "the same, evpoll-ring by the harvest alone",
	  .by = EPOLL | EVPOLL_WAIT | EVPOLL_RING, .n = { 1 }, .setup = lt_setup },
	{ .name = "ready-lt", .what = "a wait that returns n events, level-triggered",
	  .by = (ALL & ~IO_URING) | EVPOLL_RING, .n = { 1, 64 }, .calls = 1, .block = true,
	  .setup = ready_setup, .run = ready_run },
	{ .name = "ready-et", .what = "a wait that returns n events, edge-triggered",
	  .by = IO_URING | REGISTERING | EVPOLL_RING, .n = { 1, 64 }, .block = true,
	  .setup = et_setup, .prepare = make_ready, .run = ready_run },
	{ .name = "harvest-lt",
	  .what = "n new events taken, level-triggered; for one of them. evpoll-ring makes no call",
	  .by = EPOLL | EVPOLL_WAIT | EVPOLL_RING, .n = { 1, 64 }, .each = true,
	  .setup = lt_setup, .prepare = harvest_prepare },
	{ .name = "harvest-et", .what = "the same, edge-triggered",
	  .by = EPOLL | EVPOLL_WAIT | EVPOLL_RING, .n = { 1, 64 }, .each = true,
	  .setup = et_setup, .prepare = harvest_prepare },
	{ .name = "wake-et",
	  .what = "write() to a watched eventfd, edge-triggered: the wake callback's side",
	  .by = IO_URING | REGISTERING | EVPOLL_RING, .n = { 1, 64 }, .each = true,
	  .setup = et_setup, .prepare = wait_run, .run = make_ready },
	{ .name = "wake-lt", .what = "the same, level-triggered",
	  .by = REGISTERING | EVPOLL_RING, .n = { 1, 64 }, .each = true,
	  .setup = lt_setup, .prepare = forget, .run = make_ready },
	{ .name = "loop",
	  .what = "write() to n eventfds, wait, read() them, level-triggered; for one of them",
	  .by = EPOLL | EVPOLL_WAIT | EVPOLL_RING, .n = { 1, 64 }, .each = true, .times = TURNS,
	  .calls = 1, .block = true, .setup = lt_setup, .run = loop_run },
	{ .name = "read-uring",
	  .what = "write() to n watched eventfds, edge-triggered, then all events; for one of them",
	  .by = EPOLL | IO_URING | EVPOLL_WAIT | EVPOLL_URING | EVPOLL_RING,
	  .n = { 1, 64 }, .each = true, .block = true, .setup = et_setup, .run = make_and_wait },
	{ .name = "oneshot", .what = "EPOLLONESHOT, an event: wait, re-arm one by one",
	  .by = REGISTERING, .n = { 1, 64 }, .each = true, .block = true,
	  .setup = oneshot_setup, .run = oneshot_run },
	{ .name = "oneshot-batch",
	  .what = "EPOLLONESHOT, an event: re-arm and wait, in one call where there is one",
	  .by = EPOLL | EVPOLL_WAIT, .n = { 1, 64 }, .each = true, .block = true,
	  .setup = oneshot_batch_setup, .run = oneshot_batch_run },
	{ }
};
