// SPDX-License-Identifier: GPL-2.0-only
/*
 * evpoll_wait.min_wait_ns (Axboe's epoll min-wait series of 2022): a wait that
 * is to bring many events, or to take its time.
 */
#include "evpoll_burst.h"

#define SHORT (50 * MSEC)
#define WHILE (1000 * MSEC)	/* in which a few bursts come, on any machine */
#define LONG (8 * 1000 * MSEC)	/* what comes before its end is at once */

FIXTURE(min_wait) {
	int ep;
	int fd[8];
	struct epoll_event ev[8];
};

FIXTURE_VARIANT(min_wait) {
	int context;
	uint32_t window_us;
};

FIXTURE_VARIANT_ADD(min_wait, process) { .context = EVPOLL_SOURCE_PROCESS };
FIXTURE_VARIANT_ADD(min_wait, napi) { .context = EVPOLL_SOURCE_NAPI };
FIXTURE_VARIANT_ADD(min_wait, hardirq) { .context = EVPOLL_SOURCE_HARDIRQ };
FIXTURE_VARIANT_ADD(min_wait, softirq_window) {
	.context = EVPOLL_SOURCE_SOFTIRQ, .window_us = 1000,
};

FIXTURE_SETUP(min_wait)
{
	self->ep = lines_setup(_metadata, variant->context, self->fd, 8);
	if (self->ep < 0)
		return;
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, set_window(self->ep, variant->window_us, 0));
}

FIXTURE_TEARDOWN(min_wait)
{
	lines_close(self->fd, 8);
	close(self->ep);
}

/* @timeout_ns: -1 waits without a limit */
static int wait_min(int ep, struct epoll_event *ev, int max, int64_t timeout_ns,
		    uint64_t min_wait_ns)
{
	int64_t ts[2] = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
	struct evpoll_wait wait = {
		.events = (uintptr_t)ev, .maxevents = max,
		.timeout = timeout_ns < 0 ? 0 : (uintptr_t)ts, .min_wait_ns = min_wait_ns,
	};

	return ioctl(ep, EVPOLL_IOC_WAIT, &wait);
}

/* A thread that waits so once. */
struct minimal {
	int ep;
	int max;
	int64_t timeout_ns;
	uint64_t min_wait_ns;
	pthread_t thread;
	_Atomic pid_t tid;
	_Atomic bool over;
	int n;
	int err;
	uint64_t took_ns;
	struct epoll_event ev[8];
};

static void *minimal_main(void *arg)
{
	struct minimal *m = arg;
	uint64_t start = now_ns();

	m->tid = syscall(SYS_gettid);
	m->n = wait_min(m->ep, m->ev, m->max, m->timeout_ns, m->min_wait_ns);
	m->err = errno;
	m->took_ns = now_ns() - start;
	m->over = true;
	return NULL;
}

static bool minimal_start(struct minimal *m, int ep, int max, int64_t timeout_ns,
			  uint64_t min_wait_ns)
{
	*m = (struct minimal){
		.ep = ep, .max = max, .timeout_ns = timeout_ns, .min_wait_ns = min_wait_ns,
	};
	if (pthread_create(&m->thread, NULL, minimal_main, m))
		return false;
	while (!m->tid)
		sched_yield();
	return asleep(m->tid) && switches(m->tid) >= 0;
}

/* Fewer events than the array holds: not before min_wait is over, then with all there are */
TEST_F(min_wait, fewer)
{
	struct minimal m;

	ASSERT_TRUE(minimal_start(&m, self->ep, 8, -1, WHILE));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_EQ(0, burst(variant->context, self->fd + 1, 2));
	pthread_join(m.thread, NULL);
	EXPECT_EQ(3, m.n);
	EXPECT_LE(WHILE, m.took_ns);
}

/* The same when they are there already */
TEST_F(min_wait, fewer_before)
{
	uint64_t start;

	ASSERT_EQ(0, burst(variant->context, self->fd, 2));
	ASSERT_TRUE(queued_become(self->ep, 2));
	start = now_ns();
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 8, -1, SHORT));
	EXPECT_LE(start + SHORT, now_ns());
}

