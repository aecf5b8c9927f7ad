// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ready ring: calls on an instance with a ring, sleeps and wakeups, and pollers. What comes by
 * the ring is in ring.c.
 */
#include "evpoll_ring_test.h"
#include "evpoll_threads.h"
#include "evpoll_uring.h"

#include <sys/uio.h>

FIXTURE(ring_wait) {
	struct evpoll_ring ring;
	int ep;
};

FIXTURE_SETUP(ring_wait)
{
	self->ep = ring_open(&self->ring, 64);
	ASSERT_LE(0, self->ep) TH_LOG("no instance or no ring: %s", strerror(errno));
}

FIXTURE_TEARDOWN(ring_wait)
{
	ring_shut(&self->ring);
}

/* A program that never harvests gets each event by read() and WAIT, and only once. */
TEST_F(ring_wait, calls_alone)
{
	struct epoll_event ev[4];
	int et = eventfd(0, EFD_NONBLOCK), lt = eventfd(0, EFD_NONBLOCK);
	eventfd_t count;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, et, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, lt, EPOLLIN));
	for (int i = 0; i < 200; i++) {
		ASSERT_EQ(0, eventfd_write(et, 1));
		EXPECT_EQ(1, ep_wait(i % 2 ? BY_WAIT : BY_READ, self->ep, ev, 4, -1));
		EXPECT_EVENT(EPOLLIN, et, ev[0]);
		EXPECT_EQ(0, ep_wait(i % 2 ? BY_WAIT : BY_READ, self->ep, ev, 4, 0));
		ASSERT_EQ(0, eventfd_write(lt, 1));
		EXPECT_EQ(1, ep_wait(i % 2 ? BY_WAIT : BY_READ, self->ep, ev, 4, -1));
		EXPECT_EVENT(EPOLLIN, lt, ev[0]);
		ASSERT_EQ(0, eventfd_read(lt, &count));
		EXPECT_EQ(0, ep_wait(i % 2 ? BY_WAIT : BY_READ, self->ep, ev, 4, 0));
	}
}

/* Calls alone: files that are always ready do not keep an edge-triggered event away. */
TEST_F(ring_wait, level_does_not_starve_edge)
{
	int et = eventfd(0, EFD_NONBLOCK), lt = eventfd(1, EFD_NONBLOCK);

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, et, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, lt, EPOLLIN));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, eventfd_write(et, 1));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, lt, -1) |
				   ep_mask(BY_WAIT, self->ep, et, -1) |
				   ep_mask(BY_WAIT, self->ep, et, -1));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, lt, -1) |
				   ep_mask(BY_WAIT, self->ep, lt, -1));
		EXPECT_NO_HARVEST(&self->ring);
	}
}

FIXTURE(ring_sleep) {
	struct evpoll_ring ring;
	int ep;
	int rd, wr;
};

FIXTURE_VARIANT(ring_sleep) {
	enum source source;
	uint32_t events;
	unsigned int usecs;	/* window */
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(ring_sleep, eventfd_lt) { EVENTFD, EPOLLIN };
FIXTURE_VARIANT_ADD(ring_sleep, eventfd_et) { EVENTFD, EPOLLIN | EPOLLET };
FIXTURE_VARIANT_ADD(ring_sleep, eventfd_once) { EVENTFD, EPOLLIN | EPOLLONESHOT };
FIXTURE_VARIANT_ADD(ring_sleep, udp_lt) { UDP, EPOLLIN };
FIXTURE_VARIANT_ADD(ring_sleep, udp_et) { UDP, EPOLLIN | EPOLLET };
FIXTURE_VARIANT_ADD(ring_sleep, eventfd_et_window) { EVENTFD, EPOLLIN | EPOLLET, 20000 };
FIXTURE_VARIANT_ADD(ring_sleep, udp_et_window) { UDP, EPOLLIN | EPOLLET, 20000 };
FIXTURE_VARIANT_ADD(ring_sleep, udp_et_eager) { UDP, EPOLLIN | EPOLLET, 20000, EVPOLL_EAGER };
FIXTURE_VARIANT_ADD(ring_sleep, eager) { EVENTFD, EPOLLIN | EPOLLET, 20000, EVPOLL_EAGER };
FIXTURE_VARIANT_ADD(ring_sleep, udp_et_unbatched) { UDP, EPOLLIN | EPOLLET, 0, EVPOLL_UNBATCHED };
FIXTURE_VARIANT_ADD(ring_sleep, udp_et_adaptive) { UDP, EPOLLIN | EPOLLET, 500, EVPOLL_ADAPTIVE };
FIXTURE_VARIANT_ADD(ring_sleep, exclusive) { UDP, EPOLLIN | EPOLLEXCLUSIVE };
FIXTURE_VARIANT_ADD(ring_sleep, exclusive_et) { EVENTFD, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET };

FIXTURE_SETUP(ring_sleep)
{
	struct evpoll_params params = { .coalesce_usecs = variant->usecs, .flags = variant->flags };

	self->ep = ring_open(&self->ring, 64);
	ASSERT_LE(0, self->ep);
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	ASSERT_EQ(0, source_open(variant->source, &self->rd, &self->wr));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, variant->events));
}

