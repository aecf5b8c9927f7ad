// SPDX-License-Identifier: GPL-2.0-only
/*
 * burst: 64 files become readable in NAPI context on processor 1, as a NIC's packets make
 * sockets, and a reader on processor 0 sleeps for them. What 'make trace' records; also a load to
 * try knobs with:
 *
 *   burst [-i] [-r ROUNDS] [-s SPACING_US] [-w WINDOW_US] epoll|evpoll|unbatched
 *
 * Without -s the 64 events come in one NAPI poll, with it one by one. Without -w evpoll has the
 * defaults of the module. Each round is marked in the trace, and counted in the line at the end.
 * -i is for QEMU with -icount.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/evpoll.h>

#include "../../selftests/modules/evpoll_source.h"

#define EVENTS 64
#define SLICE_NS 20000

static int lines[EVENTS], ep, marker, rounds = 5;
static bool evpoll, sliced;
static long waits, slept;
static sem_t ready, done;

/* Into the trace, if one is recorded. */
__attribute__((format(printf, 1, 2)))
static void mark(const char *format, ...)
{
	va_list args;

	if (marker < 0)
		return;
	va_start(args, format);
	vdprintf(marker, format, args);
	va_end(args);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %d", cpu);
}

static void watch(int fd)
{
	/* Edge-triggered: each event is looked at once, by both. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };
	struct evpoll_ctl ctl = {
		.op = EPOLL_CTL_ADD, .fd = fd, .events = event.events, .data = fd,
	};

	if (evpoll ? ioctl(ep, EVPOLL_IOC_CTL, &ctl) : epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event))
		err(1, "cannot watch");
}

static int wait_events(struct epoll_event *events)
{
	ssize_t n;

	waits++;
	if (!evpoll)
		return epoll_wait(ep, events, EVENTS, -1);
	n = read(ep, events, EVENTS * sizeof(*events));
	return n < 0 ? n : n / (ssize_t)sizeof(*events);
}

static void *reader(void *unused)
{
	struct epoll_event events[EVENTS];
	struct rusage usage;
	uint64_t count;
	int n, seen;

	pthread_setname_np(pthread_self(), "reader");
	pin(0);
	for (int round = 0; round < rounds; round++) {
		sem_post(&ready);
		for (seen = 0; seen < EVENTS; seen += n) {
			n = wait_events(events);
			if (n < 0)
				err(1, "wait");
			for (int i = 0; i < n; i++)
				if (read(events[i].data.fd, &count, sizeof(count)) != sizeof(count))
					err(1, "an event without news");
		}
		sem_post(&done);
	}
	getrusage(RUSAGE_THREAD, &usage);
	slept = usage.ru_nvcsw;
	return NULL;
}

/*
 * QEMU with -icount runs one processor at a time, and goes on to the next one half way to the next
 * timer of the guest: see qemu/trace.sh. So there must be one all the time: it interrupts the
 * caller's processor every SLICE_NS while @running, and does nothing. The reader's would not do,
 * it may spin for a lock with interrupts off.
 */
static void slice(bool running)
{
	static int line = -1;
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)&line, .nr = 1, .context = EVPOLL_SOURCE_HARDIRQ,
		.pause_ns = SLICE_NS, .repeat = 1000000000, .cpu = -1,
	};

	if (!running) {
		close(line);
		return;
	}
	line = open("/dev/evpoll_source", O_RDONLY);
	if (line < 0 || ioctl(line, EVPOLL_SOURCE_IOC_BURST, &burst))
		err(1, "/dev/evpoll_source");
}

static void setup(const char *mode, long window_us)
{
	struct evpoll_params params;

	evpoll = strcmp(mode, "epoll");
	ep = evpoll ? open("/dev/evpoll", O_RDWR) : epoll_create1(0);
	if (ep < 0 || (evpoll && ioctl(ep, EVPOLL_IOC_GET_PARAMS, &params)))
		err(1, "%s", mode);
	if (!strcmp(mode, "unbatched"))
		params.flags |= EVPOLL_UNBATCHED;
	if (window_us >= 0)
		params.coalesce_usecs = window_us;
	if (evpoll && ioctl(ep, EVPOLL_IOC_SET_PARAMS, &params))
		err(1, "EVPOLL_IOC_SET_PARAMS");
	for (int i = 0; i < EVENTS; i++) {
		lines[i] = open("/dev/evpoll_source", O_RDONLY);
		if (lines[i] < 0)
			err(1, "/dev/evpoll_source");
		watch(lines[i]);
	}
}

static void report(const char *mode)
{
	struct evpoll_stats stats;

	printf("%s: %d events, %ld waits, the reader slept %ld times", mode, rounds * EVENTS,
	       waits, slept);
	if (evpoll && !ioctl(ep, EVPOLL_IOC_GET_STATS, &stats))
		printf(", %llu wakeups, %llu NAPI polls, %llu windows", stats.wakeups, stats.polls,
		       stats.timer_flushes);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)lines, .nr = EVENTS, .context = EVPOLL_SOURCE_NAPI, .repeat = 1,
	};
	long window_us = -1;
	const char *mode;
	pthread_t thread;
	int option;

	while ((option = getopt(argc, argv, "ir:s:w:")) != -1) {
		if (option == 'i')
			sliced = true;
		else if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 's')
			burst.spacing_ns = atol(optarg) * 1000;
		else if (option == 'w')
			window_us = atol(optarg);
		else
			return 2;
	}
	mode = argv[optind];
	if (!mode || (strcmp(mode, "epoll") && strcmp(mode, "evpoll") && strcmp(mode, "unbatched")))
		errx(2, "usage: burst [-i] [-r ROUNDS] [-s SPACING_US] [-w WINDOW_US] epoll|evpoll|unbatched");

	burst.cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	marker = open("/sys/kernel/tracing/trace_marker", O_WRONLY);
	setup(mode, window_us);
	pin(burst.cpu);
	sem_init(&ready, 0, 0);
	sem_init(&done, 0, 0);
	if (pthread_create(&thread, NULL, reader, NULL))
		errx(1, "no thread");
	for (int round = 1; round <= rounds; round++) {
		sem_wait(&ready);
		usleep(10000);	/* until it sleeps in its wait */
		if (sliced)
			slice(true);
		mark("begin %s window=%ld spacing=%lld round=%d", mode, window_us,
		     burst.spacing_ns / 1000, round);
		if (ioctl(lines[0], EVPOLL_SOURCE_IOC_BURST, &burst))
			err(1, "EVPOLL_SOURCE_IOC_BURST");
		sem_wait(&done);
		mark("end");
		if (sliced)
			slice(false);
	}
	pthread_join(thread, NULL);
	report(mode);
	return 0;
}