/* As many as the array holds: at once */
TEST_F(min_wait, enough)
{
	struct minimal m;
	uint64_t start;

	ASSERT_TRUE(minimal_start(&m, self->ep, 3, -1, LONG));
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(m.over);
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
	}
	pthread_join(m.thread, NULL);
	EXPECT_EQ(3, m.n);
	EXPECT_GT(LONG, m.took_ns);
	/* one wakeup: it slept through the others */
	EXPECT_EQ(1, stats_of(self->ep).wakeups);

	/* and when they were there before */
	ASSERT_EQ(0, burst(variant->context, self->fd + 3, 3));
	ASSERT_TRUE(queued_become(self->ep, 6));
	start = now_ns();
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 2, -1, LONG));
	EXPECT_EQ(1, wait_min(self->ep, self->ev, 1, -1, LONG));
	EXPECT_GT(start + LONG, now_ns());
}

/* No event until min_wait ends: the wait goes on until the first one */
TEST_F(min_wait, then_the_first)
{
	struct minimal m;

	ASSERT_TRUE(minimal_start(&m, self->ep, 8, -1, SHORT));
	usleep(2 * SHORT / USEC);
	ASSERT_TRUE(asleep(m.tid));
	EXPECT_FALSE(m.over);
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	pthread_join(m.thread, NULL);
	EXPECT_EQ(1, m.n);
	EXPECT_LE(SHORT, m.took_ns);
}

/* The timeout ends it, with what there is */
TEST_F(min_wait, timeout_shorter)
{
	uint64_t start = now_ns();

	EXPECT_EQ(0, wait_min(self->ep, self->ev, 8, SHORT, LONG));
	EXPECT_LE(start + SHORT, now_ns());
	ASSERT_EQ(0, burst(variant->context, self->fd, 2));
	start = now_ns();
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 8, 4 * SHORT, LONG));
	EXPECT_LE(start + 4 * SHORT, now_ns());
	EXPECT_GT(start + LONG, now_ns());
}

/* A timeout of zero does not wait */
TEST_F(min_wait, zero_timeout)
{
	uint64_t start = now_ns();

	EXPECT_EQ(0, wait_min(self->ep, self->ev, 8, 0, LONG));
	ASSERT_EQ(0, burst(variant->context, self->fd, 2));
	ASSERT_TRUE(queued_become(self->ep, 2));
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 8, 0, LONG));
	EXPECT_GT(start + LONG, now_ns());
}

/* A signal ends it: EINTR without an event, the events when there are some */
TEST_F(min_wait, signal)
{
	struct sigaction action = { .sa_handler = no_action };
	struct minimal m;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	for (int events = 0; events <= 2; events += 2) {
		ASSERT_TRUE(minimal_start(&m, self->ep, 8, -1, LONG));
		if (events) {
			ASSERT_EQ(0, burst(variant->context, self->fd, events));
			ASSERT_TRUE(queued_become(self->ep, events));
			ASSERT_TRUE(asleep(m.tid));
			EXPECT_FALSE(m.over);
		}
		ASSERT_EQ(0, pthread_kill(m.thread, SIGUSR1));
		pthread_join(m.thread, NULL);
		EXPECT_EQ(events ?: -1, m.n);
		if (!events) {
			EXPECT_EQ(EINTR, m.err);
		}
		EXPECT_GT(LONG, m.took_ns);
	}
}

/* A signal that is pending before the call ends the wait at once, also the first on an instance */
TEST_F(min_wait, signal_before)
{
	int64_t ts[2] = { LONG / 1000000000, LONG % 1000000000 };
	sigset_t none;
	struct evpoll_wait wait = {
		.events = (uintptr_t)self->ev, .maxevents = 8, .timeout = (uintptr_t)ts,
		.sigmask = (uintptr_t)&none, .sigsetsize = 8, .min_wait_ns = LONG,
	};

	ASSERT_EQ(0, raise_blocked(&none));
	EXPECT_ERRNO(EINTR, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));

	ASSERT_EQ(0, burst(variant->context, self->fd, 2));
	ASSERT_TRUE(queued_become(self->ep, 2));
	ASSERT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(2, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
}

