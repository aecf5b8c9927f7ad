// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several workers sleep, and an event wakes one of them. With epoll, each event wakes the same
 * worker. EVPOLLROTATE wakes the instances that watch a file in turn, and EVPOLL_FIFO the tasks
 * that wait on an instance.
 */
#include "evpoll_threads.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#define WORKERS 4
#define ROUNDS 3

#define ROTATE (EPOLLEXCLUSIVE | EVPOLLROTATE)

/* A thread that takes events until the test stops it. */
struct taker {
	enum mechanism by;
	int ep;
	int fd;
	int stop;
	pthread_t thread;
	_Atomic pid_t tid;
	int taken;
	atomic_int *total;
};

static void *taker_main(void *arg)
{
	struct taker *t = arg;
	struct epoll_event ev;
	uint64_t value;

	t->tid = syscall(SYS_gettid);
	while (ep_wait(t->by, t->ep, &ev, 1, -1) == 1 && ev.data.u64 != (uint64_t)t->stop) {
		if (read(t->fd, &value, sizeof(value)) != sizeof(value))
			continue;
		t->taken++;
		(*t->total)++;
	}
	return NULL;
}

FIXTURE(turn) {
	int fd;
	int stop;
	int ep[WORKERS];
	atomic_int total;
	struct taker taker[WORKERS];
};

/* @shared: all wait on one instance. @flags: of struct evpoll_params. @in_turn: what is expected */
FIXTURE_VARIANT(turn) {
	enum mechanism by;
	bool shared;
	uint32_t mask;
	uint32_t flags;
	bool in_turn;
};

FIXTURE_VARIANT_ADD(turn, epoll_instances) { .by = BY_EPOLL, .mask = EPOLLEXCLUSIVE };
FIXTURE_VARIANT_ADD(turn, instances) { .by = BY_WAIT, .mask = EPOLLEXCLUSIVE };
FIXTURE_VARIANT_ADD(turn, instances_rotate) { .by = BY_WAIT, .mask = ROTATE, .in_turn = true };
FIXTURE_VARIANT_ADD(turn, instances_rotate_et) {
	.by = BY_WAIT, .mask = ROTATE | EPOLLET, .in_turn = true,
};
FIXTURE_VARIANT_ADD(turn, instances_rotate_read) {
	.by = BY_READ, .mask = ROTATE, .in_turn = true,
};
FIXTURE_VARIANT_ADD(turn, epoll_waiters) { .by = BY_EPOLL, .shared = true, .mask = EPOLLET };
FIXTURE_VARIANT_ADD(turn, waiters) { .by = BY_WAIT, .shared = true, .mask = EPOLLET };
FIXTURE_VARIANT_ADD(turn, waiters_fifo) {
	.by = BY_WAIT, .shared = true, .mask = EPOLLET, .flags = EVPOLL_FIFO, .in_turn = true,
};
FIXTURE_VARIANT_ADD(turn, waiters_fifo_unbatched) {
	.by = BY_WAIT, .shared = true, .mask = EPOLLET, .flags = EVPOLL_FIFO | EVPOLL_UNBATCHED,
	.in_turn = true,
};

FIXTURE_SETUP(turn)
{
	struct evpoll_params params = { .flags = variant->flags };

	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	self->stop = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->stop);
	for (int i = 0; i < WORKERS; i++) {
		if (i && variant->shared) {
			self->ep[i] = self->ep[0];
			continue;
		}
		self->ep[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_LE(0, self->ep[i]);
		if (variant->flags)
			ASSERT_EQ(0, ioctl(self->ep[i], EVPOLL_IOC_SET_PARAMS, &params));
		ASSERT_EQ(0, ep_add(variant->by, self->ep[i], self->fd, EPOLLIN | variant->mask));
		ASSERT_EQ(0, ep_add(variant->by, self->ep[i], self->stop, EPOLLIN));
	}
	/* One after the other, so that the order in which they sleep is known. */
	for (int i = 0; i < WORKERS; i++) {
		struct taker *t = &self->taker[i];

		*t = (struct taker){
			.by = variant->by, .ep = self->ep[i], .fd = self->fd, .stop = self->stop,
			.total = &self->total,
		};
		ASSERT_EQ(0, pthread_create(&t->thread, NULL, taker_main, t));
		while (!t->tid)
			sched_yield();
		ASSERT_TRUE(asleep(t->tid));
	}
}

