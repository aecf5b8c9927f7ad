/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bursts of events from a chosen context (modules/evpoll_source.ko), readers of them, and counters
 */
#ifndef EVPOLL_BURST_H
#define EVPOLL_BURST_H

#include "evpoll_threads.h"
#include "modules/evpoll_source.h"

#include <stddef.h>
#include <sys/sysinfo.h>

#define SOURCE_DEV "/dev/evpoll_source"
#define LINES 200

#define USEC 1000ULL
#define MSEC 1000000ULL

/* The variants of a fixture whose FIXTURE_VARIANT has "int context" */
#define CONTEXT_VARIANTS(fixture)						\
	FIXTURE_VARIANT_ADD(fixture, process) { .context = EVPOLL_SOURCE_PROCESS };	\
	FIXTURE_VARIANT_ADD(fixture, softirq) { .context = EVPOLL_SOURCE_SOFTIRQ };	\
	FIXTURE_VARIANT_ADD(fixture, hardirq) { .context = EVPOLL_SOURCE_HARDIRQ };	\
	FIXTURE_VARIANT_ADD(fixture, napi) { .context = EVPOLL_SOURCE_NAPI }

/* For a FIXTURE_SETUP: why this machine cannot run a test with @context, or NULL. */
static inline const char *no_source(int context)
{
	if (access(SOURCE_DEV, R_OK))
		return SOURCE_DEV " is not there: load evpoll_source.ko";
	if (context == EVPOLL_SOURCE_HARDIRQ && !access("/sys/kernel/realtime", F_OK))
		return "PREEMPT_RT has no wakeups from hard interrupts";
	return NULL;
}

static inline int lines_open(int *fd, int n)
{
	for (int i = 0; i < n; i++) {
		fd[i] = open(SOURCE_DEV, O_RDONLY | O_CLOEXEC);
		if (fd[i] < 0)
			return -1;
	}
	return 0;
}

static inline void lines_close(const int *fd, int n)
{
	for (int i = 0; i < n; i++)
		close(fd[i]);
}

/*
 * For a FIXTURE_SETUP of a test with @context: an instance, and @n lines in @fd. Skips the test and
 * returns -1 where there is no source of such events.
 */
static inline int lines_setup(struct __test_metadata *_metadata, int context, int *fd, int n)
{
	const char *why = no_source(context);
	int ep;

	if (why)
		SKIP(return -1, "%s", why);
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, ep) TH_LOG("no instance: %s", strerror(errno));
	ASSERT_EQ(0, lines_open(fd, n));
	return ep;
}

static inline int lines_add(enum mechanism by, int ep, const int *fd, int n, uint32_t events)
{
	for (int i = 0; i < n; i++)
		if (ep_add(by, ep, fd[i], events))
			return -1;
	return 0;
}

static inline int burst_ioctl(int on, const struct evpoll_source_burst *burst)
{
	return ioctl(on, EVPOLL_SOURCE_IOC_BURST, burst);
}

/*
 * Make one event on each of @n lines. The burst belongs to the first line, which can have one burst
 * at a time. The previous one may need another moment to end.
 */
static inline int burst(int context, const int *fd, int n)
{
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)fd, .nr = n, .context = context, .repeat = 1, .cpu = -1,
	};
	long long end = now_ms() + SOON;
	int ret;

	while ((ret = burst_ioctl(fd[0], &b)) && errno == EBUSY && now_ms() < end)
		sched_yield();
	return ret;
}

static inline int line_read(int fd, struct evpoll_source_event *event)
{
	return read(fd, event, sizeof(*event)) == sizeof(*event) ? 0 : -1;
}

static inline int set_params(int ep, const struct evpoll_params *params)
{
	return ioctl(ep, EVPOLL_IOC_SET_PARAMS, params);
}

static inline int set_window(int ep, uint32_t usecs, uint32_t events)
{
	return set_params(ep, &(struct evpoll_params){
		.coalesce_usecs = usecs, .coalesce_events = events,
	});
}

static inline struct evpoll_stats stats_of(int ep)
{
	struct evpoll_stats stats;

	memset(&stats, 0xff, sizeof(stats));
	ioctl(ep, EVPOLL_IOC_GET_STATS, &stats);
	return stats;
}

/* Events in the slots of the histogram from @from to before @to */
static inline uint64_t slots(const struct evpoll_stats *s, int from, int to)
{
	uint64_t sum = 0;

	for (int i = from; i < to; i++)
		sum += s->latency[i];
	return sum;
}

static inline uint64_t counter_of(int ep, size_t offset)
{
	struct evpoll_stats stats = stats_of(ep);

	return *(__u64 *)((char *)&stats + offset);
}

/*
 * True once the counter at @offset of &struct evpoll_stats is @n. Reading counters does not flush
 * the pending list, as a wait would.
 */
static inline bool counter_becomes(int ep, size_t offset, uint64_t n)
{
	long long end = now_ms() + SOON;

	while (counter_of(ep, offset) < n) {
		if (now_ms() > end)
			return false;
		usleep(200);
	}
	return counter_of(ep, offset) == n;
}

/* True once so many events were queued. */
static inline bool queued_become(int ep, uint64_t n)
{
	return counter_becomes(ep, offsetof(struct evpoll_stats, queued), n);
}

/* True once the callback has run for so many events, queued or not. */
static inline bool callbacks_become(int ep, uint64_t n)
{
	return counter_becomes(ep, offsetof(struct evpoll_stats, callbacks), n);
}

/* True if @ep polls as readable within @ms. */
static inline bool readable(int ep, int ms)
{
	return poll(&(struct pollfd){ .fd = ep, .events = POLLIN }, 1, ms) == 1;
}

/* A thread that waits until it has had @want events. */
struct reader {
	enum mechanism by;
	int ep;
	int want;
	pthread_t thread;
	_Atomic pid_t tid;
	int events;
	int waits;		/* waits that returned events */
	long asleep;		/* voluntary context switches until it slept in the first wait */
	long switches;		/* voluntary context switches in all waits */
	uint64_t first_ns;	/* when the first wait returned */
	struct epoll_event ev[LINES];
};

static inline void *reader_main(void *arg)
{
	struct reader *r = arg;
	int n;

	r->tid = syscall(SYS_gettid);
	while (r->events < r->want) {
		n = ep_wait_woken(r->by, r->ep, r->ev, LINES);
		if (n <= 0)
			break;
		if (!r->waits++)
			r->first_ns = now_ns();
		r->events += n;
	}
	r->switches = own_switches();
	return NULL;
}

/*
 * True once the reader sleeps in its first wait. Only context switches from this point on count,
 * because a page fault before it may have waited for the mmap lock.
 */
static inline bool reader_start(struct reader *r, enum mechanism by, int ep, int want)
{
	memset(r, 0, sizeof(*r));
	r->by = by;
	r->ep = ep;
	r->want = want;
	if (pthread_create(&r->thread, NULL, reader_main, r))
		return false;
	while (!r->tid)
		sched_yield();
	if (!asleep(r->tid))
		return false;
	r->asleep = switches(r->tid);
	return r->asleep > 0;
}

/* Returns the number of events that the reader got. */
static inline int reader_join(struct reader *r)
{
	pthread_join(r->thread, NULL);
	r->switches -= r->asleep - 1;
	return r->events;
}

#endif /* EVPOLL_BURST_H */
