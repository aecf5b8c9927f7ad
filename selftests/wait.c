// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long a wait waits, and what ends it: events, timeouts, O_NONBLOCK, bad arguments. Signals are
 * in signal.c, several threads in threads.c.
 */
#include "evpoll_threads.h"

#include <sys/timerfd.h>

/* EP_MAX_EVENTS of fs/eventpoll.c */
#define MAX_EVENTS ((int)(INT32_MAX / sizeof(struct epoll_event)))

/* ep_wait() with a timeout in ns, greater than 0. */
static int wait_ns(enum mechanism by, int ep, struct epoll_event *ev, uint64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };
	struct evpoll_params params = { .read_timeout_ns = ns };
	ssize_t n;

	if (by != BY_READ)
		return ep_pwait2(by, ep, ev, 1, &ts, NULL);
	/* ep_wait() may have left it non-blocking */
	if (ioctl(ep, EVPOLL_IOC_SET_PARAMS, &params) || fcntl(ep, F_SETFL, 0))
		return -1;
	n = read(ep, ev, sizeof(*ev));
	return n < 0 && errno == EAGAIN ? 0 : n < 0 ? -1 : n / (ssize_t)sizeof(*ev);
}

FIXTURE(wait) {
	int ep;
	int fd;		/* an eventfd, watched for EPOLLIN | EPOLLET */
};

FIXTURE_VARIANT(wait) {
	enum mechanism by;
};

EP_VARIANTS(wait);

FIXTURE_SETUP(wait)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN | EPOLLET, 1));
}

FIXTURE_TEARDOWN(wait)
{
	close(self->ep);
	close(self->fd);
}

/* R3, R14: a wait of no time answers at once, with events and without */
TEST_F(wait, zero_polls)
{
	long long start = now_ms();
	struct epoll_event ev = {};

	for (int i = 0; i < 100; i++)
		EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_GT(SOON, now_ms() - start);
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, 1, ev);
}

/* R14: n waits at most n, but not less; 0 events at its end */
TEST_F(wait, timeout_is_not_early)
{
	static const long long ns[] = { 1, 1000, 100000, 1000000, 12345678, 120000000 };
	struct epoll_event ev;
	long long start, took;

	for (size_t i = 0; i < ARRAY_SIZE(ns); i++) {
		start = now_ns();
		EXPECT_EQ(0, wait_ns(variant->by, self->ep, &ev, ns[i]));
		took = now_ns() - start;
		EXPECT_LE(ns[i], took);
		EXPECT_GT(SOON * 1000000LL, took);
	}
}

/* R1: a waiter sleeps and takes no CPU time */
TEST_F(wait, sleeps)
{
	struct timespec cpu[2];
	struct epoll_event ev;
	struct rusage ru[2];
	long long took;

	getrusage(RUSAGE_THREAD, &ru[0]);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[0]);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 500));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu[1]);
	getrusage(RUSAGE_THREAD, &ru[1]);
	took = (cpu[1].tv_sec - cpu[0].tv_sec) * 1000LL +
	       (cpu[1].tv_nsec - cpu[0].tv_nsec) / 1000000;
	EXPECT_GT(100, took);
	EXPECT_LE(1, ru[1].ru_nvcsw - ru[0].ru_nvcsw);
	EXPECT_GT(10, ru[1].ru_nvcsw - ru[0].ru_nvcsw);
}

/* R1: events that are not in the mask do not wake a waiter */
TEST_F(wait, sleeps_through_other_events)
{
	struct waiter w;
	long before;
	int sv[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, sv[0], EPOLLRDHUP));
	ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
	before = switches(w.tid);
	EXPECT_LT(0, before);
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(0, put_byte(sv[1]));
	EXPECT_EQ(before, switches(w.tid));
	ASSERT_EQ(0, shutdown(sv[1], SHUT_WR));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EVENT(EPOLLRDHUP, sv[0], w.ev[0]);
	close(sv[0]);
	close(sv[1]);
}

/* R2: an event wakes the waiter, and the wait returns it, long before the timeout */
TEST_F(wait, event_ends_the_wait)
{
	long long start = now_ms();
	struct waiter w;

	for (int i = 0; i < 10; i++) {
		ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		EXPECT_EQ(1, waiter_join(&w));
		EXPECT_EVENT(EPOLLIN, 1, w.ev[0]);
	}
	EXPECT_GT(SOON, now_ms() - start);
}