FIXTURE_TEARDOWN(turn)
{
	uint64_t one = 1;

	EXPECT_EQ(8, write(self->stop, &one, sizeof(one)));
	for (int i = 0; i < WORKERS; i++)
		pthread_join(self->taker[i].thread, NULL);
	for (int i = 0; i < (variant->shared ? 1 : WORKERS); i++)
		close(self->ep[i]);
	close(self->fd);
	close(self->stop);
}

/* One event at a time, and all sleep before the next one comes */
TEST_F(turn, one_at_a_time)
{
	uint64_t one = 1;
	int most = 0;

	for (int i = 0; i < WORKERS * ROUNDS; i++) {
		ASSERT_EQ(8, write(self->fd, &one, sizeof(one)));
		ASSERT_TRUE(becomes(&self->total, i + 1));
		for (int j = 0; j < WORKERS; j++)
			ASSERT_TRUE(asleep(self->taker[j].tid));
	}
	for (int i = 0; i < WORKERS; i++) {
		if (self->taker[i].taken > most)
			most = self->taker[i].taken;
	}
	EXPECT_EQ(variant->in_turn ? ROUNDS : WORKERS * ROUNDS, most);
}

FIXTURE(rotate) {
	int ep;
	int fd;
	struct epoll_event ev[2];
};

FIXTURE_SETUP(rotate)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(rotate)
{
	close(self->fd);
	close(self->ep);
}

/* uapi: EVPOLLROTATE needs EPOLLEXCLUSIVE, which ADD alone takes, and not for an instance */
TEST_F(rotate, misuse)
{
	int inner = ep_create(BY_WAIT, O_CLOEXEC);

	EXPECT_ERRNO(EINVAL, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EVPOLLROTATE));
	EXPECT_ERRNO(EINVAL, ep_add(BY_WAIT, self->ep, -1, EPOLLIN | EVPOLLROTATE));
	EXPECT_ERRNO(EBADF, ep_add(BY_WAIT, self->ep, -1, EPOLLIN | ROTATE));
	EXPECT_ERRNO(EINVAL, ep_add(BY_WAIT, self->ep, inner, EPOLLIN | ROTATE));
	EXPECT_ERRNO(EINVAL, ep_add(BY_WAIT, self->ep, self->fd, EPOLLONESHOT | ROTATE));
	EXPECT_ERRNO(EINVAL, ep_add(BY_WAIT, self->ep, self->fd, EPOLLPRI | ROTATE));
	EXPECT_ERRNO(EINVAL, ep_add(BY_WAIT, self->ep, self->fd, ROTATE | 1U << 25));
	EXPECT_EQ(0, ep_items(self->ep));

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	EXPECT_ERRNO(EINVAL, ep_mod(BY_WAIT, self->ep, self->fd, EPOLLIN | EVPOLLROTATE));
	EXPECT_ERRNO(EINVAL, ep_mod(BY_WAIT, self->ep, self->fd, EPOLLIN | ROTATE));
	ASSERT_EQ(0, ep_ctl(BY_WAIT, self->ep, EPOLL_CTL_DEL, self->fd, EVPOLLROTATE, 0));

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | ROTATE));
	EXPECT_ERRNO(EINVAL, ep_mod(BY_WAIT, self->ep, self->fd, EPOLLIN));
	EXPECT_ERRNO(EINVAL, ep_mod(BY_WAIT, self->ep, self->fd, EPOLLIN | ROTATE));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 2, 0));
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
	close(inner);
}

/*
 * A listening socket whose connections come faster than they are taken: those whose turn it is are
 * awake, so others are woken, and no connection waits while a worker sleeps
 */
