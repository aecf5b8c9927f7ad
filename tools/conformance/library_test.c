// SPDX-License-Identifier: GPL-2.0-only
/*
 * libevpoll, built against what 'make install' installs: each function does what evpoll.h says.
 * Also built as a 32-bit program, with either time_t.
 */
#include "../../selftests/evpoll_expect.h"
#include "../../selftests/evpoll_task.h"
#include "epoll_errors.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <evpoll.h>

FIXTURE(library) {
	int ep;
	int fd;		/* an eventfd that is readable, watched with data 2^63 + 42 */
	int idle;	/* an eventfd that is not readable, not watched */
	struct epoll_event ev;
};

#define DATA ((1ULL << 63) + 42)

FIXTURE_SETUP(library)
{
	self->ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = DATA };
	self->ep = evpoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->idle = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->idle);
	ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	self->ev = (struct epoll_event){};
}

FIXTURE_TEARDOWN(library)
{
	close(self->ep);
	close(self->fd);
	close(self->idle);
}

/* evpoll_create(), evpoll_create1(): epoll's rules */
TEST(create)
{
	int ep = evpoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, ep);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ep, F_GETFD));
	close(ep);
	ep = evpoll_create(1);
	ASSERT_LE(0, ep);
	EXPECT_EQ(0, fcntl(ep, F_GETFD));
	close(ep);
	EXPECT_ERRNO(EINVAL, evpoll_create(0));
	EXPECT_ERRNO(EINVAL, evpoll_create1(1));
}

/* evpoll_ctl(): errors, also for a first descriptor that is not an instance */
TEST_F(library, ctl)
{
	struct epoll_event ev = { .events = EPOLLIN };

	EXPECT_ERRNO(EFAULT, evpoll_ctl(self->ep, EPOLL_CTL_MOD, self->fd, NULL));
	EXPECT_ERRNO(EEXIST, evpoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, &ev));
	EXPECT_ERRNO(ENOENT, evpoll_ctl(self->ep, EPOLL_CTL_MOD, self->idle, &ev));
	EXPECT_ERRNO(ENOTTY, evpoll_ctl(self->fd, EPOLL_CTL_ADD, self->idle, &ev));
	ev.events |= 1 << 20;
	EXPECT_ERRNO(EINVAL, evpoll_ctl(self->ep, EPOLL_CTL_ADD, self->idle, &ev));
	EXPECT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(0, evpoll_wait(self->ep, &ev, 1, 0));
}

/* evpoll_wait(), evpoll_pwait(), evpoll_pwait2(): the event, all 64 bits of its data */
TEST_F(library, wait)
{
	const struct timespec zero = {};
	sigset_t none;

	sigemptyset(&none);
	EXPECT_EQ(1, evpoll_wait(self->ep, &self->ev, 1, -1));
	EXPECT_EQ(DATA, self->ev.data.u64);
	EXPECT_EQ(1, evpoll_pwait(self->ep, &self->ev, 1, 0, &none));
	EXPECT_EQ(1, evpoll_pwait2(self->ep, &self->ev, 1, NULL, &none));
	EXPECT_EQ(1, evpoll_pwait2(self->ep, &self->ev, 1, &zero, NULL));
	EXPECT_ERRNO(EINVAL, evpoll_wait(self->ep, &self->ev, 0, 0));
	EXPECT_ERRNO(EINVAL, evpoll_wait(self->ep, &self->ev, -1, 0));
	EXPECT_ERRNO(ENOTTY, evpoll_wait(self->fd, &self->ev, 1, 0));
}