/* Another waiter, without min_wait, gets the events; the waiters with min_wait sleep on */
TEST_F(min_wait, other_waiter)
{
	for (int first = 0; first < 2; first++) {
		atomic_int returned = 0;
		struct minimal m;
		struct worker w;

		if (!first)
			ASSERT_TRUE(worker_start(&w, BY_WAIT, self->ep, 4, SOON, &returned));
		ASSERT_TRUE(minimal_start(&m, self->ep, 8, -1, 20 * SHORT));
		if (first)
			ASSERT_TRUE(worker_start(&w, BY_WAIT, self->ep, 4, SOON, &returned));
		ASSERT_EQ(0, burst(variant->context, self->fd + first, 1));
		pthread_join(w.thread, NULL);
		EXPECT_EQ(1, w.n);
		EXPECT_EVENT(EPOLLIN, self->fd[first], w.ev[0]);
		EXPECT_FALSE(m.over);
		ASSERT_EQ(0, burst(variant->context, self->fd + 2 + first, 1));
		pthread_join(m.thread, NULL);
		EXPECT_EQ(1, m.n);
		EXPECT_EVENT(EPOLLIN, self->fd[2 + first], m.ev[0]);
		EXPECT_LE(20 * SHORT, m.took_ns);
	}
}

/* Poll sees what a min_wait leaves */
TEST_F(min_wait, pollers)
{
	struct minimal m;

	ASSERT_TRUE(minimal_start(&m, self->ep, 8, -1, 20 * SHORT));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	EXPECT_TRUE(readable(self->ep, SOON));
	pthread_join(m.thread, NULL);
	EXPECT_EQ(1, m.n);
	EXPECT_FALSE(readable(self->ep, 0));
}

/*
 * A file that tells a change only once (proc(5), /proc/self/mounts): the wait polls it once, so its
 * event arrives, whether the change comes before the wait or during it.
 */
TEST_F(min_wait, file_that_tells_once)
{
	struct minimal m;
	uint64_t queued;
	int fd;

	if (unshare(CLONE_NEWUTS))
		SKIP(return, "unshare(CLONE_NEWUTS): %s", strerror(errno));
	fd = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLPRI));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, sethostname("before", 6));
		EXPECT_EQ(1, wait_min(self->ep, self->ev, 8, SHORT, SHORT));
		EXPECT_EVENT(EPOLLPRI | EPOLLERR, fd, self->ev[0]);
	}
	ASSERT_TRUE(minimal_start(&m, self->ep, 8, -1, 4 * SHORT));
	ASSERT_EQ(0, sethostname("during", 6));
	pthread_join(m.thread, NULL);
	EXPECT_EQ(1, m.n);
	EXPECT_EVENT(EPOLLPRI | EPOLLERR, fd, m.ev[0]);

	/* Beside another event, with room for both */
	ASSERT_EQ(0, sethostname("beside", 6));
	queued = stats_of(self->ep).queued;
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_TRUE(queued_become(self->ep, queued + 1));
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 2, LONG, LONG));
	close(fd);
}

/*
 * A level-triggered item that a wait has returned counts again when its file tells of a new event,
 * and no sooner
 */
TEST_F(min_wait, reported_before)
{
	struct minimal m;
	uint64_t start;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->fd[i], EPOLLIN));
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
	}
	ASSERT_TRUE(queued_become(self->ep, 2));
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 2, -1, LONG));
	/* Both still have their event. */
	start = now_ns();
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 2, -1, SHORT));
	EXPECT_LE(start + SHORT, now_ns());

	ASSERT_TRUE(minimal_start(&m, self->ep, 2, -1, LONG));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_TRUE(asleep(m.tid));
	EXPECT_FALSE(m.over);
	ASSERT_EQ(0, burst(variant->context, self->fd + 1, 1));
	pthread_join(m.thread, NULL);
	EXPECT_EQ(2, m.n);
	EXPECT_GT(LONG, m.took_ns);

	/* EPOLL_CTL_MOD makes it new. */
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 4, 0, 0));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->fd[i], EPOLLIN | EPOLLET));
	start = now_ns();
	EXPECT_EQ(2, wait_min(self->ep, self->ev, 2, -1, LONG));
	EXPECT_GT(start + LONG, now_ns());
	EXPECT_EQ(0, wait_min(self->ep, self->ev, 2, 0, 0));
}

/* Out of range is EINVAL */
TEST_F(min_wait, range)
{
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_TRUE(queued_become(self->ep, 1));
	EXPECT_ERRNO(EINVAL, wait_min(self->ep, self->ev, 8, SHORT, 1ULL << 63));
	EXPECT_ERRNO(EINVAL, wait_min(self->ep, self->ev, 8, 0, ~0ULL));
	EXPECT_EQ(1, wait_min(self->ep, self->ev, 8, SHORT, INT64_MAX));
}

TEST_HARNESS_MAIN
