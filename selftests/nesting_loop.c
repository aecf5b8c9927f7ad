// SPDX-License-Identifier: GPL-2.0-only
/*
 * A poller of the instance whose wakeup comes back to a file that the instance watches (R26).
 *
 * Linux AIO signals an eventfd when a poll completes, and so does an io_uring; the instance may
 * watch that eventfd, or the ring. On 6.1 both do this in the wakeup itself, under the lock of the
 * wait queue that was woken, and epoll then takes a lock twice: these tests would hang the kernel
 * with epoll. With evpoll each of them ends, and no wakeup is lost.
 */
#include "evpoll_threads.h"
#include "evpoll_uring.h"

#include <linux/aio_abi.h>

/* How the events of the instance go their way */
struct way {
	__u32 flags;
	__u32 usecs;
	__u32 events;	/* 1: the waker ends the window */
	__u32 exclusive;
};

FIXTURE(nesting_loop) {
	int ep;
	int p[2];	/* a pipe: wakes in process context */
	int e;		/* an eventfd that pollers of @ep signal */
};

FIXTURE_VARIANT(nesting_loop) {
	struct way way;
};

FIXTURE_VARIANT_ADD(nesting_loop, batched) {};
FIXTURE_VARIANT_ADD(nesting_loop, unbatched) { .way.flags = EVPOLL_UNBATCHED };
FIXTURE_VARIANT_ADD(nesting_loop, window) { .way.usecs = 1000 };
FIXTURE_VARIANT_ADD(nesting_loop, window_of_events) { .way.usecs = 1000000, .way.events = 1 };
FIXTURE_VARIANT_ADD(nesting_loop, exclusive) { .way.exclusive = EPOLLEXCLUSIVE };

static int instance(const struct way *way)
{
	struct evpoll_params params = {
		.flags = way->flags, .coalesce_usecs = way->usecs, .coalesce_events = way->events,
	};
	int ep = ep_create(BY_WAIT, O_CLOEXEC);

	return ep < 0 || ioctl(ep, EVPOLL_IOC_SET_PARAMS, &params) ? -1 : ep;
}

static int watch(const struct way *way, int ep, int fd)
{
	return ep_add(BY_WAIT, ep, fd, EPOLLIN | EPOLLET | way->exclusive);
}

FIXTURE_SETUP(nesting_loop)
{
	self->ep = instance(&variant->way);
	self->e = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, self->ep);
	ASSERT_LE(0, self->e);
	ASSERT_EQ(0, pipe2(self->p, O_NONBLOCK));
	ASSERT_EQ(0, watch(&variant->way, self->ep, self->p[0]));
	ASSERT_EQ(0, watch(&variant->way, self->ep, self->e));
}

FIXTURE_TEARDOWN(nesting_loop)
{
	close(self->ep);
}

/* Linux AIO polls @fd once, and then signals @signal unless that is -1. */
static int aio_poll(aio_context_t ctx, int fd, int signal)
{
	struct iocb poll = {
		.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = fd, .aio_buf = POLLIN,
		.aio_flags = signal < 0 ? 0 : IOCB_FLAG_RESFD, .aio_resfd = signal,
	};
	struct iocb *list[] = { &poll };

	return syscall(SYS_io_submit, ctx, 1, list) == 1 ? 0 : -1;
}

/* True if @n polls complete in time. */
static bool aio_complete(aio_context_t ctx, int n)
{
	struct timespec soon = { .tv_sec = SOON / 1000 };
	struct io_event ev[8];

	return syscall(SYS_io_getevents, ctx, n, 8, ev, &soon) == n;
}

/* Read @n events of the instance, which are of different files. */
static int read_events(int ep, int n)
{
	struct epoll_event ev[8];
	int i, got = 0;

	for (i = 0; got < n && i < n; i++)
		got += ep_wait(BY_WAIT, ep, ev, 8, SOON);
	return got;
}

/* An AIO poll signals an eventfd that the instance watches; another one waits behind it. */
TEST_F(nesting_loop, aio)
{
	aio_context_t ctx = 0;
	uint64_t count;

	if (syscall(SYS_io_setup, 8, &ctx))
		SKIP(return, "io_setup: %s", strerror(errno));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, aio_poll(ctx, self->ep, -1));
		/* Woken first, because the newest poller is at the head of the queue. */
		ASSERT_EQ(0, aio_poll(ctx, self->ep, self->e));
		ASSERT_EQ(0, put_byte(self->p[1]));
		ASSERT_TRUE(aio_complete(ctx, 2));
		EXPECT_EQ(2, read_events(self->ep, 2));
		EXPECT_EQ(sizeof(count), read(self->e, &count, sizeof(count)));
		EXPECT_EQ(0, get_byte(self->p[0]));
	}
	syscall(SYS_io_destroy, ctx);
}

