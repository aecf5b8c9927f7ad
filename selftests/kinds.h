/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * R33: a file of each kind that can be polled goes through its states. Three instances watch it. An
 * edge-triggered one shows the changes for which the file wakes its wait queue. A level-triggered
 * one shows the mask, and epoll itself is the oracle for the mask.
 */
#ifndef EVPOLL_KINDS_H
#define EVPOLL_KINDS_H

#include "evpoll_util.h"

#define ALL (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLRDNORM | EPOLLRDBAND |	\
	     EPOLLWRNORM | EPOLLWRBAND)

#define IN (EPOLLIN | EPOLLRDNORM)
#define OUT (EPOLLOUT | EPOLLWRNORM)

FIXTURE(kinds) {
	int et;
	int lt;
	int oracle;
};

FIXTURE_VARIANT(kinds) {
	enum mechanism by;
};

EP_VARIANTS(kinds);

FIXTURE_SETUP(kinds)
{
	signal(SIGPIPE, SIG_IGN);
	self->et = ep_create(variant->by, O_CLOEXEC);
	self->lt = ep_create(variant->by, O_CLOEXEC);
	self->oracle = ep_create(BY_EPOLL, O_CLOEXEC);
	ASSERT_LE(0, self->et);
	ASSERT_LE(0, self->lt);
	ASSERT_LE(0, self->oracle);
}

FIXTURE_TEARDOWN(kinds)
{
}

/* Wait until an edge of the file reports @mask; some changes take several. Returns the last one. */
static inline uint32_t edge(enum mechanism by, int et, int fd, uint32_t mask)
{
	long long end = now_ms() + SOON;
	struct epoll_event ev[8];
	uint32_t got = 0;

	while (got != mask && now_ms() < end) {
		int n = ep_wait(by, et, ev, 8, SOON);

		for (int i = 0; i < n; i++)
			if (ev[i].data.fd == fd)
				got = ev[i].events;
	}
	return got;
}

#define WATCH(fd) do {								\
	ASSERT_LE(0, fd);							\
	ASSERT_EQ(0, ep_add(variant->by, self->et, fd, ALL | EPOLLET));		\
	ASSERT_EQ(0, ep_add(variant->by, self->lt, fd, ALL));			\
	ASSERT_EQ(0, ep_add(BY_EPOLL, self->oracle, fd, ALL));			\
} while (0)

/* The file has this mask. */
#define EXPECT_STATE(fd, mask) do {						\
	EXPECT_EQ(mask, ep_mask(BY_EPOLL, self->oracle, fd, 0));		\
	EXPECT_EQ(mask, ep_mask(variant->by, self->lt, fd, 0));			\
} while (0)

/* The file changed to this mask, and woke its watchers for the change. */
#define EXPECT_CHANGE(fd, mask) do {						\
	EXPECT_EQ(mask, edge(variant->by, self->et, fd, mask));			\
	EXPECT_STATE(fd, mask);							\
} while (0)

/* For masks that differ between kernels: at least one of @bits, and the same mask as epoll. */
#define EXPECT_SAME_CHANGE(fd, bits) do {					\
	EXPECT_NE(0, ep_mask(variant->by, self->et, fd, SOON) & (bits));	\
	EXPECT_EQ(ep_mask(BY_EPOLL, self->oracle, fd, 0),			\
		  ep_mask(variant->by, self->lt, fd, 0));			\
} while (0)

#endif /* EVPOLL_KINDS_H */
