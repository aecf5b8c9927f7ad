// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance as a watched file: by poll, select, epoll and io_uring (R25), by other instances
 * (R26), and the topologies that are refused. nesting_storm.c has the hostile ones.
 */
#include "evpoll_util.h"
#include "evpoll_uring.h"

#include <sys/eventfd.h>
#include <sys/select.h>

FIXTURE(nesting) {
	int ep;
	int p[2];	/* the read end is watched with data 1 */
};

FIXTURE_VARIANT(nesting) {
	enum mechanism by;
};

EP_VARIANTS(nesting);

FIXTURE_SETUP(nesting)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_EQ(0, pipe(self->p));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->p[0], EPOLLIN, 1));
}

FIXTURE_TEARDOWN(nesting)
{
}

/* POLLIN and so on when ready, 0 when not */
static int poll_now(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDNORM };

	return poll(&pfd, 1, 0) == 1 ? pfd.revents : 0;
}

/* R23, R26: an instance twice is EEXIST; nothing of the second try is left that would be a cycle */
TEST_F(nesting, eexist)
{
	int outer = ep_create(variant->by, O_CLOEXEC);

	ASSERT_EQ(0, ep_ctl(variant->by, outer, EPOLL_CTL_ADD, self->ep, EPOLLIN, 1));
	for (int i = 0; i < 3; i++)
		EXPECT_ERRNO(EEXIST, ep_add(variant->by, outer, self->ep, EPOLLIN));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, 1, 0));
	EXPECT_ERRNO(ELOOP, ep_add(variant->by, self->ep, outer, EPOLLIN));
	ASSERT_EQ(0, ep_del(variant->by, outer, self->ep));
	EXPECT_EQ(0, ep_add(variant->by, self->ep, outer, EPOLLIN));
}

/* R25: poll(2) sees an event that waits, level-triggered, with ep_eventpoll_poll()'s mask */
TEST_F(nesting, polled)
{
	EXPECT_EQ(0, poll_now(self->ep));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(POLLIN | POLLRDNORM, poll_now(self->ep));
	EXPECT_EQ(POLLIN | POLLRDNORM, poll_now(self->ep));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, 1, 0));
	EXPECT_EQ(POLLIN | POLLRDNORM, poll_now(self->ep));
	ASSERT_EQ(0, get_byte(self->p[0]));
	EXPECT_EQ(0, poll_now(self->ep));
}

/* R25: poll(2) polls the files, so an event that is gone does not count */
TEST_F(nesting, polled_after_the_event_went)
{
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(0, get_byte(self->p[0]));
	EXPECT_EQ(0, poll_now(self->ep));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(POLLIN | POLLRDNORM, poll_now(self->ep));
	close(self->p[0]);
	EXPECT_EQ(0, poll_now(self->ep));
}

static void *poll_main(void *arg)
{
	struct pollfd pfd = { .fd = ((struct waiter *)arg)->ep, .events = POLLIN };
	struct waiter *w = arg;

	w->tid = syscall(SYS_gettid);
	w->ret = poll(&pfd, 1, SOON);
	return NULL;
}

/* R25, R2: a thread that sleeps in poll(2) on the instance is woken */
TEST_F(nesting, poll_sleeps)
{
	struct waiter w = { .ep = self->ep };

	ASSERT_EQ(0, pthread_create(&w.thread, NULL, poll_main, &w));
	while (!w.tid)
		sched_yield();
	ASSERT_TRUE(asleep(w.tid));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(1, waiter_join(&w));
}

/* R25: select(2) */
TEST_F(nesting, selected)
{
	struct timeval now = { 0, 0 }, soon = { SOON / 1000, 0 };
	fd_set in, out, ex;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(self->ep, &in);
	FD_SET(self->ep, &out);
	FD_SET(self->ep, &ex);
	EXPECT_EQ(0, select(self->ep + 1, &in, &out, &ex, &now));
	ASSERT_EQ(0, put_byte(self->p[1]));
	FD_SET(self->ep, &in);
	FD_SET(self->ep, &out);
	FD_SET(self->ep, &ex);
	EXPECT_EQ(1, select(self->ep + 1, &in, &out, &ex, &soon));
	EXPECT_TRUE(FD_ISSET(self->ep, &in));
	EXPECT_FALSE(FD_ISSET(self->ep, &out));
	EXPECT_FALSE(FD_ISSET(self->ep, &ex));
}