/* R14: -1 waits without a limit, longer than anything else here, until an event */
TEST_F(wait, for_ever)
{
	struct waiter w = { .by = variant->by, .ep = self->ep, .timeout_ms = -1 };
	struct epoll_event ev;

	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, waiter_main, &w));
	while (!w.tid)
		sched_yield();
	ASSERT_TRUE(asleep(w.tid));
	usleep(200000);
	ASSERT_TRUE(asleep(w.tid));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EVENT(EPOLLIN, 1, w.ev[0]);
}

/* A wait that does not sleep misses no event that happened before it */
TEST_F(wait, zero_misses_nothing)
{
	struct itimerspec soon = { .it_value.tv_nsec = 500000 };
	struct epoll_event ev = {};
	struct pollfd pfd = {
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
		.events = POLLIN,
	};

	/* in process context */
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		ASSERT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	}
	/* in an interrupt */
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, pfd.fd, EPOLLIN | EPOLLET, 2));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, timerfd_settime(pfd.fd, 0, &soon, NULL));
		while (!poll(&pfd, 1, 0))
			;
		ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		EXPECT_EVENT(EPOLLIN, 2, ev);
	}
	close(pfd.fd);
}

/* ep_poll(): an event that comes as the time ends is reported by this wait or by the next */
TEST_F(wait, event_at_the_timeout)
{
	struct itimerspec soon = { .it_value.tv_nsec = 2000000 };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), n, timeouts = 0;
	struct epoll_event ev = {};

	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, timer, EPOLLIN | EPOLLET, 2));
	for (int i = 0; i < 100; i++) {
		soon.it_value.tv_nsec = 1500000 + i % 20 * 50000;
		ASSERT_EQ(0, timerfd_settime(timer, 0, &soon, NULL));
		n = wait_ns(variant->by, self->ep, &ev, 2000000);
		ASSERT_LE(0, n);
		timeouts += !n;
		if (!n)
			n = ep_wait(variant->by, self->ep, &ev, 1, SOON);
		ASSERT_EQ(1, n);
		EXPECT_EVENT(EPOLLIN, 2, ev);
		ASSERT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	}
	TH_LOG("%d of 100 waits ended before their event", timeouts);
	close(timer);
}

/* What epoll_pwait2(2) and EVPOLL_IOC_WAIT have and read() has not. */
FIXTURE(pwait2) {
	int ep;
	int fd;
};

FIXTURE_VARIANT(pwait2) {
	enum mechanism by;
};

FIXTURE_VARIANT_ADD(pwait2, epoll) { .by = BY_EPOLL };
FIXTURE_VARIANT_ADD(pwait2, wait) { .by = BY_WAIT };

FIXTURE_SETUP(pwait2)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN | EPOLLET, 1));
}

FIXTURE_TEARDOWN(pwait2)
{
	close(self->ep);
	close(self->fd);
}

/* epoll_pwait2(2) EINVAL: a time that is none; the event stays */
TEST_F(pwait2, bad_times)
{
	static const struct timespec bad[] = {
		{ 0, -1 }, { 0, 1000000000 }, { 1, INT32_MAX }, { -1, 0 }, { -1, 999999999 },
		{ (time_t)1 << (8 * sizeof(time_t) - 1), 0 },
	};
	struct epoll_event ev;

	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(EINVAL, ep_pwait2(variant->by, self->ep, &ev, 1, &bad[i], NULL));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* poll_select_set_timeout(): a timeout beyond KTIME_MAX has no limit, and does not end at once */
TEST_F(pwait2, largest_time)
{
	/* epoll_pwait2(2) takes 64-bit seconds from everyone */
	int64_t ts[2] = { INT64_MAX, 999999999 };
	struct epoll_event ev = {};
	struct evpoll_wait wait = {
		.events = (uintptr_t)&ev,
		.timeout = (uintptr_t)ts,
		.maxevents = 1,
	};
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	if (!pid) {
		int n = variant->by == BY_EPOLL ?
			syscall(SYS_epoll_pwait2, self->ep, &ev, 1, ts, NULL, 0) :
			ioctl(self->ep, EVPOLL_IOC_WAIT, &wait);

		_exit(n == 1 && ev.data.u64 == 1 ? 0 : 1);
	}
	EXPECT_TRUE(asleep(pid));
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(0, reap(pid));
}

/* epoll_wait(2) EINVAL: maxevents must be greater than 0 and no more than can be */
TEST_F(pwait2, maxevents)
{
	static const int bad[] = { 0, -1, INT32_MIN, INT32_MAX, MAX_EVENTS + 1 };
	static struct epoll_event ev;
	struct timespec zero = {};

	EXPECT_EQ(0, ep_pwait2(variant->by, self->ep, &ev, MAX_EVENTS, &zero, NULL));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(EINVAL, ep_pwait2(variant->by, self->ep, &ev, bad[i], &zero, NULL));
	EXPECT_EQ(1, ep_pwait2(variant->by, self->ep, &ev, MAX_EVENTS, &zero, NULL));
	EXPECT_EVENT(EPOLLIN, 1, ev);
}

/* epoll_pwait2(2) EFAULT: times and masks that are not there; the event stays */
TEST_F(pwait2, bad_pointers)
{
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *bad[] = { none, (void *)-4096L, (void *)8 };
	struct epoll_event ev;

	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct evpoll_wait wait = {
			.events = (uintptr_t)&ev,
			.timeout = (uintptr_t)bad[i],
			.maxevents = 1,
		};

		if (variant->by == BY_EPOLL)
			EXPECT_ERRNO(EFAULT, syscall(SYS_epoll_pwait2, self->ep, &ev, 1, bad[i],
						     NULL, 0));
		else
			EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
		EXPECT_ERRNO(EFAULT, ep_pwait2(variant->by, self->ep, &ev, 1, NULL, bad[i]));
	}
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	munmap(none, 4096);
}

