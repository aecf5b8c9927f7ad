// SPDX-License-Identifier: GPL-2.0-only
/*
 * The five I/O models on one instance (R41): blocking, non-blocking, multiplexed, signal-driven and
 * asynchronous. Each test has the two phases: waiting for an event, and getting it into the buffer.
 */
#include "evpoll_uring.h"
#include "evpoll_util.h"

#include <aio.h>
#include <linux/aio_abi.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/select.h>

#define EVENT sizeof(struct epoll_event)

FIXTURE(models) {
	int ep;
	int fd;
	struct epoll_event ev[2];
};

FIXTURE_SETUP(models)
{
	self->ep = ep_create(BY_READ, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_EQ(0, ep_add(BY_READ, self->ep, self->fd, EPOLLIN | EPOLLET));
}

FIXTURE_TEARDOWN(models)
{
	close(self->ep);
	close(self->fd);
}

/* A thread that makes an event when the main thread sleeps */
static void *wake_sleeper(void *arg)
{
	if (asleep(getpid()))
		eventfd_write(*(int *)arg, 1);
	return NULL;
}

#define WHEN_ASLEEP(call) do {							\
	pthread_t thread;							\
										\
	ASSERT_EQ(0, pthread_create(&thread, NULL, wake_sleeper, &self->fd));	\
	call;									\
	ASSERT_EQ(0, pthread_join(thread, NULL));				\
} while (0)

#define EXPECT_READ() do {							\
	EXPECT_EQ((ssize_t)EVENT, read(self->ep, self->ev, sizeof(self->ev)));	\
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);				\
} while (0)

/* One call has both phases. */
TEST_F(models, blocking)
{
	WHEN_ASLEEP(EXPECT_READ());
}

/* No call waits, so the program has to come back. */
TEST_F(models, nonblocking)
{
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_NONBLOCK));
	for (int i = 0; i < 3; i++)
		EXPECT_ERRNO(EAGAIN, read(self->ep, self->ev, sizeof(self->ev)));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_READ();
}

/* Another call waits, for this file and others. */
TEST_F(models, multiplexed)
{
	struct pollfd pfd = { .fd = self->ep, .events = POLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), outer = ep_create(BY_READ, O_CLOEXEC);
	struct epoll_event ev;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(self->ep, &set);
	ASSERT_EQ(0, ep_add(BY_EPOLL, epoll, self->ep, EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_READ, outer, self->ep, EPOLLIN));
	WHEN_ASLEEP(EXPECT_EQ(1, select(self->ep + 1, &set, NULL, NULL, NULL)));
	EXPECT_READ();
	WHEN_ASLEEP(EXPECT_EQ(1, poll(&pfd, 1, -1)));
	EXPECT_READ();
	WHEN_ASLEEP(EXPECT_EQ(1, ep_wait(BY_EPOLL, epoll, &ev, 1, -1)));
	EXPECT_READ();
	WHEN_ASLEEP(EXPECT_EQ(1, ep_wait(BY_READ, outer, &ev, 1, -1)));
	EXPECT_READ();
	close(outer);
	close(epoll);
}

static atomic_int signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

static int set_handler(int sig)
{
	struct sigaction action = { .sa_handler = count_signal };

	signals = 0;
	return sigaction(sig, &action, NULL);
}

/* True once there were @n signals */
static bool signalled(int n)
{
	long long end = now_ms() + SOON;

	while (signals < n && now_ms() < end)
		sched_yield();
	return signals == n;
}

/* The kernel says by a signal that the first phase is over. The program goes on meanwhile. */
TEST_F(models, signal_driven)
{
	ASSERT_EQ(0, set_handler(SIGIO));
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_ASYNC | O_NONBLOCK));
	for (int i = 1; i <= 3; i++) {
		EXPECT_ERRNO(EAGAIN, read(self->ep, self->ev, sizeof(self->ev)));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		ASSERT_TRUE(signalled(i));
		EXPECT_READ();
	}
}

/* Both phases are over when the program hears of it. */
TEST_F(models, asynchronous)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ, .fd = self->ep, .addr = (uintptr_t)self->ev,
		.len = sizeof(self->ev), .off = -1,
	};
	struct io_uring_cqe cqe;
	struct uring u;

	ASSERT_EQ(0, uring_open(&u)) TH_LOG("io_uring_setup: %s", strerror(errno));
	ASSERT_EQ(0, uring_submit(&u, &sqe));
	EXPECT_FALSE(uring_peek(&u, &cqe));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_TRUE(uring_wait(&u, &cqe, SOON));
	EXPECT_EQ((int)EVENT, cqe.res);
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
	uring_close(&u);
}

static void count_call(union sigval value)
{
	(void)value;
	signals++;
}

/* aio_read(3): a thread of the C library reads; a signal, or a call in a thread, tells the end */
TEST_F(models, aio_read)
{
	struct aiocb cb = {
		.aio_fildes = self->ep, .aio_buf = self->ev, .aio_nbytes = sizeof(self->ev),
	};
	struct sigevent how[] = {
		{ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 },
		{ .sigev_notify = SIGEV_THREAD, .sigev_notify_function = count_call },
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		ASSERT_EQ(0, set_handler(SIGUSR1));
		memset(self->ev, 0, sizeof(self->ev));
		cb.aio_sigevent = how[i];
		ASSERT_EQ(0, aio_read(&cb));
		EXPECT_EQ(EINPROGRESS, aio_error(&cb));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		ASSERT_TRUE(signalled(1));
		EXPECT_EQ(0, aio_error(&cb));
		EXPECT_EQ((ssize_t)EVENT, aio_return(&cb));
		EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
	}
}

/* io_submit(2) with IOCB_CMD_POLL tells that an event waits. buffer.c has IOCB_CMD_PREAD */
TEST_F(models, aio_poll)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = self->ep, .aio_buf = POLLIN,
	};
	struct iocb *list[] = { &cb };
	struct timespec soon = { SOON / 1000 }, now = {};
	aio_context_t ctx = 0;
	struct io_event done;

	if (syscall(SYS_io_setup, 8, &ctx))
		SKIP(return, "io_setup: %s", strerror(errno));
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, list));
	EXPECT_EQ(0, syscall(SYS_io_getevents, ctx, 0, 1, &done, &now));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &done, &soon));
	EXPECT_TRUE(done.res & POLLIN);
	EXPECT_READ();
	syscall(SYS_io_destroy, ctx);
}

TEST_HARNESS_MAIN