/* Timeouts in ms, and in s and ns: no wait ends too early, and each one ends. */
TEST_F(library, timeouts)
{
	const struct timespec ts = { 1, 20000000 }, bad = { 0, 1000000000 };
	long long start = now_ms();

	ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(0, evpoll_wait(self->ep, &self->ev, 1, 1020));
	EXPECT_LE(1020, now_ms() - start);
	start = now_ms();
	EXPECT_EQ(0, evpoll_pwait2(self->ep, &self->ev, 1, &ts, NULL));
	EXPECT_LE(1020, now_ms() - start);
	EXPECT_ERRNO(EINVAL, evpoll_pwait2(self->ep, &self->ev, 1, &bad, NULL));
	if (sizeof(time_t) == 8) {
		/* a number of seconds that needs more than 32 bits */
		const struct timespec far = { (time_t)(1LL << 33), 0 };
		uint64_t one = 1;

		ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd,
					&(struct epoll_event){ .events = EPOLLIN }));
		EXPECT_EQ(8, write(self->fd, &one, 8));
		EXPECT_EQ(1, evpoll_pwait2(self->ep, &self->ev, 1, &far, NULL));
	}
}

static void handler(int sig)
{
}

/* evpoll_pwait(), evpoll_pwait2(): the signal mask holds during the wait only */
TEST_F(library, sigmask)
{
	const struct timespec ts = { 10, 0 };
	sigset_t block, none;

	signal(SIGUSR1, handler);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &block, NULL));
	ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	raise(SIGUSR1);
	EXPECT_EQ(0, evpoll_wait(self->ep, &self->ev, 1, 0));
	EXPECT_ERRNO(EINTR, evpoll_pwait(self->ep, &self->ev, 1, 10000, &none));
	raise(SIGUSR1);
	EXPECT_ERRNO(EINTR, evpoll_pwait2(self->ep, &self->ev, 1, &ts, &none));
}

/* evpoll_ctlv(): each change has its own result */
TEST_F(library, ctlv)
{
	struct evpoll_ctl changes[] = {
		{ .op = EPOLL_CTL_ADD, .fd = self->idle, .events = EPOLLOUT, .data = 1 },
		{ .op = EPOLL_CTL_ADD, .fd = self->fd, .events = EPOLLIN, .data = 2 },
		{ .op = EPOLL_CTL_DEL, .fd = self->fd },
	};

	EXPECT_EQ(1, evpoll_ctlv(self->ep, changes, 3));
	EXPECT_EQ(0, changes[0].result);
	EXPECT_EQ(-EEXIST, changes[1].result);
	EXPECT_EQ(0, changes[2].result);
	EXPECT_EQ(1, evpoll_wait(self->ep, &self->ev, 1, 0));
	EXPECT_EQ(1, self->ev.data.u64);
	EXPECT_EQ(0, evpoll_ctlv(self->ep, NULL, 0));
	EXPECT_ERRNO(EFAULT, evpoll_ctlv(self->ep, NULL, 1));
	EXPECT_ERRNO(EINVAL, evpoll_ctlv(self->ep, changes, -1));
}

/* evpoll_change_wait(): the changes, then a wait, which does not sleep if a change failed */
TEST_F(library, change_wait)
{
	struct evpoll_ctl change = { .op = EPOLL_CTL_MOD, .fd = self->fd, .events = EPOLLIN,
				     .data = 7 };
	int failed = -1;

	EXPECT_EQ(1, evpoll_change_wait(self->ep, &change, 1, &self->ev, 1, -1, &failed));
	EXPECT_EQ(0, failed);
	EXPECT_EQ(7, self->ev.data.u64);
	EXPECT_EQ(1, evpoll_change_wait(self->ep, NULL, 0, &self->ev, 1, -1, NULL));
	change.op = EPOLL_CTL_DEL;
	EXPECT_EQ(0, evpoll_change_wait(self->ep, &change, 1, &self->ev, 1, 0, &failed));
	EXPECT_EQ(0, failed);
	/* The item is gone, so the change fails, and the wait must not sleep. */
	EXPECT_EQ(0, evpoll_change_wait(self->ep, &change, 1, &self->ev, 1, -1, &failed));
	EXPECT_EQ(1, failed);
	EXPECT_EQ(-ENOENT, change.result);
}