TEST_F(rotate, busy_worker)
{
	struct sockaddr_un { sa_family_t family; char path[32]; } addr = {
		AF_UNIX, "\0evpoll-rotate",
	};
	socklen_t len = sizeof(sa_family_t) + sizeof("\0evpoll-rotate") - 1;
	int ep[2], server, client[3];

	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ASSERT_EQ(0, bind(server, (struct sockaddr *)&addr, len));
	ASSERT_EQ(0, listen(server, 8));
	for (int i = 0; i < 2; i++) {
		ep[i] = ep_create(BY_WAIT, O_CLOEXEC);
		ASSERT_LE(0, ep[i]);
		ASSERT_EQ(0, ep_add(BY_WAIT, ep[i], server, EPOLLIN | ROTATE));
	}
	for (int i = 0; i < 3; i++) {
		client[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ASSERT_EQ(0, connect(client[i], (struct sockaddr *)&addr, len));
	}
	/* Level-triggered: each instance reports it until all are taken. */
	for (int i = 0; i < 3; i++) {
		int fd;

		EXPECT_EQ(1, ep_wait(BY_WAIT, ep[i % 2], self->ev, 2, 0));
		fd = accept(server, NULL, NULL);
		EXPECT_LE(0, fd);
		close(fd);
	}
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, ep_wait(BY_WAIT, ep[i], self->ev, 2, 0));
	for (int i = 0; i < 3; i++)
		close(client[i]);
	for (int i = 0; i < 2; i++)
		close(ep[i]);
	close(server);
}

/* A thread that takes all events of a socket, and its bytes, until the test stops it */
struct watcher {
	int ep;
	int fd;
	int stop;
	_Atomic uint32_t seen;
};

static void *watcher_main(void *arg)
{
	struct watcher *w = arg;
	struct epoll_event ev;
	char buf[64];

	while (ep_wait(BY_WAIT, w->ep, &ev, 1, -1) == 1 && ev.data.u64 == (uint64_t)w->fd) {
		while (read(w->fd, buf, sizeof(buf)) > 0)
			;
		w->seen |= ev.events;
	}
	return NULL;
}

static bool watcher_sees(struct watcher *w, uint32_t event)
{
	long long end = now_ms() + SOON;

	while (!(w->seen & event)) {
		if (now_ms() > end)
			return false;
		sched_yield();
	}
	return true;
}

/*
 * The socket becomes writable while a reader rotates for the event before. A waker skips the wakeup
 * if it finds the wait queue empty, so the only entry of the queue must never leave it.
 */
TEST_F_TIMEOUT(rotate, event_meanwhile, 120)
{
	struct watcher w = { .ep = self->ep, .stop = eventfd(0, EFD_CLOEXEC) };
	char buf[1024] = "";
	int size = 1, s[2];
	pthread_t thread;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
	/* The kernel takes its least size, and one write of the buffer fills it. */
	ASSERT_EQ(0, setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	w.fd = s[0];
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, s[0], EPOLLIN | EPOLLOUT | EPOLLET | ROTATE));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, w.stop, EPOLLIN));
	ASSERT_EQ(0, pthread_create(&thread, NULL, watcher_main, &w));
	ASSERT_TRUE(watcher_sees(&w, EPOLLOUT));
	for (int i = 0; i < 1000; i++) {
		ASSERT_EQ((ssize_t)sizeof(buf), write(s[0], buf, sizeof(buf)));
		w.seen = 0;
		ASSERT_EQ(1, write(s[1], "x", 1));
		/* Some time of the reader's, so that each step of it is hit */
		for (atomic_int n = 0; n < 50 * i; n++)
			;
		ASSERT_EQ((ssize_t)sizeof(buf), read(s[1], buf, sizeof(buf)));
		ASSERT_TRUE(watcher_sees(&w, EPOLLOUT)) TH_LOG("round %d", i);
	}
	ASSERT_EQ(0, eventfd_write(w.stop, 1));
	pthread_join(thread, NULL);
	close(w.stop);
	close(s[0]);
	close(s[1]);
}

TEST_HARNESS_MAIN
