// SPDX-License-Identifier: GPL-2.0-only
/*
 * When an item reports: level-triggered, EPOLLET, EPOLLONESHOT, MOD. Which events a file has is in
 * events.c, order and buffers in buffer.c, EPOLLEXCLUSIVE with several instances in threads.c.
 */
#include "evpoll_util.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

FIXTURE(trigger) {
	int ep;
	int rd, wr;	/* a non-blocking pipe */
};

FIXTURE_VARIANT(trigger) {
	enum mechanism by;
};

EP_VARIANTS(trigger);

FIXTURE_SETUP(trigger)
{
	self->ep = ep_and_pipe(variant->by, &self->rd, &self->wr);
	ASSERT_LE(0, self->ep) TH_LOG("no instance or no pipe: %s", strerror(errno));
}

FIXTURE_TEARDOWN(trigger)
{
	close(self->ep);
	close(self->rd);
	close(self->wr);
}

/* R16: level-triggered is the default, and reports as long as the condition holds */
TEST_F(trigger, lt_reports_as_long_as_it_holds)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, put_byte(self->wr));
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
		EXPECT_EVENT(EPOLLIN, self->rd, ev);
	}
	ASSERT_EQ(0, get_byte(self->rd));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, get_byte(self->rd));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R17: the five steps of epoll(7), level-triggered: the second wait returns at once */
TEST_F(trigger, lt_story)
{
	char buf[2048] = {};
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	ASSERT_EQ(2048, write(self->wr, buf, 2048));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
	ASSERT_EQ(1024, read(self->rd, buf, 1024));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
}

/* R17: the five steps of epoll(7), edge-triggered: the second wait blocks, new data ends that */
TEST_F(trigger, et_story)
{
	struct epoll_event ev = {};
	char buf[2048] = {};

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(2048, write(self->wr, buf, 2048));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
	EXPECT_EVENT(EPOLLIN, self->rd, ev);
	ASSERT_EQ(1024, read(self->rd, buf, 1024));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 100));
	ASSERT_EQ(2048, write(self->wr, buf, 2048));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
	EXPECT_EVENT(EPOLLIN, self->rd, ev);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R17: the step that ends the story also ends the sleep of a reader that blocks in it */
TEST_F(trigger, et_story_wakes_the_sleeper)
{
	struct epoll_event ev;
	char buf[2048] = {};
	struct waiter w;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(2048, write(self->wr, buf, 2048));
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
	ASSERT_EQ(1024, read(self->rd, buf, 1024));
	ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
	ASSERT_EQ(2048, write(self->wr, buf, 2048));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EVENT(EPOLLIN, self->rd, w.ev[0]);
}

/* R18: a reader that reads until EAGAIN after each event misses nothing */
TEST_F(trigger, et_read_to_eagain)
{
	struct epoll_event ev;
	char buf[1000];
	ssize_t n, got;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	for (int round = 1; round <= 20; round++) {
		for (int i = 0; i < round; i++)
			ASSERT_EQ(100, write(self->wr, buf, 100));
		ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, SOON));
		got = 0;
		while ((n = read(self->rd, buf, sizeof(buf))) > 0)
			got += n;
		EXPECT_EQ(EAGAIN, errno);
		EXPECT_EQ(round * 100, got);
		EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	}
}

/* ep_insert(): ADD polls the file, so it reports a ready file, with EPOLLET once */
TEST_F(trigger, et_add_of_ready_file)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
	EXPECT_EVENT(EPOLLIN, self->rd, ev);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* epoll(7): with EPOLLET a pipe reports each write, data left or not */
TEST_F(trigger, et_each_write)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, put_byte(self->wr));
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	}
}

/* epoll(7): EPOLLOUT with EPOLLET comes when room comes, not while there is none */
TEST_F(trigger, et_out)
{
	static char page[4096];
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->wr, EPOLLOUT | EPOLLET));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	while (write(self->wr, page, sizeof(page)) > 0)
		;
	ASSERT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	while (read(self->rd, page, sizeof(page)) > 0)
		;
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, SOON));
	EXPECT_EVENT(EPOLLOUT, self->wr, ev);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R29: several events between two waits are one, for level and edge alike */
TEST_F(trigger, events_join)
{
	struct epoll_event ev[4];
	int e = eventfd(0, EFD_NONBLOCK);

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, e, EPOLLIN));
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, put_byte(self->wr));
		ASSERT_EQ(0, eventfd_write(e, 1));
	}
	ASSERT_EQ(2, ep_wait(variant->by, self->ep, ev, 4, 0));
	EXPECT_EVENT(EPOLLIN, self->rd, ev[0]);
	EXPECT_EVENT(EPOLLIN, e, ev[1]);
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, ev, 4, 0));
	EXPECT_EVENT(EPOLLIN, e, ev[0]);
	close(e);
}

/* R29: the masks of joined events are one mask */
TEST_F(trigger, masks_join)
{
	struct epoll_event ev[2] = {};
	static char page[4096];
	int sv[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv));
	while (write(sv[0], page, sizeof(page)) > 0)
		;
	ASSERT_EQ(0, ep_add(variant->by, self->ep, sv[0],
			    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
	ASSERT_EQ(0, ep_wait(variant->by, self->ep, ev, 2, 0));
	/* readable, then writable, then half closed */
	ASSERT_EQ(0, put_byte(sv[1]));
	while (read(sv[1], page, sizeof(page)) > 0)
		;
	ASSERT_EQ(0, shutdown(sv[1], SHUT_WR));
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, ev, 2, 0));
	EXPECT_EVENT(EPOLLIN | EPOLLOUT | EPOLLRDHUP, sv[0], ev[0]);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, ev, 2, 0));
	close(sv[0]);
	close(sv[1]);
}

