// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files become ready while their reader sleeps. R38, R39: bursts in softirq, made by
 * selftests/modules/evpoll_source.ko. n files become ready in NAPI polls, like sockets that receive
 * packets.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "../../selftests/evpoll_task.h"
#include "../../selftests/modules/evpoll_source.h"

static struct {
	pthread_t thread;
	sem_t go;
	bool ends;
	bool alone;	/* the source has a processor of its own */
	struct set *set;
	void (*fire)(struct set *set);
	pid_t reader;
	uint64_t start_ns;
} source;

static void lines_open(struct set *set)
{
	for (int i = 0; i < set->n; i++) {
		close(set->fd[i]);
		set->fd[i] = open("/dev/evpoll_source", O_RDONLY | O_CLOEXEC);
		if (set->fd[i] < 0)
			err(1, "/dev/evpoll_source");
		set_ctl(set, EPOLL_CTL_ADD, i, EPOLLIN | EPOLLET);
	}
}

static void fire(struct set *set)
{
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)set->fd, .nr = set->n, .context = EVPOLL_SOURCE_NAPI,
		.repeat = 1, .cpu = -1,
	};

	for (;;) {
		source.start_ns = now_ns();
		set->start = instructions();
		if (!ioctl(set->fd[0], EVPOLL_SOURCE_IOC_BURST, &burst))
			return;
		if (errno != EBUSY)	/* the previous burst has not ended yet */
			err(1, "EVPOLL_SOURCE_IOC_BURST");
	}
}

static void *source_main(void *unused)
{
	if (source.alone)
		pin(1);
	for (;;) {
		sem_wait(&source.go);
		if (source.ends)
			return NULL;
		if (source.alone && !asleep(source.reader))
			errx(1, "%s: the wait does not sleep", source.set->by->name);
		source.fire(source.set);
	}
}

static void source_start(struct set *set, void (*fire)(struct set *set))
{
	source.set = set;
	source.fire = fire;
	source.reader = syscall(SYS_gettid);
	source.ends = false;
	sem_init(&source.go, 0, 0);
	if (pthread_create(&source.thread, NULL, source_main, NULL))
		errx(1, "no thread");
}

static void burst_setup(struct set *set)
{
	lines_open(set);
	source_start(set, fire);
}

static void source_end(struct set *set)
{
	source.ends = true;
	sem_post(&source.go);
	pthread_join(source.thread, NULL);
	sem_destroy(&source.go);
}

/* With one processor, the source's thread runs when this thread sleeps in its wait. */
static void burst_run(struct set *set)
{
	sem_post(&source.go);
	wait_for(set, set->n);
}

static void any_run(struct set *set)
{
	/* Without a waiter, the interrupt and its softirq run before the call returns. */
	if (set->by->bit == NONE)
		fire(set);
	else
		burst_run(set);
}

static void write_one(struct set *set)
{
	set->start = instructions();
	set_ready(set, 0);
}

static void sleep_setup(struct set *set)
{
	set_ctl(set, EPOLL_CTL_ADD, 0, EPOLLIN);
	source_start(set, write_one);
}

static void sleep_run(struct set *set)
{
	burst_run(set);
	set_clear(set, 0);
}

static void smp_start(struct set *set)
{
	pin(0);
	source.alone = true;
	burst_setup(set);
}

static void smp_end(struct set *set)
{
	source_end(set);
	pin(-1);
}

#define BURSTS 5

static void burst_turn(struct set *set, double *values)
{
	long switches = own_switches();
	double us = 0;

	for (int i = 0; i < BURSTS; i++) {
		burst_run(set);
		us += (now_ns() - source.start_ns) / 1e3;
	}
	values[0] = us / BURSTS;
	values[1] = (double)(own_switches() - switches) / BURSTS;
}

const struct bench_case cases_burst[] = {
	{ .name = "burst",
	  .what = "n files become ready in softirq, until their reader, who slept, has all",
	  .by = NONE | IO_URING | REGISTERING | EAGER | EVPOLL_URING | EVPOLL_RING,
	  .n = { 1, 4, 16, 48, 256 }, .cycle = 256, .mean = true, .calls = 256, .block = true,
	  .setup = burst_setup, .run = any_run, .teardown = source_end },
	{ .name = "loop-sleep",
	  .what = "another task write()s to an eventfd, until the loop, that slept, has read() it",
	  .by = REGISTERING | EVPOLL_RING, .n = { 1 }, .mean = true, .calls = 2, .block = true,
	  .setup = sleep_setup, .run = sleep_run, .teardown = source_end },
	{ .name = "burst-smp",
	  .what = "the same from another processor; wakeups are the times that the reader slept",
	  .mode = SMP, .by = IO_URING | REGISTERING | EAGER | EVPOLL_RING,
	  .n = { 1, 4, 16, 48, 256 }, .block = true,
	  .setup = smp_start, .turn = burst_turn, .teardown = smp_end,
	  .unit = { "us", "wakeups" } },
	{ }
};
