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
 * spread over the set, take turns to be the active one in each sample.
 */
#define PLACES 16

static void classic_prepare(struct set *set)
{
	set->at = (set->at + 5) % PLACES;
}

static void classic_run(struct set *set)
{
	int active = (set->at * 2 + 1) * set->files / (2 * PLACES);

	set_ready(set, active);
	if (set->by->wait(set) != 1 || set->got[0].data.u64 != active)
		errx(1, "%s: not the event that was made", set->by->name);
	set_clear(set, active);
}

/* Make n files ready that are spread over the set. */
static void some_prepare(struct set *set)
{
	for (int i = 0; i < set->n; i++)
		set_ready(set, (long)i * set->files / set->n);
}

static void some_run(struct set *set)
{
	wait_for(set, set->n);
}

const struct bench_case cases_many[] = {
	{ .name = "classic",
	  .what = "n eventfds are watched: write() to one, wait, read() it",
	  .by = ALL, .n = { 10, 100, 1000, 10000 }, .cycle = PLACES, .mean = true,
	  .block = true, .setup = watch, .prepare = classic_prepare, .run = classic_run },
	{ .name = "ready-of-10000",
	  .what = "a wait that returns n events, 10,000 eventfds are watched",
	  .by = ALL, .n = { 1, 10, 100, 1000, 10000 }, .files = 10000, .block = true,
	  .setup = watch, .prepare = some_prepare, .run = some_run },
	{ }
};