/* ep_send_events(): the wait polls the file again and does not report an event that is gone */
TEST_F(trigger, over_before_the_wait)
{
	struct epoll_event ev;

	for (int edge = 0; edge <= 1; edge++) {
		ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd,
				    edge ? EPOLLIN | EPOLLET : EPOLLIN));
		ASSERT_EQ(0, put_byte(self->wr));
		ASSERT_EQ(0, get_byte(self->rd));
		EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
		/* and it is not lost to the next event */
		ASSERT_EQ(0, put_byte(self->wr));
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		ASSERT_EQ(0, get_byte(self->rd));
		ASSERT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	}
}

/* R19: ONESHOT reports once, then is disabled until MOD, which polls the file */
TEST_F(trigger, oneshot)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
	EXPECT_EVENT(EPOLLIN, self->rd, ev);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 50));
	EXPECT_EQ(1, ep_items(self->ep));
	EXPECT_ERRNO(EEXIST, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R19: at rest means at rest: not even EPOLLHUP comes before MOD */
TEST_F(trigger, oneshot_rests_from_hup_too)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	close(self->wr);
	self->wr = -1;
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 50));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN | EPOLLHUP, self->rd, ev);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R19: MOD without EPOLLONESHOT makes an item of the usual kind, and back */
TEST_F(trigger, oneshot_off_and_on)
{
	struct epoll_event ev;

	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLONESHOT | EPOLLET));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->rd, EPOLLIN));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R30: MOD polls the file again and reports what is ready, even if its edge was reported */
TEST_F(trigger, mod_asks_again)
{
	struct epoll_event ev = {};
	int sv[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, sv[0], EPOLLIN | EPOLLET));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, sv[0], EPOLLOUT | EPOLLET));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLOUT, sv[0], ev);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
		ASSERT_EQ(0, ep_mod(variant->by, self->ep, sv[0], EPOLLOUT | EPOLLET));
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	}
	close(sv[0]);
	close(sv[1]);
}

/* R30: ADD and MOD wake a sleeping waiter if they find the file ready */
TEST_F(trigger, mod_and_add_wake_the_sleeper)
{
	struct waiter w;

	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EVENT(EPOLLIN, self->rd, w.ev[0]);
	ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EVENT(EPOLLIN, self->rd, w.ev[0]);
}

/* R10, ep_send_events(): a ready item whose new mask leaves the event out is not reported */
TEST_F(trigger, mod_takes_back)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->rd, EPOLLPRI | EPOLLET));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 50));
}

/* R24: two instances that watch one file both report, each by its own mode */
TEST_F(trigger, two_instances)
{
	int other = ep_create(variant->by, O_CLOEXEC);
	struct epoll_event ev = {};

	ASSERT_LE(0, other);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->rd, EPOLLIN | EPOLLET, 1));
	ASSERT_EQ(0, ep_ctl(variant->by, other, EPOLL_CTL_ADD, self->rd, EPOLLIN, 2));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, 1, ev);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(1, ep_wait(variant->by, other, &ev, 1, 0));
		EXPECT_EVENT(EPOLLIN, 2, ev);
	}
	close(other);
}

/* R4, R8, R9: one instance, many files, kept between waits; only the ready ones come back */
TEST_F(trigger, only_the_ready)
{
	enum { N = 300 };
	struct epoll_event ev[N];
	int fds[N], n;

	for (int i = 0; i < N; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, fds[i], EPOLLIN, i));
	}
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, ev, N, 0));
	for (int round = 0; round < 30; round++) {
		for (int i = round; i < N; i += 50)
			ASSERT_EQ(0, eventfd_write(fds[i], 1));
		n = ep_wait(variant->by, self->ep, ev, N, 0);
		ASSERT_EQ(6, n);
		for (int i = 0; i < n; i++) {
			uint64_t count;

			EXPECT_EVENT(EPOLLIN, round + i * 50, ev[i]);
			EXPECT_EQ(8, read(fds[ev[i].data.u64], &count, 8));
		}
	}
	for (int i = 0; i < N; i++)
		close(fds[i]);
}

/* R38: more files than one NAPI poll takes (64) become ready in one interrupt: each comes once */
TEST_F(trigger, more_than_a_batch)
{
	enum { N = 300 };
	struct itimerspec at = {};
	struct epoll_event ev[N];
	int fds[N], seen[N] = {};
	int n;

	clock_gettime(CLOCK_MONOTONIC, &at.it_value);
	at.it_value.tv_sec++;
	for (int i = 0; i < N; i++) {
		fds[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, fds[i],
				    EPOLLIN | EPOLLET, i));
		ASSERT_EQ(0, timerfd_settime(fds[i], TFD_TIMER_ABSTIME, &at, NULL));
	}
	for (int left = N; left > 0; left -= n) {
		n = ep_wait_woken(variant->by, self->ep, ev, N);
		ASSERT_LT(0, n);
		for (int i = 0; i < n; i++)
			seen[ev[i].data.u64]++;
	}
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(1, seen[i]);
		close(fds[i]);
	}
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, ev, N, 0));
}

/* R25: the instance is readable while an event waits, and only then */
TEST_F(trigger, instance_is_readable)
{
	struct pollfd pfd = { .fd = self->ep, .events = POLLIN };
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(1, poll(&pfd, 1, SOON));
	EXPECT_EQ(POLLIN, pfd.revents & POLLIN);
	/* poll takes no event away */
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
}

TEST_HARNESS_MAIN
