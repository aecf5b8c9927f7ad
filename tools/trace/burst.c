// SPDX-License-Identifier: GPL-2.0-only
/*
 * burst: 64 files become readable in NAPI context on processor 1, like sockets that receive packets
 * from a NIC. A reader on processor 0 sleeps until they do. 'make trace' records this load. It is
 * also useful to try parameters:
 *
 *   burst [-i] [-r ROUNDS] [-s SPACING_US] [-w WINDOW_US] epoll|evpoll|unbatched
 *
 * Without -s, the 64 events come in one NAPI poll, 1 us apart. With -s, each event comes in its own
 * interrupt. Without -w, evpoll uses the defaults of the module. The program writes a mark into the
 * trace for each round, and prints the number of rounds at the end. -i is for QEMU with -icount.
 */
#include "../load.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>

#define EVENTS 64

static int lines[EVENTS], marker, rounds = 5;
static struct instance ep;
static bool sliced;
static long waits, slept;
static _Atomic pid_t tid;
static sem_t ready, done;

/* Write a mark into the trace, if one is being recorded. */
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

static void *reader(void *unused)
{
	struct epoll_event events[EVENTS];
	uint64_t count;
	int n, seen;

	pthread_setname_np(pthread_self(), "reader");
	pin(0);
	tid = gettid();
	for (int round = 0; round < rounds; round++) {
		sem_post(&ready);
		for (seen = 0; seen < EVENTS; seen += n) {
			n = instance_wait(&ep, events, EVENTS);
			waits++;
			for (int i = 0; i < n; i++)
				if (read(events[i].data.fd, &count, sizeof(count)) != sizeof(count))
					err(1, "an event without news");
		}
		sem_post(&done);
	}
	slept = own_switches();
	return NULL;
}

static void setup(const char *mode, long window_us)
{
	ep.evpoll = strcmp(mode, "epoll");
	instance_open(&ep, strcmp(mode, "unbatched") ? 0 : EVPOLL_UNBATCHED, window_us);
	for (int i = 0; i < EVENTS; i++) {
		lines[i] = line_open();
		instance_watch(&ep, lines[i]);
	}
}

static void report(const char *mode)
{
	struct evpoll_stats stats;

	printf("%s: %d events, %ld waits, the reader slept %ld times", mode, rounds * EVENTS,
	       waits, slept);
	if (ep.evpoll && !ioctl(ep.fd, EVPOLL_IOC_GET_STATS, &stats))
		printf(", %llu wakeups, %llu NAPI polls, %llu windows", stats.wakeups, stats.polls,
		       stats.timer_flushes);
	printf("\n");
}

static const char usage[] =
	"usage: burst [-i] [-r ROUNDS] [-s SPACING_US] [-w WINDOW_US] epoll|evpoll|unbatched";

int main(int argc, char **argv)
{
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)lines, .nr = EVENTS, .context = EVPOLL_SOURCE_NAPI, .repeat = 1,
		.work_ns = PACKET_NS,
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
		errx(2, "%s", usage);

	burst.cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	marker = open("/sys/kernel/tracing/trace_marker", O_WRONLY);
	setup(mode, window_us);
	pin(burst.cpu);
	if (sliced)
		slice();
	sem_init(&ready, 0, 0);
	sem_init(&done, 0, 0);
	if (pthread_create(&thread, NULL, reader, NULL))
		errx(1, "no thread");
	for (int round = 1; round <= rounds; round++) {
		sem_wait(&ready);
		if (!asleep(tid))
			errx(1, "the reader does not sleep");
		mark("begin %s window=%ld spacing=%lld round=%d", mode, window_us,
		     burst.spacing_ns / 1000, round);
		burst_start(lines[0], &burst);
		sem_wait(&done);
		mark("end");
	}
	pthread_join(thread, NULL);
	report(mode);
	return 0;
}
