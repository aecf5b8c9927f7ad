/* SPDX-License-Identifier: GPL-2.0-only */
/* Several threads in one instance, and what wakes them. */
#ifndef EVPOLL_THREADS_H
#define EVPOLL_THREADS_H

#include "evpoll_util.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

/* A file to watch and what makes it readable: poke() works on all. */
enum source {
	EVENTFD,	/* wakes in process context */
	UDP,		/* wakes in softirq context */
};

static inline int source_open(enum source kind, int *rd, int *wr)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);

	if (kind == EVENTFD) {
		*rd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		*wr = dup(*rd);
		return *wr < 0 ? -1 : 0;
	}
	*rd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*wr = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*rd < 0 || *wr < 0 || bind(*rd, (struct sockaddr *)&addr, len) ||
	    getsockname(*rd, (struct sockaddr *)&addr, &len))
		return -1;
	return connect(*wr, (struct sockaddr *)&addr, len);
}

static inline int poke(int wr)
{
	uint64_t one = 1;

	return write(wr, &one, sizeof(one)) == sizeof(one) ? 0 : -1;
}

/* Voluntary context switches of a thread, once it sleeps for good, in a system call. */
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
	if (w->timeout_ms == SOON)
		w->n = ep_wait_woken(w->by, w->ep, w->ev, w->max);
	else
		w->n = ep_wait(w->by, w->ep, w->ev, w->max, w->timeout_ms);
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