/* R25: an epoll instance watches this one, level- and edge-triggered */
TEST_F(nesting, epolled)
{
	int lt = epoll_create1(0), et = epoll_create1(0), e = eventfd(0, 0);
	eventfd_t n;

	/* each write wakes, unlike that to a pipe which is not empty */
	ASSERT_EQ(0, ep_add(variant->by, self->ep, e, EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_EPOLL, lt, self->ep, EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_EPOLL, et, self->ep, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, ep_mask(BY_EPOLL, lt, self->ep, 0));
	ASSERT_EQ(0, eventfd_write(e, 1));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_EPOLL, lt, self->ep, SOON));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_EPOLL, lt, self->ep, 0));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_EPOLL, et, self->ep, SOON));
	EXPECT_EQ(0, ep_mask(BY_EPOLL, et, self->ep, 0));
	ASSERT_EQ(0, eventfd_write(e, 1));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_EPOLL, et, self->ep, SOON));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, e, 0));
	ASSERT_EQ(0, eventfd_read(e, &n));
	EXPECT_EQ(0, ep_mask(BY_EPOLL, lt, self->ep, 0));
}

/* R26: an instance in another */
TEST_F(nesting, in_another)
{
	int outer = ep_create(variant->by, O_CLOEXEC);

	ASSERT_EQ(0, ep_add(variant->by, outer, self->ep, EPOLLIN | EPOLLOUT));
	EXPECT_EQ(0, ep_mask(variant->by, outer, self->ep, 0));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, self->ep, SOON));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, self->ep, SOON));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, 1, SOON));
	ASSERT_EQ(0, get_byte(self->p[0]));
	EXPECT_EQ(0, ep_mask(variant->by, outer, self->ep, 0));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, 1, 0));
}

/* R26, R30: what is ready inside at ADD and at MOD is ready outside at once */
TEST_F(nesting, ready_when_added)
{
	int outer = ep_create(variant->by, O_CLOEXEC);

	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(0, ep_add(variant->by, outer, self->ep, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, self->ep, 0));
	EXPECT_EQ(0, ep_mask(variant->by, outer, self->ep, 0));
	ASSERT_EQ(0, ep_mod(variant->by, outer, self->ep, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, self->ep, 0));
	/* an ADD inside, too */
	ASSERT_EQ(0, get_byte(self->p[0]));
	ASSERT_EQ(0, ep_mod(variant->by, outer, self->ep, EPOLLIN));
	EXPECT_EQ(0, ep_mask(variant->by, outer, self->ep, 0));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->p[1], EPOLLOUT));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, self->ep, 0));
}

/* R16, R17 through two levels: what each combination reports after one and after two writes */
TEST_F(nesting, edge_through_levels)
{
	static const struct {
		uint32_t outer, inner;
	} mode[] = { { 0, 0 }, { EPOLLET, 0 }, { 0, EPOLLET }, { EPOLLET, EPOLLET } };
	/* reports of the outer: after a write, again, after reading inside, after a write */
	static const bool expect[][4] = {
		{ true, true, true, true },
		{ true, false, false, true },
		{ true, true, false, true },
		{ true, false, false, true },
	};

	for (int i = 0; i < 4; i++) {
		int outer = ep_create(variant->by, O_CLOEXEC);
		int inner = ep_create(variant->by, O_CLOEXEC);
		int e = eventfd(0, EFD_NONBLOCK);
		bool seen[4];

		ASSERT_EQ(0, ep_add(variant->by, inner, e, EPOLLIN | mode[i].inner));
		ASSERT_EQ(0, ep_add(variant->by, outer, inner, EPOLLIN | mode[i].outer));
		ASSERT_EQ(0, eventfd_write(e, 1));
		seen[0] = ep_mask(variant->by, outer, inner, 0);
		seen[1] = ep_mask(variant->by, outer, inner, 0);
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, inner, e, 0));
		seen[2] = ep_mask(variant->by, outer, inner, 0);
		ASSERT_EQ(0, eventfd_write(e, 1));
		seen[3] = ep_mask(variant->by, outer, inner, 0);
		for (int j = 0; j < 4; j++) {
			EXPECT_EQ(expect[i][j], seen[j]) TH_LOG("mode %d, step %d", i, j);
		}
		close(outer);
		close(inner);
		close(e);
	}
}

