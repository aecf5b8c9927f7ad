// SPDX-License-Identifier: GPL-2.0-only
/*
 * moderation [-i] LOAD MODE: measure one row of 'make moderation'. A reader on processor 0 waits in
 * one of the modes. Processor 1 makes the events of one of the loads:
 *
 *   burst1    a file becomes readable in a NAPI poll, and again when the reader sleeps again
 *   burst64   64 files become readable in one NAPI poll, 1 us apart. The next burst starts when the
 *             reader sleeps again.
 *   busy64    the same, while another thread keeps the reader's processor busy
 *   steady    100000 single events a second, each in its own interrupt and NAPI poll, as from a NIC
 *             without interrupt moderation
 *   tcp       a process sends a message over loopback TCP every 50 us, on 64 connections in turn
 *
 * Prints the number of events, the wakeups and voluntary context switches of the reader, p50 and
 * p99 of the latency in ns, the time from the first event to the last in us, and the p50 of the
 * latency of each burst's first event in ns. The latency is the time from an event to the return of
 * the wait that reports it.
 *
 * The wakeups are nr_wakeups of the reader: the scheduler counts each time that the task becomes
 * runnable, if kernel.sched_schedstats=1. evpoll's own counter would not do, because epoll has
 * none. There are fewer context switches than wakeups, because some wakeups come before the reader
 * has left the processor.
 *
 * -i is for QEMU with -icount.
 */
#include "../load.h"
#include "../../selftests/evpoll_net.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define FILES 64
#define BURSTS 100
#define PHASES 10	/* of the timers of slice(), see next_phase() */
#define STEADY_EVENTS 30000
#define STEADY_NS 10000
#define MESSAGES 10000
#define MESSAGE_NS 50000
#define MAX_EVENTS STEADY_EVENTS

static const struct mode {
	const char *name;
	bool evpoll;
	uint32_t flags;
	long window_us;
} modes[] = {
	{ "epoll", false, 0, -1 },
	{ "off", true, EVPOLL_UNBATCHED, 0 },
	{ "default", true, 0, -1 },
	{ "50us", true, 0, 50 },
	{ "200us", true, 0, 200 },
	{ "adaptive", true, EVPOLL_ADAPTIVE, 200 },
	{ "eager", true, EVPOLL_EAGER, -1 },
};

struct load {
	const char *name;
	int events;
	int round;		/* events after which the reader tells the load */
	void (*open)(void);
	void (*start)(void);
	int (*take)(int fd, uint64_t returned);
};

static const struct load *load;
static struct instance ep;
static bool sliced;
static int fds[FILES];		/* watched by the reader */
static int ends[FILES];		/* the sender writes here */

static uint64_t latency[MAX_EVENTS], firsts[BURSTS], first_ns, last_ns;
static int nlatency, nfirsts;
static long wakeups, slept;
static _Atomic pid_t tid;
static sem_t done;

/* How often the scheduler counted a wakeup of the caller */
static long own_wakeups(void)
{
	FILE *f = fopen("/proc/thread-self/sched", "r");
	char line[128];
	long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "nr_wakeups : %ld", &n);
	if (n < 0)
		errx(1, "no nr_wakeups in /proc/thread-self/sched: set kernel.sched_schedstats=1");
	fclose(f);
	return n;
}

/*
 * Record the latency of an event. An event can be newer than the return of the wait: the wait then
 * reported the file for an older event, and the reader finds the new one now.
 */
static void sample(uint64_t event_ns, uint64_t returned)
{
	if (!first_ns)
		first_ns = event_ns;
	last_ns = event_ns < returned ? returned : now_ns();
	latency[nlatency++] = last_ns - event_ns;
}

/* Returns the events since the last read of the line, which has the time of the first one only. */
static int take_line(int fd, uint64_t returned)
{
	struct evpoll_source_event event;

	/* An earlier read took this event together with an older one. */
	if (read(fd, &event, sizeof(event)) != sizeof(event))
		return 0;
	sample(event.first_ns, returned);
	return event.count;
}

static int take_messages(int fd, uint64_t returned)
{
	uint64_t sent;
	int n = 0;

	while (recv(fd, &sent, sizeof(sent), MSG_DONTWAIT) == sizeof(sent)) {
		sample(sent, returned);
		n++;
	}
	return n;
}

static void *reader(void *unused)
{
	struct epoll_event events[FILES];
	int n, seen = 0, wanted = load->round, first = 0;
	uint64_t returned;

	(void)unused;
	pin(0);
	tid = gettid();
	wakeups = -own_wakeups();
	slept = -own_switches();
	while (seen < load->events) {
		n = instance_wait(&ep, events, FILES);
		returned = now_ns();
		for (int i = 0; i < n; i++)
			seen += load->take(events[i].data.fd, returned);
		if (seen >= wanted) {
			wanted += load->round;
			firsts[nfirsts++] = latency[first];
			first = nlatency;
			sem_post(&done);
		}
	}
	wakeups += own_wakeups();
	slept += own_switches();
	return NULL;
}

static void reader_sleeps(void)
{
	if (!asleep(tid))
		errx(1, "the reader does not sleep");
}