/* epoll_wait(2): how long is said by the timeout alone, O_NONBLOCK does not count */
TEST_F(pwait2, nonblock_does_not_count)
{
	long long start = now_ms();
	struct epoll_event ev;
	struct waiter w;

	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 50));
	EXPECT_LE(50, now_ms() - start);
	ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, waiter_join(&w));
}

/* read() alone. */
FIXTURE(read) {
	int ep;
	int fd;
};

FIXTURE_SETUP(read)
{
	self->ep = ep_create(BY_READ, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ep_ctl(BY_READ, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN | EPOLLET, 1));
}

FIXTURE_TEARDOWN(read)
{
	close(self->ep);
	close(self->fd);
}

/* R3: EAGAIN under O_NONBLOCK, at once, whatever the read timeout says */
TEST_F(read, nonblock)
{
	struct evpoll_params params = { .read_timeout_ns = 3600 * 1000000000ULL };
	struct epoll_event ev;

	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_NONBLOCK));
	EXPECT_ERRNO(EAGAIN, read(self->ep, &ev, sizeof(ev)));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ((ssize_t)sizeof(ev), read(self->ep, &ev, sizeof(ev)));
	EXPECT_ERRNO(EAGAIN, read(self->ep, &ev, sizeof(ev)));
}

/* EAGAIN when the read timeout ends, as with SO_RCVTIMEO; it holds for each read */
TEST_F(read, timeout)
{
	struct evpoll_params params = { .read_timeout_ns = 30000000 };
	struct epoll_event ev;

	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	for (int i = 0; i < 3; i++) {
		long long start = now_ns();

		EXPECT_ERRNO(EAGAIN, read(self->ep, &ev, sizeof(ev)));
		EXPECT_LE(30000000, now_ns() - start);
	}
}

/* The read timeout is read()'s, EVPOLL_IOC_WAIT has its own */
TEST_F(read, timeout_is_not_for_wait)
{
	struct evpoll_params params = { .read_timeout_ns = 1 };
	long long start = now_ms();
	struct epoll_event ev;

	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 50));
	EXPECT_LE(50, now_ms() - start);
	EXPECT_ERRNO(EAGAIN, read(self->ep, &ev, sizeof(ev)));
}

/* The largest read timeout has no limit either */
TEST_F(read, largest_timeout)
{
	struct evpoll_params params = { .read_timeout_ns = INT64_MAX };
	struct epoll_event ev;
	pid_t pid;

	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(read(self->ep, &ev, sizeof(ev)) == sizeof(ev) ? 0 : 1);
	EXPECT_TRUE(asleep(pid));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(0, reap(pid));
}

/* An instance opened O_RDONLY does all there is to do */
TEST_F(read, opened_read_only)
{
	int ep = open(EVPOLL_DEV, O_RDONLY | O_CLOEXEC);
	struct epoll_event ev;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, ep_add(BY_READ, ep, self->fd, EPOLLIN));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ((ssize_t)sizeof(ev), read(ep, &ev, sizeof(ev)));
	close(ep);
}

TEST_HARNESS_MAIN