/* R26: EINVAL for itself, also through a dup; nothing changes */
TEST_F(nesting, itself)
{
	int copy = dup(self->ep);

	EXPECT_ERRNO(EINVAL, ep_add(variant->by, self->ep, self->ep, EPOLLIN));
	EXPECT_ERRNO(EINVAL, ep_add(variant->by, self->ep, copy, EPOLLIN));
	EXPECT_ERRNO(EINVAL, ep_add(variant->by, copy, self->ep, EPOLLIN));
	EXPECT_EQ(1, ep_items(self->ep));
}

/* epoll_ctl(2): EINVAL for EPOLLEXCLUSIVE on an instance */
TEST_F(nesting, exclusive)
{
	int outer = ep_create(variant->by, O_CLOEXEC);

	EXPECT_ERRNO(EINVAL, ep_add(variant->by, outer, self->ep, EPOLLIN | EPOLLEXCLUSIVE));
	EXPECT_EQ(0, ep_items(outer));
}

/* R26: ELOOP for a cycle of n, for every n that the depth allows; the rest stays usable */
TEST_F(nesting, cycle)
{
	int ep[5];

	for (int n = 2; n <= 5; n++) {
		for (int i = 0; i < n; i++) {
			ep[i] = ep_create(variant->by, O_CLOEXEC);
			if (i) {
				ASSERT_EQ(0, ep_add(variant->by, ep[i - 1], ep[i], EPOLLIN));
			}
		}
		EXPECT_ERRNO(ELOOP, ep_add(variant->by, ep[n - 1], ep[0], EPOLLIN));
		EXPECT_EQ(0, ep_items(ep[n - 1]));
		/* the event of the innermost reaches the outermost */
		ASSERT_EQ(0, ep_add(variant->by, ep[n - 1], self->p[0], EPOLLIN));
		ASSERT_EQ(0, put_byte(self->p[1]));
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, ep[0], ep[1], SOON));
		ASSERT_EQ(0, get_byte(self->p[0]));
		/* and once opened, the cycle may close the other way round */
		ASSERT_EQ(0, ep_del(variant->by, ep[0], ep[1]));
		EXPECT_EQ(0, ep_add(variant->by, ep[n - 1], ep[0], EPOLLIN));
		for (int i = 0; i < n; i++)
			close(ep[i]);
	}
}

/* The links of the longest chain that can be built: EP_MAX_NESTS of fs/eventpoll.c */
#define LINKS 4

/* EP_MAX_NESTS: a chain that grows at its outer end */
TEST_F(nesting, depth_grows_outside)
{
	int inner = self->ep, outer;

	for (int i = 1; i <= LINKS; i++, inner = outer) {
		outer = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(variant->by, outer, inner, EPOLLIN)) TH_LOG("link %d", i);
	}
	outer = ep_create(variant->by, O_CLOEXEC);
	EXPECT_ERRNO(ELOOP, ep_add(variant->by, outer, inner, EPOLLIN));
	EXPECT_EQ(0, ep_items(outer));
}

/* EP_MAX_NESTS: a chain that grows at its inner end, and the file at its end works */
TEST_F(nesting, depth_grows_inside)
{
	int first = ep_create(variant->by, O_CLOEXEC), outer = first, inner, second = -1;
	struct waiter w;

	for (int i = 1; i <= LINKS; i++, outer = inner) {
		inner = ep_create(variant->by, O_CLOEXEC);
		if (i == 1)
			second = inner;
		ASSERT_EQ(0, ep_add(variant->by, outer, inner, EPOLLIN)) TH_LOG("link %d", i);
	}
	EXPECT_ERRNO(ELOOP, ep_add(variant->by, outer, self->ep, EPOLLIN));
	ASSERT_EQ(0, ep_add(variant->by, outer, self->p[0], EPOLLIN));
	/* R2: a sleeper at the top is woken by the file at the bottom */
	ASSERT_TRUE(waiter_start(&w, variant->by, first));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EQ(second, (int)w.ev[0].data.u64);
}