static void open_lines(void)
{
	for (int i = 0; i < FILES; i++)
		fds[i] = line_open();
}

/*
 * The latency of a burst depends on where the timers of slice() are at that moment. So the bursts
 * begin at all phases of the timers, evenly spread, and the time between the two timers changes.
 * reader_sleeps() alone would return at the same phase each time, because it naps for 1 ms.
 */
static void next_phase(int i)
{
	uint64_t at;

	if (!sliced)
		return;
	if (i % PHASES == 0)
		slice();
	at = now_ns();
	at += SLICE_NS - at % SLICE_NS + i % PHASES * SLICE_NS / PHASES;
	while (now_ns() < at)
		;
}

static void start_bursts(void)
{
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)fds, .nr = load->round, .context = EVPOLL_SOURCE_NAPI,
		.repeat = 1, .cpu = -1, .work_ns = PACKET_NS,
	};

	for (int i = 0; i < BURSTS; i++) {
		reader_sleeps();
		next_phase(i);
		burst_start(fds[0], &burst);
		sem_wait(&done);
	}
}

static void *spin(void *unused)
{
	(void)unused;
	pin(0);
	for (;;)
		;
	return NULL;
}

static void start_busy_bursts(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, spin, NULL))
		errx(1, "no thread");
	start_bursts();
}

/* Needs no slice(): the timers of this load are frequent enough. */
static void start_steady(void)
{
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)fds, .nr = FILES, .context = EVPOLL_SOURCE_NAPI,
		.spacing_ns = STEADY_NS, .pause_ns = STEADY_NS,
		.repeat = STEADY_EVENTS / FILES, .cpu = -1,
	};

	reader_sleeps();
	burst_start(fds[0], &burst);
	sem_wait(&done);
}

static void open_connections(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in addr;

	if (bind_loopback(listener, &addr) || listen(listener, FILES))
		err(1, "loopback TCP");
	for (int i = 0; i < FILES; i++) {
		ends[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(ends[i], (struct sockaddr *)&addr, sizeof(addr)) ||
		    setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
			err(1, "loopback TCP");
		fds[i] = accept(listener, NULL, NULL);
	}
}

static void send_messages(void)
{
	uint64_t at = now_ns(), sent;

	prctl(PR_SET_TIMERSLACK, 1);
	for (int i = 0; i < MESSAGES; i++) {
		struct timespec ts = { at / 1000000000, at % 1000000000 };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		at += MESSAGE_NS;
		sent = now_ns();
		if (write(ends[i % FILES], &sent, sizeof(sent)) != sizeof(sent))
			_exit(1);
	}
	_exit(0);
}

static void start_sender(void)
{
	int status;
	pid_t pid;

	if (sliced)
		slice();
	reader_sleeps();
	pid = fork();
	if (!pid)
		send_messages();
	sem_wait(&done);
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "the sender failed");
}

static const struct load loads[] = {
	{ "burst1", BURSTS, 1, open_lines, start_bursts, take_line },
	{ "burst64", BURSTS * FILES, FILES, open_lines, start_bursts, take_line },
	{ "busy64", BURSTS * FILES, FILES, open_lines, start_busy_bursts, take_line },
	{ "steady", STEADY_EVENTS / FILES * FILES, STEADY_EVENTS / FILES * FILES, open_lines,
	  start_steady, take_line },
	{ "tcp", MESSAGES, MESSAGES, open_connections, start_sender, take_messages },
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static const char usage[] = "usage: moderation [-i] LOAD MODE: see loads[] and modes[]";

int main(int argc, char **argv)
{
	const struct mode *mode = NULL;
	pthread_t thread;

	sliced = argc > 1 && !strcmp(argv[1], "-i");
	argv += sliced;
	argc -= sliced;
	for (size_t i = 0; argc == 3 && i < sizeof(loads) / sizeof(*loads); i++)
		if (!strcmp(argv[1], loads[i].name))
			load = &loads[i];
	for (size_t i = 0; argc == 3 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[2], modes[i].name))
			mode = &modes[i];
	if (!load || !mode)
		errx(2, "%s", usage);

	ep.evpoll = mode->evpoll;
	instance_open(&ep, mode->flags, mode->window_us);
	load->open();
	for (int i = 0; i < FILES; i++)
		instance_watch(&ep, fds[i]);
	sem_init(&done, 0, 0);
	pin(1);
	if (pthread_create(&thread, NULL, reader, NULL))
		errx(1, "no thread");
	while (!tid)
		sched_yield();
	load->start();
	pthread_join(thread, NULL);

	qsort(latency, nlatency, sizeof(*latency), compare);
	qsort(firsts, nfirsts, sizeof(*firsts), compare);
	printf("%s\t%s\t%d\t%ld\t%ld\t%llu\t%llu\t%llu\t%llu\n",
	       load->name, mode->name, load->events, wakeups, slept,
	       (unsigned long long)latency[nlatency / 2],
	       (unsigned long long)latency[nlatency * 99LL / 100],
	       (unsigned long long)(last_ns - first_ns) / 1000,
	       (unsigned long long)firsts[nfirsts / 2]);
	return 0;
}