/* evpoll_call_wait(): the structure of the caller may be larger than the module's */
TEST_F(library, call_wait)
{
	struct {
		struct evpoll_wait wait;
		uint64_t tail;
	} big = { .wait = { .events = (uintptr_t)&self->ev, .maxevents = 1 } };

	EXPECT_EQ(1, evpoll_call_wait(self->ep, &big.wait, sizeof(big.wait)));
	EXPECT_EQ(1, evpoll_call_wait(self->ep, &big.wait, sizeof(big)));
	big.tail = 1;
	EXPECT_ERRNO(E2BIG, evpoll_call_wait(self->ep, &big.wait, sizeof(big)));
}

/* Parameters come back as set; the counters count. */
TEST_F(library, params_and_stats)
{
	struct evpoll_params params;
	struct evpoll_stats stats;

	ASSERT_EQ(0, evpoll_get_params(self->ep, &params));
	params.read_timeout_ns = 12345;
	EXPECT_EQ(0, evpoll_set_params(self->ep, &params));
	params.read_timeout_ns = 0;
	EXPECT_EQ(0, evpoll_get_params(self->ep, &params));
	EXPECT_EQ(12345, params.read_timeout_ns);
	params.flags = ~0U;
	EXPECT_ERRNO(EINVAL, evpoll_set_params(self->ep, &params));
	EXPECT_EQ(1, evpoll_wait(self->ep, &self->ev, 1, 0));
	EXPECT_EQ(0, evpoll_get_stats(self->ep, &stats));
	EXPECT_EQ(1, stats.delivered);
	EXPECT_ERRNO(ENOTTY, evpoll_get_stats(self->fd, &stats));
}

/* The functions, with their arguments in an array */
#define CALL(name, ...) static long call_##name(const long *args) { return name(__VA_ARGS__); }
#define EVENTS(arg) ((struct epoll_event *)(arg))
#define MASK(arg) ((const sigset_t *)(arg))

CALL(evpoll_create, args[0])
CALL(evpoll_create1, args[0])
CALL(evpoll_ctl, args[0], args[1], args[2], EVENTS(args[3]))
CALL(evpoll_wait, args[0], EVENTS(args[1]), args[2], args[3])
CALL(evpoll_pwait, args[0], EVENTS(args[1]), args[2], args[3], MASK(args[4]))
CALL(evpoll_pwait2, args[0], EVENTS(args[1]), args[2], program_time(args[3]), MASK(args[4]))

static const struct way ways[] = {
	{ "evpoll_create", call_evpoll_create, SYS_epoll_create, { sizes } },
	{ "evpoll_create1", call_evpoll_create1, SYS_epoll_create1, { flags } },
	{ "evpoll_ctl", call_evpoll_ctl, SYS_epoll_ctl, { instances, ops, targets, known_events } },
	{ "evpoll_wait", call_evpoll_wait, SYS_epoll_pwait,
	  { instances, buffers, maxevents, timeouts } },
	{ "evpoll_pwait", call_evpoll_pwait, SYS_epoll_pwait,
	  { instances, buffers, maxevents, timeouts, masks, mask_size } },
	{ "evpoll_pwait2", call_evpoll_pwait2, SYS_epoll_pwait2,
	  { instances, buffers, maxevents, PROGRAM_TIMES, masks, mask_size } },
};

/* A call with several wrong arguments fails as epoll's does, but for a bad descriptor. */
TEST(wrong_arguments)
{
	static const struct subject subject = { evpoll_create1, evpoll_ctl, .by_ioctl = true };

	ASSERT_EQ(0, errors_setup());
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		compare(_metadata, &ways[i], &subject);
}

static void *sleeper(void *arg)
{
	struct epoll_event ev;

	evpoll_wait(*(int *)arg, &ev, 1, -1);
	return NULL;
}

/* evpoll.h: the waits are cancellation points */
TEST(cancel)
{
	int ep = evpoll_create1(0);
	pthread_t thread;
	void *result;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, pthread_create(&thread, NULL, sleeper, &ep));
	ASSERT_EQ(0, pthread_cancel(thread));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_TRUE(result == PTHREAD_CANCELED);
	close(ep);
}

TEST_HARNESS_MAIN