/* ep_loop_check(): a link between two chains counts both; too long for one, it fits another */
TEST_F(nesting, depth_joins)
{
	for (int up = 0; up <= LINKS; up++) {
		for (int down = 0; down <= LINKS; down++) {
			int ep[2 * LINKS + 2], n = up + down + 2, ret;

			for (int i = 0; i < n; i++) {
				ep[i] = ep_create(variant->by, O_CLOEXEC);
				if (i && i != up + 1) {
					ASSERT_EQ(0, ep_add(variant->by, ep[i - 1], ep[i],
							    EPOLLIN));
				}
			}
			ret = ep_add(variant->by, ep[up], ep[up + 1], EPOLLIN);
			if (up + down + 1 <= LINKS) {
				EXPECT_EQ(0, ret) TH_LOG("%d above, %d below", up, down);
			} else {
				EXPECT_EQ(-1, ret) TH_LOG("%d above, %d below", up, down);
				EXPECT_EQ(ELOOP, errno);
			}
			for (int i = 0; i < n; i++)
				close(ep[i]);
		}
	}
}

/* The same limit holds where two ways of different length lead down */
TEST_F(nesting, depth_of_the_longer_way)
{
	int ep[LINKS + 2];

	for (int i = 0; i < LINKS + 2; i++)
		ep[i] = ep_create(variant->by, O_CLOEXEC);
	for (int i = 1; i <= LINKS; i++) {
		ASSERT_EQ(0, ep_add(variant->by, ep[i - 1], ep[i], EPOLLIN));
	}
	/* a link from the top to the bottom is not a cycle and adds no depth */
	ASSERT_EQ(0, ep_add(variant->by, ep[0], ep[LINKS], EPOLLIN));
	EXPECT_ERRNO(ELOOP, ep_add(variant->by, ep[LINKS + 1], ep[0], EPOLLIN));
	/* without the long way the short one leaves room */
	ASSERT_EQ(0, ep_del(variant->by, ep[0], ep[1]));
	EXPECT_EQ(0, ep_add(variant->by, ep[LINKS + 1], ep[0], EPOLLIN));
}

/* R28: the inner instance closed while the outer watches it */
TEST_F(nesting, inner_closed)
{
	int outer = ep_create(variant->by, O_CLOEXEC);
	struct waiter w;
	int q[2];

	ASSERT_EQ(0, pipe(q));
	ASSERT_EQ(0, ep_add(variant->by, outer, self->ep, EPOLLIN));
	ASSERT_EQ(0, ep_add(variant->by, outer, q[0], EPOLLIN));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, self->ep, SOON));
	close(self->ep);
	EXPECT_EQ(1, ep_items(outer));
	EXPECT_EQ(0, ep_mask(variant->by, outer, self->ep, 0));
	ASSERT_TRUE(waiter_start(&w, variant->by, outer));
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(0, put_byte(q[1]));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EQ(q[0], (int)w.ev[0].data.u64);
}

/* The outer instance closed: the inner one goes on, and can be watched anew */
TEST_F(nesting, outer_closed)
{
	int outer = ep_create(variant->by, O_CLOEXEC);

	ASSERT_EQ(0, ep_add(variant->by, outer, self->ep, EPOLLIN));
	ASSERT_EQ(0, put_byte(self->p[1]));
	close(outer);
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, 1, SOON));
	outer = ep_create(variant->by, O_CLOEXEC);
	ASSERT_EQ(0, ep_add(variant->by, outer, self->ep, EPOLLIN));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, self->ep, SOON));
}

/* R25: io_uring's poll completes when an event waits, or does already */
TEST_F(nesting, io_uring_polls)
{
	struct io_uring_cqe cqe;
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	ASSERT_EQ(0, uring_poll(&u, self->ep, POLLIN, false, 7));
	EXPECT_FALSE(uring_peek(&u, &cqe));
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_TRUE(uring_wait(&u, &cqe, SOON));
	EXPECT_EQ(7, cqe.user_data);
	EXPECT_EQ(POLLIN, cqe.res);
	/* ready already */
	ASSERT_EQ(0, uring_poll(&u, self->ep, POLLIN, false, 8));
	ASSERT_TRUE(uring_wait(&u, &cqe, SOON));
	EXPECT_EQ(8, cqe.user_data);
	EXPECT_EQ(POLLIN, cqe.res);
}