FIXTURE_TEARDOWN(ring_sleep)
{
	ring_shut(&self->ring);
}

/* Whoever sleeps is woken, from every context, and gets the event. */
TEST_F(ring_sleep, is_woken)
{
	char buf[8];

	for (int i = 0; i < 20; i++) {
		struct waiter w;

		ASSERT_TRUE(waiter_start(&w, BY_WAIT, self->ep));
		ASSERT_EQ(0, poke(self->wr));
		ASSERT_EQ(1, waiter_join(&w));
		EXPECT_EVENT(EPOLLIN, self->rd, w.ev[0]);
		ASSERT_LT(0, read(self->rd, buf, sizeof(buf)));
		if (variant->events & EPOLLONESHOT)
			ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->rd, variant->events));
	}
}

/* poll(2) and epoll are woken too, and say no once the event is harvested. */
TEST_F(ring_sleep, pollers_are_woken)
{
	int outer = epoll_create1(0);
	struct epoll_event ev;
	struct pollfd p = { .fd = self->ep, .events = POLLIN };
	char buf[8];

	ASSERT_EQ(0, ep_add(BY_EPOLL, outer, self->ep, EPOLLIN));
	EXPECT_EQ(0, poll(&p, 1, 0));
	for (int i = 0; i < 10; i++) {
		struct waiter w;

		ASSERT_TRUE(waiter_start(&w, BY_EPOLL, outer));
		ASSERT_EQ(0, poke(self->wr));
		ASSERT_EQ(1, waiter_join(&w));
		EXPECT_EQ(1, poll(&p, 1, 0));
		while (evpoll_ring_wait(&self->ring, &ev, 1, 0) > 0)
			if (read(self->rd, buf, sizeof(buf)) < 0)
				break;
		EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
		EXPECT_EQ(0, poll(&p, 1, 0));
		EXPECT_EQ(0, epoll_wait(outer, &ev, 1, 0));
		if (variant->events & EPOLLONESHOT)
			ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->rd, variant->events));
	}
}

/* An awake program sees the event at once, whatever the window. */
TEST_F(ring_sleep, awake_sees_it_at_once)
{
	struct epoll_event ev;

	ASSERT_EQ(0, poke(self->wr));
	ASSERT_EQ(1, evpoll_ring_wait(&self->ring, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, self->rd, ev);
}

/* Eight events of one burst, eight sleepers that take one each: all are woken. */
TEST_F(ring_wait, each_sleeper_gets_one)
{
	enum { N = 8 };
	struct worker w[N];
	int rd[N], wr[N];
	atomic_int returned = 0;

	for (int i = 0; i < N; i++) {
		ASSERT_EQ(0, source_open(i % 2 ? UDP : EVENTFD, &rd[i], &wr[i]));
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, rd[i], EPOLLIN | EPOLLET));
	}
	for (int round = 0; round < 10; round++) {
		uint64_t sum = 0, expected = 0;

		returned = 0;
		for (int i = 0; i < N; i++)
			ASSERT_TRUE(worker_start(&w[i], BY_WAIT, self->ep, 1, SOON, &returned));
		for (int i = 0; i < N; i++) {
			ASSERT_EQ(0, poke(wr[i]));
			expected += rd[i];
		}
		for (int i = 0; i < N; i++) {
			pthread_join(w[i].thread, NULL);
			EXPECT_EQ(1, w[i].n);
			sum += w[i].ev[0].data.u64;
		}
		EXPECT_EQ(expected, sum);
	}
}

/* A level-triggered file that is ready is reported again before evpoll_ring_wait() sleeps. */
TEST_F(ring_wait, level_before_sleep)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN));
	ASSERT_EQ(0, eventfd_write(fd, 1));
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(1, evpoll_ring_wait(&self->ring, &ev, 1, -1));
		EXPECT_EVENT(EPOLLIN, fd, ev);
	}
}

/* A bad buffer loses nothing, and the next call has the event. */
TEST_F(ring_wait, bad_buffer)
{
	struct epoll_event *bad, ev[4];
	struct iovec iov[2];
	int fd[4];

	bad = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, mprotect(bad, 8192, PROT_NONE));
	for (int i = 0; i < 4; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK);
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd[i], EPOLLIN | EPOLLET |
				    (i % 2 ? EPOLLONESHOT : 0)));
		ASSERT_EQ(0, eventfd_write(fd[i], 1));
	}
	EXPECT_ERRNO(EFAULT, ep_wait(BY_WAIT, self->ep, bad, 4, 0));
	EXPECT_ERRNO(EFAULT, ep_wait(BY_READ, self->ep, bad, 4, 0));
	iov[0] = (struct iovec){ ev, sizeof(ev[0]) };
	iov[1] = (struct iovec){ bad, sizeof(ev[0]) };
	EXPECT_EQ(sizeof(ev[0]), readv(self->ep, iov, 2));
	EXPECT_EVENT(EPOLLIN, fd[0], ev[0]);
	EXPECT_EQ(3, ep_wait(BY_WAIT, self->ep, ev, 4, 0));
	for (int i = 1; i < 4; i++)
		EXPECT_EVENT(EPOLLIN, fd[i], ev[i - 1]);
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, ev, 4, 0));
}

