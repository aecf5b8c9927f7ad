/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One interface to the mechanisms under test, so that a test runs the same steps on epoll and on
 * evpoll. epoll is the oracle: it shows that the kernel itself does what the test expects.
 *
 * All calls return what the system call returned, with errno set.
 */
#ifndef EVPOLL_TEST_H
#define EVPOLL_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/evpoll.h>

#include "evpoll_expect.h"
#include "kselftest.h"

#define EVPOLL_DEV "/dev/evpoll"

/* Runs before main(). Without the device there is nothing to test, so the program skips. */
static void __attribute__((constructor)) need_device(void)
{
	const char *why;

	if (!access(EVPOLL_DEV, R_OK | W_OK))
		return;
	why = strerror(errno);
	ksft_print_header();
	ksft_exit_skip("%s: %s: load evpoll.ko first\n", EVPOLL_DEV, why);
}

enum mechanism {
	BY_EPOLL,	/* epoll_create1, epoll_ctl, epoll_pwait2 */
	BY_WAIT,	/* /dev/evpoll, EVPOLL_IOC_CTL, EVPOLL_IOC_WAIT */
	BY_READ,	/* the same, but events by read() */
};

/* The variants of a fixture whose FIXTURE_VARIANT has "enum mechanism by". */
#define EP_VARIANTS(fixture)							\
	FIXTURE_VARIANT_ADD(fixture, epoll) { .by = BY_EPOLL };			\
	FIXTURE_VARIANT_ADD(fixture, wait) { .by = BY_WAIT };			\
	FIXTURE_VARIANT_ADD(fixture, read) { .by = BY_READ }

/* Check the mask and the data of an event. */
#define EXPECT_EVENT(mask, value, event) do {					\
	EXPECT_EQ((uint32_t)(mask), (event).events);				\
	EXPECT_EQ((uint64_t)(value), (event).data.u64);				\
} while (0)

/* @flags: O_CLOEXEC or 0 */
static inline int ep_create(enum mechanism by, int flags)
{
	if (by == BY_EPOLL)
		return epoll_create1(flags);
	return open(EVPOLL_DEV, O_RDWR | flags);
}

static inline int ep_ctl(enum mechanism by, int ep, int op, int fd, uint32_t events,
			 uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };
	struct evpoll_ctl ctl = { .op = op, .fd = fd, .events = events, .data = data };

	if (by == BY_EPOLL)
		return epoll_ctl(ep, op, fd, &ev);
	return ioctl(ep, EVPOLL_IOC_CTL, &ctl);
}

/* The data of the item is its fd, as in most programs. */
static inline int ep_add(enum mechanism by, int ep, int fd, uint32_t events)
{
	return ep_ctl(by, ep, EPOLL_CTL_ADD, fd, events, fd);
}

static inline int ep_mod(enum mechanism by, int ep, int fd, uint32_t events)
{
	return ep_ctl(by, ep, EPOLL_CTL_MOD, fd, events, fd);
}

static inline int ep_del(enum mechanism by, int ep, int fd)
{
	return ep_ctl(by, ep, EPOLL_CTL_DEL, fd, 0, 0);
}

/* @mask: the signal mask of the wait, or NULL. BY_READ is not supported. */
static inline int ep_pwait2(enum mechanism by, int ep, struct epoll_event *events, int max,
			    const struct timespec *timeout, const sigset_t *mask)
{
	/* both calls take 64-bit times, also from 32-bit programs */
	int64_t ts[2] = { timeout ? timeout->tv_sec : 0, timeout ? timeout->tv_nsec : 0 };
	struct evpoll_wait wait = {
		.events = (uintptr_t)events,
		.timeout = timeout ? (uintptr_t)ts : 0,
		.sigmask = (uintptr_t)mask,
		.sigsetsize = _NSIG / 8,
		.maxevents = max,
	};

	if (by == BY_EPOLL)
		return syscall(SYS_epoll_pwait2, ep, events, max, timeout ? ts : NULL, mask,
			       _NSIG / 8);
	return ioctl(ep, EVPOLL_IOC_WAIT, &wait);
}

static inline int ep_read(int ep, struct epoll_event *events, int max, int timeout_ms)
{
	struct evpoll_params params = {
		.read_timeout_ns = timeout_ms > 0 ? timeout_ms * 1000000ULL : 0,
	};
	int flags = fcntl(ep, F_GETFL);
	ssize_t n;

	if (ioctl(ep, EVPOLL_IOC_SET_PARAMS, &params))
		return -1;
	if (fcntl(ep, F_SETFL, timeout_ms ? flags & ~O_NONBLOCK : flags | O_NONBLOCK))
		return -1;
	/* not read(), because the compiler checks its buffer and some tests pass a bad one */
	n = syscall(SYS_read, ep, events, max * sizeof(*events));
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	return n / sizeof(*events);
}

/* As epoll_wait(2): timeout in ms, 0 returns at once, -1 waits without a limit. */
static inline int ep_wait(enum mechanism by, int ep, struct epoll_event *events, int max,
			  int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	if (by == BY_READ)
		return ep_read(ep, events, max, timeout_ms);
	return ep_pwait2(by, ep, events, max, timeout_ms < 0 ? NULL : &ts, NULL);
}

#endif /* EVPOLL_TEST_H */