/* A ring polls the instance that watches the ring: completions for each of @n events, or -1. */
static int ring_in_a_ring(enum mechanism by, int *completions, int n)
{
	int ep = ep_create(by, O_CLOEXEC), p[2];
	struct io_uring_cqe cqe;
	bool armed = false;
	struct uring u;

	if (uring_open(&u) || pipe(p) || ep_add(by, ep, u.fd, EPOLLIN) ||
	    ep_add(by, ep, p[0], EPOLLIN))
		return -1;
	for (int i = 0; i < n; i++) {
		if (!armed && uring_poll(&u, ep, POLLIN, true, 7))
			return -1;
		armed = true;
		if (put_byte(p[1]) || !uring_wait(&u, &cqe, SOON))
			return -1;
		completions[i] = 0;
		do {
			if (cqe.user_data != 7 || cqe.res != POLLIN)
				return -1;
			armed &= !!(cqe.flags & IORING_CQE_F_MORE);
			completions[i]++;
		} while (uring_peek(&u, &cqe));
		if (get_byte(p[0]))
			return -1;
	}
	return 0;
}

/*
 * EPOLL_URING_WAKE: a completion wakes the ring's watchers with it, and io_poll_wake() ends a
 * poll that it comes back to. Without it each completion would be an event of the instance,
 * and that the next completion, until the ring is full. 6.1 does that even with the flag: in the
 * wakeup itself with epoll, and one by one with evpoll, while the program takes completions.
 */
TEST_F(nesting, io_uring_polls_and_is_watched)
{
	int expected[20], seen[20];
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	ASSERT_EQ(0, ring_in_a_ring(BY_EPOLL, expected, 20));
	ASSERT_EQ(0, ring_in_a_ring(variant->by, seen, 20));
	for (int i = 0; i < 20; i++) {
		ASSERT_LE(1, seen[i]) TH_LOG("event %d", i);
		if (expected[i] < u.p.cq_entries)
			ASSERT_EQ(expected[i], seen[i]) TH_LOG("event %d", i);
	}
}

FIXTURE(mixed) {
	int ep;
	int epoll;
};

FIXTURE_SETUP(mixed)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_LE(0, self->epoll);
}

FIXTURE_TEARDOWN(mixed)
{
}

/* An epoll instance in an evpoll instance is refused, whatever either holds */
TEST_F(mixed, epoll_refused)
{
	int copy = dup(self->epoll);

	EXPECT_ERRNO(ELOOP, ep_add(BY_WAIT, self->ep, self->epoll, EPOLLIN));
	EXPECT_ERRNO(ELOOP, ep_add(BY_WAIT, self->ep, copy, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, ep_add(BY_EPOLL, self->epoll, self->ep, EPOLLIN));
	EXPECT_ERRNO(ELOOP, ep_add(BY_WAIT, self->ep, self->epoll, EPOLLIN));
	EXPECT_ERRNO(ENOENT, ep_del(BY_WAIT, self->ep, self->epoll));
	EXPECT_EQ(0, ep_items(self->ep));
}

/* evpoll chains below epoll chains work and stay within both limits */
TEST_F(mixed, chain_of_both)
{
	int e = eventfd(0, 0), ep = self->ep, epoll = self->epoll, outer;

	ASSERT_EQ(0, ep_add(BY_WAIT, ep, e, EPOLLIN));
	for (int i = 0; i < LINKS; i++, ep = outer) {
		outer = ep_create(BY_WAIT, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(BY_WAIT, outer, ep, EPOLLIN));
	}
	ASSERT_EQ(0, ep_add(BY_EPOLL, epoll, ep, EPOLLIN));
	ep = epoll;
	for (int i = 0; i < LINKS; i++, ep = outer) {
		outer = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_EQ(0, ep_add(BY_EPOLL, outer, ep, EPOLLIN));
	}
	EXPECT_EQ(0, poll_now(ep));
	ASSERT_EQ(0, eventfd_write(e, 1));
	EXPECT_EQ(POLLIN | POLLRDNORM, poll_now(ep));
}

TEST_HARNESS_MAIN
