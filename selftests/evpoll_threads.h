/* SPDX-License-Identifier: GPL-2.0-only */
/* Several threads that wait in one instance, and files that wake them. */
#ifndef EVPOLL_THREADS_H
#define EVPOLL_THREADS_H

#include "evpoll_net.h"
#include "evpoll_util.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

/* The kinds of files to watch. poke() makes each of them readable. */
enum source {
	EVENTFD,	/* wakes in process context */
	UDP,		/* wakes in softirq context */
};

static inline int source_open(enum source kind, int *rd, int *wr)
{
	struct sockaddr_in addr;

	if (kind == EVENTFD) {
		*rd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		*wr = dup(*rd);
		return *wr < 0 ? -1 : 0;
	}
	*rd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*wr = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*wr < 0 || bind_loopback(*rd, &addr))
		return -1;
	return connect(*wr, (struct sockaddr *)&addr, sizeof(addr));
}

/* A timer that expires every @ns, which are less than a second, in hardirq context; -1 on error */
static inline int timer_every(long ns)
{
	struct itimerspec its = { { 0, ns }, { 0, ns } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	return timerfd_settime(fd, 0, &its, NULL) ? -1 : fd;
}

static inline int poke(int wr)
{
	uint64_t one = 1;

	return write(wr, &one, sizeof(one)) == sizeof(one) ? 0 : -1;
}

/* Voluntary context switches of a thread, once it sleeps in a system call. */
static inline long switches(pid_t tid)
{
	long long end = now_ms() + SOON;
	char path[64], line[256] = "";
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	do {
		f = fopen(path, "r");
		if (!f)
			return -1;
		if (!fgets(line, sizeof(line), f))
			line[0] = 0;
		fclose(f);
		if (!line[0] || now_ms() > end)
			return -1;
	} while (!isdigit(line[0]));
	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "r");
	while (f && n < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %ld", &n);
	if (f)
		fclose(f);
	return n;
}

/* Run @n threads at once for @ms, then tell them by @stop to end. -1 if one cannot be created */
static inline int run_threads(int n, void *(*const job[])(void *), void *arg,
			      _Atomic bool *stop, int ms)
{
	pthread_t thread[8];

	for (int i = 0; i < n; i++)
		if (pthread_create(&thread[i], NULL, job[i], arg))
			return -1;
	usleep(ms * 1000);	/* the length of the stress: nothing to wait for */
	*stop = true;
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

/* A thread that waits once, with a buffer of @max. */
struct worker {
	enum mechanism by;
	int ep;
	int max;
	int timeout_ms;
	atomic_int *returned;	/* workers whose wait is over */
	pthread_t thread;
	_Atomic pid_t tid;
	int n;
	int err;
	struct epoll_event ev[4];
};

static inline void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->tid = syscall(SYS_gettid);
	w->n = ep_wait_or_woken(w->by, w->ep, w->ev, w->max, w->timeout_ms);
	w->err = errno;
	(*w->returned)++;
	return NULL;
}

/* Start it; true once it sleeps in its wait. */
static inline bool worker_start(struct worker *w, enum mechanism by, int ep, int max,
				int timeout_ms, atomic_int *returned)
{
	*w = (struct worker){
		.by = by, .ep = ep, .max = max, .timeout_ms = timeout_ms, .returned = returned,
	};
	if (pthread_create(&w->thread, NULL, worker_main, w))
		return false;
	while (!w->tid)
		sched_yield();
	return asleep(w->tid) && switches(w->tid) >= 0;
}

/* True once @counter is @n; false after SOON. */
static inline bool becomes(atomic_int *counter, int n)
{
	long long end = now_ms() + SOON;

	while (*counter < n) {
		if (now_ms() > end)
			return false;
		usleep(500);
	}
	return *counter == n;
}

#endif /* EVPOLL_THREADS_H */