/* The same through an instance that watches the instance. */
TEST_F(nesting_loop, aio_above)
{
	int outer = instance(&variant->way);
	aio_context_t ctx = 0;
	uint64_t count;

	if (syscall(SYS_io_setup, 8, &ctx))
		SKIP(return, "io_setup: %s", strerror(errno));
	/* EPOLLEXCLUSIVE is not for a watched instance. */
	ASSERT_EQ(0, ep_add(BY_WAIT, outer, self->ep, EPOLLIN | EPOLLET));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, aio_poll(ctx, outer, -1));
		ASSERT_EQ(0, aio_poll(ctx, outer, self->e));
		ASSERT_EQ(0, put_byte(self->p[1]));
		ASSERT_TRUE(aio_complete(ctx, 2));
		EXPECT_EQ(2, read_events(self->ep, 2));
		EXPECT_EQ(sizeof(count), read(self->e, &count, sizeof(count)));
		EXPECT_EQ(0, get_byte(self->p[0]));
		ep_wait(BY_WAIT, outer, (struct epoll_event[8]){}, 8, 0);
	}
	syscall(SYS_io_destroy, ctx);
	close(outer);
}

/* Two instances: each has an AIO poll that signals an eventfd which the other one watches. */
struct pair {
	int ep[2];
	int e[2];		/* e[i]: watched by ep[i], signalled by polls of the other */
	int p[2][2];		/* p[i]: a pipe that ep[i] watches */
	aio_context_t ctx[2];
	atomic_int turn;
	atomic_int failed;
};

static void pair_wake(struct pair *pair, int i)
{
	uint64_t count;

	if (aio_poll(pair->ctx[i], pair->ep[i], pair->e[!i]))
		pair->failed++;
	/* Each write wakes an instance from under the lock of another wait queue. */
	put_byte(pair->p[i][1]);
	poke(pair->e[i]);
	if (!aio_complete(pair->ctx[i], 1))
		pair->failed++;
	read(pair->e[i], &count, sizeof(count));
	get_byte(pair->p[i][0]);
	ep_wait(BY_WAIT, pair->ep[i], (struct epoll_event[8]){}, 8, 0);
}

static void *pair_main(void *arg)
{
	struct pair *pair = arg;
	int i = pair->turn++;

	on_cpu(i);
	for (int n = 0; n < 500 && !pair->failed; n++)
		pair_wake(pair, i);
	return NULL;
}

TEST_F(nesting_loop, aio_across)
{
	struct pair pair = {};
	pthread_t thread[2];

	for (int i = 0; i < 2; i++) {
		if (syscall(SYS_io_setup, 8, &pair.ctx[i]))
			SKIP(return, "io_setup: %s", strerror(errno));
		pair.ep[i] = instance(&variant->way);
		pair.e[i] = eventfd(0, EFD_NONBLOCK);
		ASSERT_EQ(0, pipe2(pair.p[i], O_NONBLOCK));
		ASSERT_EQ(0, watch(&variant->way, pair.ep[i], pair.p[i][0]));
		ASSERT_EQ(0, watch(&variant->way, pair.ep[i], pair.e[i]));
	}
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, pair_main, &pair));
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, pair.failed);
	for (int i = 0; i < 2; i++) {
		syscall(SYS_io_destroy, pair.ctx[i]);
		close(pair.ep[i]);
	}
}

/* Two lasting polls of an io_uring whose completions wake the instance. True if they all end. */
static bool uring_ends(struct uring *u, int ep, int wr)
{
	struct io_uring_cqe cqe;
	int n, completions = 0;

	if (uring_poll(u, ep, POLLIN, true, 1) || uring_poll(u, ep, POLLIN, true, 2))
		return false;
	/* Sleeps until one completes. */
	if (put_byte(wr) ||
	    syscall(SYS_io_uring_enter, u->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0))
		return false;
	/* 6.1 fills the ring once. */
	do {
		for (n = 0; uring_peek(u, &cqe); n++)
			;
		completions += n;
		syscall(SYS_io_uring_enter, u->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	} while (n && completions < 10000);
	return completions < 10000;
}

TEST_F(nesting_loop, uring_eventfd)
{
	struct uring u;

	if (uring_setup(&u, 64, 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	ASSERT_EQ(0, syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_EVENTFD, &self->e, 1));
	EXPECT_TRUE(uring_ends(&u, self->ep, self->p[1]));
	/* of the pipe and of the eventfd */
	EXPECT_EQ(2, read_events(self->ep, 2));
	uring_close(&u);
}

TEST_F(nesting_loop, uring)
{
	struct uring u;

	if (uring_setup(&u, 64, 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	ASSERT_EQ(0, watch(&variant->way, self->ep, u.fd));
	/* a ring wakes its watchers only after somebody has polled it */
	poll(&(struct pollfd){ .fd = u.fd, .events = POLLIN }, 1, 0);
	EXPECT_TRUE(uring_ends(&u, self->ep, self->p[1]));
	/* of the pipe; the ring may have a completion again or not */
	EXPECT_LE(1, read_events(self->ep, 1));
	uring_close(&u);
}

TEST_HARNESS_MAIN
