// SPDX-License-Identifier: GPL-2.0-only
/* Many files are watched, few or all of them are ready. */
#include "bench.h"

static void watch(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN);
}

/*
 * R7, R40, the classic table: one of the files is active at a time. poll() and select() queue the
 * caller on each file in front of the active one, so the cost depends on its place. PLACES files,
 * spread over the set, take turns to be the active one in each run.
 */
#define PLACES 16

static void classic_one(struct set *set, int place)
{
	int active = (place * 2 + 1) * set->files / (2 * PLACES);

	set_ready(set, active);
	if (set->by->wait(set) != 1 || set->got[0].data.u64 != active)
		errx(1, "%s: not the event that was made", set->by->name);
	set_clear(set, active);
}

static void classic_run(struct set *set)
{
	for (int i = 0; i < PLACES; i++)
		classic_one(set, i * 5 % PLACES);
}

/* The index of one of n files that are spread over the set */
static int spread(struct set *set, int i)
{
	return (long)i * set->files / set->n;
}

/* The files become ready again before each run: only a wake callback puts an event into a ring. */
static void some_prepare(struct set *set)
{
	for (int i = 0; i < set->n; i++)
		set_clear(set, spread(set, i));
	drain(set);
	for (int i = 0; i < set->n; i++)
		set_ready(set, spread(set, i));
}

static void some_run(struct set *set)
{
	wait_for(set, set->n);
}

/*
 * What others pay: somebody's instance collects events in a window, and this write is the event
 * that completes it. epoll has no window: there the others are ready.
 */
static void stranger_setup(struct set *set)
{
	struct evpoll_params params = {
		.coalesce_usecs = 1000000, .coalesce_events = set->n,
	};

	if (set->by->bit != EPOLL && ioctl(set->ep, EVPOLL_IOC_SET_PARAMS, &params))
		err(1, "EVPOLL_IOC_SET_PARAMS");
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN | EPOLLET);
}

static void stranger_prepare(struct set *set)
{
	drain(set);
	for (int i = 0; i < set->n - 1; i++)
		set_ready(set, i);
}

/* Making the other events takes long, so a sample is one run. */
static void stranger_measure(const struct bench_case *c, struct set *set)
{
	double values[15], spread, value;
	uint64_t start;

	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		stranger_prepare(set);
		start = instructions();
		set_ready(set, set->n - 1);
		values[i] = instructions() - start;
	}
	value = median(values, ARRAY_SIZE(values), &spread);
	result(c, set, "instructions", value, spread);
}

const struct bench_case cases_many[] = {
	{ .name = "classic",
	  .what = "n eventfds are watched: write() to one, wait, read() it",
	  .by = ALL | EVPOLL_RING, .n = { 10, 100, 1000, 10000 }, .times = PLACES, .mean = true,
	  .calls = 1, .block = true, .setup = watch, .run = classic_run },
	{ .name = "ready-of-10000",
	  .what = "a wait that returns n events, 10,000 eventfds are watched",
	  .by = ALL | EVPOLL_RING, .n = { 1, 10, 100, 1000, 10000 }, .files = 10000,
	  .setup = watch, .prepare = some_prepare, .run = some_run },
	{ .name = "stranger",
	  .what = "write() to the last of n files in an instance that has seen the others' events",
	  .by = EPOLL | EVPOLL_WAIT, .n = { 1, 40000 },
	  .setup = stranger_setup, .measure = stranger_measure },
	{ }
};