/* io_uring reads events of the ring, and is woken for them. */
TEST_F(ring_wait, io_uring_reads)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct epoll_event ev = {};
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ, .fd = self->ep, .addr = (uintptr_t)&ev,
		.len = sizeof(ev), .off = -1,
	};
	struct io_uring_cqe cqe;
	struct uring uring;

	if (uring_open(&uring))
		SKIP(return, "no io_uring: %s", strerror(errno));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLET));
	for (int i = 0; i < 10; i++) {
		if (i % 2)
			ASSERT_EQ(0, eventfd_write(fd, 1));
		ASSERT_EQ(0, uring_submit(&uring, &sqe));
		if (!(i % 2))
			ASSERT_EQ(0, eventfd_write(fd, 1));
		ASSERT_TRUE(uring_wait(&uring, &cqe, SOON));
		EXPECT_EQ(sizeof(ev), cqe.res);
		EXPECT_EVENT(EPOLLIN, fd, ev);
	}
}

static void count_signal(int sig)
{
	static _Atomic int signals;

	(void)sig;
	signals++;
}

/* O_ASYNC: a signal for an event in the ring */
TEST_F(ring_wait, signal)
{
	struct sigaction action = { .sa_handler = count_signal };
	int fd = eventfd(0, EFD_NONBLOCK);
	struct timespec soon = { SOON / 1000 };
	sigset_t io;

	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	ASSERT_EQ(0, sigaction(SIGIO, &action, NULL));
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &io, NULL));
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_ASYNC));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLET));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, eventfd_write(fd, 1));
		EXPECT_EQ(SIGIO, sigtimedwait(&io, NULL, &soon));
		EXPECT_HARVEST(&self->ring, EPOLLIN, fd);
	}
}

/* An instance with a ring that watches another, and is watched */
TEST_F(ring_wait, nested)
{
	int inner = ep_create(BY_WAIT, 0), outer = ep_create(BY_WAIT, 0);
	int fd = eventfd(0, EFD_NONBLOCK);
	struct evpoll_ring ring;
	struct epoll_event ev;
	eventfd_t count;

	ASSERT_EQ(0, evpoll_ring_create(&ring, inner, 8));
	ASSERT_EQ(0, ep_add(BY_WAIT, inner, fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, inner, EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_WAIT, outer, self->ep, EPOLLIN));
	for (int i = 0; i < 5; i++) {
		struct waiter w;

		ASSERT_TRUE(waiter_start(&w, BY_WAIT, outer));
		ASSERT_EQ(0, eventfd_write(fd, 1));
		ASSERT_EQ(1, waiter_join(&w));
		EXPECT_EVENT(EPOLLIN, self->ep, w.ev[0]);
		EXPECT_EQ(1, evpoll_ring_wait(&self->ring, &ev, 1, -1));
		EXPECT_EVENT(EPOLLIN, inner, ev);
		EXPECT_HARVEST(&ring, EPOLLIN, fd);
		EXPECT_EQ(0, evpoll_ring_wait(&self->ring, &ev, 1, 0));
		EXPECT_EQ(0, ep_wait(BY_WAIT, outer, &ev, 1, 0));
		ASSERT_EQ(0, eventfd_read(fd, &count));
	}
	ring_shut(&ring);
}

/* Nobody can say how many different items the ring and the ready list have. */
TEST_F(ring_wait, min_wait_is_refused)
{
	struct epoll_event ev[2];
	struct evpoll_wait wait = {
		.events = (uintptr_t)ev, .maxevents = 2, .min_wait_ns = 1,
	};

	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
}

/* Entries that are none, at the head: the call ends with its timeout. */
TEST_F(ring_wait, wrong_entry_and_the_timeout)
{
	uint32_t head = *self->ring.head, entry[] = { 1, 16 + 1, self->ring.size + 1, -15U };
	struct epoll_event ev;
	long long start;

	for (unsigned int i = 0; i < 4; i++) {
		self->ring.index[head & self->ring.mask] = entry[i];
		start = now_ms();
		alarm(SOON / 1000);
		EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 100));
		EXPECT_LE(100, now_ms() - start);
		alarm(0);
	}
}

/* A signal ends the wait, and the event that comes later is not lost. */
TEST_F(ring_wait, signal_ends_the_wait)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct epoll_event ev;
	sigset_t none;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, raise_blocked(&none));
	EXPECT_ERRNO(EINTR, ep_pwait2(BY_WAIT, self->ep, &ev, 1, NULL, &none));
	ASSERT_EQ(0, eventfd_write(fd, 1));
	EXPECT_HARVEST(&self->ring, EPOLLIN, fd);
}

TEST_HARNESS_MAIN
