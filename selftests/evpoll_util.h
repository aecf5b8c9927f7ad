/* SPDX-License-Identifier: GPL-2.0-only */
/* Helpers for tests that need files, processes or threads around an instance. */
#ifndef EVPOLL_UTIL_H
#define EVPOLL_UTIL_H

#include "evpoll_pass.h"
#include "evpoll_task.h"
#include "evpoll_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

/* Wait once. Returns the mask reported with @data, or 0 if there was no such event. */
static inline uint32_t ep_mask(enum mechanism by, int ep, uint64_t data, int timeout_ms)
{
	struct epoll_event ev[64];
	int n = ep_wait(by, ep, ev, 64, timeout_ms);

	for (int i = 0; i < n; i++)
		if (ev[i].data.u64 == data)
			return ev[i].events;
	return 0;
}

/* An instance that watches nothing yet, and a pipe that does not block; -1 on error. */
static inline int ep_and_pipe(enum mechanism by, int *rd, int *wr)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return -1;
	*rd = p[0];
	*wr = p[1];
	return ep_create(by, O_CLOEXEC);
}

/* The number of items of an instance, from its fdinfo (R34); -1 on error. */
static inline int ep_items(int ep)
{
	char line[256];
	int n = 0;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", ep);
	f = fopen(line, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += !strncmp(line, "tfd:", 4);
	fclose(f);
	return n;
}

static inline int put_byte(int fd)
{
	return write(fd, "x", 1) == 1 ? 0 : -1;
}

static inline int get_byte(int fd)
{
	char c;

	return read(fd, &c, 1) == 1 ? 0 : -1;
}

/* True once @ep has @n items. For files that are released some time after close(2). */
static inline bool ep_items_become(int ep, int n)
{
	long long end = now_ms() + SOON;

	while (ep_items(ep) != n) {
		if (now_ms() > end)
			return false;
		sched_yield();
	}
	return true;
}

/* Wait for a wakeup. Events that the wait finds only at its timeout do not count. */
static inline int ep_wait_woken(enum mechanism by, int ep, struct epoll_event *ev, int max)
{
	long long start = now_ms();
	int n = ep_wait(by, ep, ev, max, SOON);

	return n > 0 && now_ms() - start >= SOON ? 0 : n;
}

/* With a timeout of SOON, ep_wait_woken(); with any other, ep_wait(). */
static inline int ep_wait_or_woken(enum mechanism by, int ep, struct epoll_event *ev, int max,
				   int timeout_ms)
{
	if (timeout_ms == SOON)
		return ep_wait_woken(by, ep, ev, max);
	return ep_wait(by, ep, ev, max, timeout_ms);
}

/* A thread that waits once in an instance. */
struct waiter {
	enum mechanism by;
	int ep;
	int timeout_ms;
	pthread_t thread;
	_Atomic pid_t tid;
	int ret;
	int err;
	struct epoll_event ev[4];
};

static inline void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->tid = syscall(SYS_gettid);
	w->ret = ep_wait_or_woken(w->by, w->ep, w->ev, 4, w->timeout_ms);
	w->err = errno;
	return NULL;
}

/* True once the thread sleeps in the wait. */
static inline bool waiter_start(struct waiter *w, enum mechanism by, int ep)
{
	w->by = by;
	w->ep = ep;
	w->timeout_ms = SOON;
	w->tid = 0;
	if (pthread_create(&w->thread, NULL, waiter_main, w))
		return false;
	while (!w->tid)
		sched_yield();
	return asleep(w->tid);
}

/* Returns what the wait returned. */
static inline int waiter_join(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->ret;
}

/* Raise RLIMIT_NOFILE to @n, which root may do. */
static inline int allow_files(unsigned int n)
{
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = n;
	if (rl.rlim_max < n)
		rl.rlim_max = n;
	return setrlimit(RLIMIT_NOFILE, &rl);
}

/* The number in a file of /proc or /sys, -1 on error. */
static inline long long number_in(const char *path)
{
	char buf[64];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = 0;
	return strtoll(buf, NULL, 0);
}

/* 0, or -1 with errno as write(2) left it */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;
	int err;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Run this thread, and the threads and children that it starts later, on @cpu only. */
static inline int on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

#endif /* EVPOLL_UTIL_H */
