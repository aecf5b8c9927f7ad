// SPDX-License-Identifier: GPL-2.0-only
/*
 * The order of what became ready in one interrupt, where it is not epoll's: README, "Differences
 * from epoll". In process context it is.
 */
#include "evpoll_burst.h"

FIXTURE(order) {
	int fd[2];
};

FIXTURE_VARIANT(order) {
	int context;
};

CONTEXT_VARIANTS(order);

FIXTURE_SETUP(order)
{
	const char *why = no_source(variant->context);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, lines_open(self->fd, 2));
}

FIXTURE_TEARDOWN(order)
{
	lines_close(self->fd, 2);
}

/* An event on each line, the first one first: what @ep says first when it has two, or -1 */
static int first_of_two(enum mechanism by, int ep, int context, const int *fd)
{
	long long end = now_ms() + SOON;
	struct evpoll_source_event event;
	struct epoll_event ev[8];
	int n;

	if (burst(context, fd, 2))
		return -1;
	/* A wait in the middle of the burst would flush the batch too early. */
	if (by != BY_EPOLL && !queued_become(ep, 2))
		return -1;
	/* Those that are there stay in front. */
	while ((n = ep_wait(by, ep, ev, 8, 0)) < 2 && now_ms() < end)
		sched_yield();
	for (int i = 0; i < 2; i++)
		line_read(fd[i], &event);
	return n == 2 ? (int)ev[0].data.u64 : -1;
}

/* An item with EPOLLEXCLUSIVE is ready at once, the other one with the batch. */
TEST_F(order, exclusive_first)
{
	bool batch = variant->context != EVPOLL_SOURCE_PROCESS;

	for (enum mechanism by = BY_EPOLL; by <= BY_WAIT; by++) {
		int ep = ep_create(by, O_CLOEXEC);

		ASSERT_EQ(0, ep_add(by, ep, self->fd[0], EPOLLIN));
		ASSERT_EQ(0, ep_add(by, ep, self->fd[1], EPOLLIN | EPOLLEXCLUSIVE));
		EXPECT_EQ(self->fd[batch && by != BY_EPOLL],
			  first_of_two(by, ep, variant->context, self->fd));
		close(ep);
	}
}

/* An instance wakes its watchers when it flushes its batch, which is after the other files. */
TEST_F(order, instance_last)
{
	bool batch = variant->context != EVPOLL_SOURCE_PROCESS;

	for (enum mechanism by = BY_EPOLL; by <= BY_WAIT; by++) {
		int inner = ep_create(by, O_CLOEXEC), outer = ep_create(by, O_CLOEXEC);

		ASSERT_EQ(0, ep_add(by, inner, self->fd[0], EPOLLIN));
		ASSERT_EQ(0, ep_add(by, outer, inner, EPOLLIN));
		ASSERT_EQ(0, ep_add(by, outer, self->fd[1], EPOLLIN));
		EXPECT_EQ(batch && by != BY_EPOLL ? self->fd[1] : inner,
			  first_of_two(by, outer, variant->context, self->fd));
		close(outer);
		close(inner);
	}
}

TEST_HARNESS_MAIN
