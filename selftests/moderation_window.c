// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window of an instance (coalesce_usecs and coalesce_events): which
 * readers wait for its end and which do not. It changes nothing except the time of the wakeup.
 */
#include "evpoll_burst.h"

#define LONG_US 1000000		/* the longest there is: what comes before its end is at once */
#define SHORT_US 50000

FIXTURE(window) {
	int ep;
	int fd[8];
	struct reader reader;
	struct epoll_event ev[16];
	struct evpoll_source_event event;
};

FIXTURE_VARIANT(window) {
	int context;
};

CONTEXT_VARIANTS(window);

FIXTURE_SETUP(window)
{
	self->ep = lines_setup(_metadata, variant->context, self->fd, 8);
	if (self->ep < 0)
		return;
	ASSERT_EQ(0, set_window(self->ep, LONG_US, 0));
}

FIXTURE_TEARDOWN(window)
{
	lines_close(self->fd, 8);
	close(self->ep);
}

/* A sleeping reader is woken when the window ends: not before, and not much later */
TEST_F(window, sleeper_waits)
{
	struct evpoll_stats stats;

	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 1, EPOLLIN));
	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	ASSERT_EQ(0, line_read(self->fd[0], &self->event));
	EXPECT_LE(self->event.first_ns + SHORT_US * USEC, self->reader.first_ns);
	stats = stats_of(self->ep);
	EXPECT_EQ(1, stats.wakeups);
	EXPECT_EQ(1, stats.timer_flushes);
	EXPECT_EQ(0, stats.polls);
	EXPECT_EQ(0, stats.inline_flushes);
}

/* SET_PARAMS begins a new window, also if the file whose event opened the old one is gone */
TEST_F(window, removed_opener)
{
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 2, EPOLLIN));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_EQ(0, ep_del(BY_WAIT, self->ep, self->fd[0]));
	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	ASSERT_EQ(0, burst(variant->context, &self->fd[1], 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	ASSERT_EQ(0, line_read(self->fd[1], &self->event));
	/* not when the old window would have ended, which is LONG_US after its first event */
	EXPECT_GT(self->event.first_ns + LONG_US * USEC / 2, self->reader.first_ns);
}

/* A short adaptive window ends in time, although the timer is armed for a long one before it */
TEST_F(window, shorter_than_the_last)
{
	struct evpoll_params params = {
		.flags = EVPOLL_ADAPTIVE, .coalesce_usecs = LONG_US,
	};

	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 1, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	/* The windows become shorter with each of these, because the events come fast. */
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, burst(variant->context, self->fd, 1));
		ASSERT_TRUE(queued_become(self->ep, i + 1));
		ASSERT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 16, 0));
		ASSERT_EQ(0, line_read(self->fd[0], &self->event));
	}
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	ASSERT_EQ(0, line_read(self->fd[0], &self->event));
	EXPECT_GT(self->event.first_ns + LONG_US * USEC / 2, self->reader.first_ns);
}

/*
 * What comes in the window is one wakeup, even if it comes one by one. In the order of the events
 * if they are of one CPU.
 */
TEST_F(window, collects)
{
	ASSERT_EQ(0, on_cpu(0));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 8));
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
	EXPECT_EQ(8, reader_join(&self->reader));
	EXPECT_EQ(1, self->reader.waits);
	EXPECT_EQ(1, stats_of(self->ep).wakeups);
	for (int i = 0; i < 8; i++)
		EXPECT_EVENT(EPOLLIN, self->fd[i], self->reader.ev[i]);
}

/* coalesce_events: the Nth pending event ends the window; the count begins anew with the next */
TEST_F(window, nth_event_at_once)
{
	ASSERT_EQ(0, set_window(self->ep, LONG_US, 4));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN | EPOLLET));
	for (int round = 0; round < 2; round++) {
		struct evpoll_stats before = stats_of(self->ep);
		uint64_t start = now_ns();

		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 4));
		for (int i = 0; i < 4; i++) {
			ASSERT_EQ(0, burst(variant->context, self->fd + 4 * round + i, 1));
			ASSERT_TRUE(queued_become(self->ep, before.queued + i + 1));
		}
		EXPECT_EQ(4, reader_join(&self->reader));
		EXPECT_EQ(1, self->reader.waits);
		EXPECT_GT(start + LONG_US * USEC, self->reader.first_ns);
		EXPECT_EQ(before.wakeups + 1, stats_of(self->ep).wakeups);
	}
}

/* "wake at once when so many": 1 is every event */
TEST_F(window, first_event_at_once)
{
	ASSERT_EQ(0, set_window(self->ep, LONG_US, 1));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN | EPOLLET));
	for (int i = 0; i < 8; i++) {
		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
		EXPECT_EQ(1, reader_join(&self->reader));
	}
	EXPECT_EQ(0, stats_of(self->ep).timer_flushes);
}

/* An O_NONBLOCK read, or a reader that is awake, never waits for a window */
TEST_F(window, awake_reader_does_not_wait)
{
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN | EPOLLET));

	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_TRUE(queued_become(self->ep, 1));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));

	ASSERT_EQ(0, burst(variant->context, self->fd + 1, 1));
	ASSERT_TRUE(queued_become(self->ep, 2));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_NONBLOCK));
	EXPECT_EQ((ssize_t)sizeof(self->ev[0]), read(self->ep, self->ev, sizeof(self->ev)));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, 0));

	ASSERT_EQ(0, burst(variant->context, self->fd + 2, 1));
	ASSERT_TRUE(queued_become(self->ep, 3));
	EXPECT_TRUE(readable(self->ep, 0));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));

	/* a reader that may sleep, and comes after the event */
	ASSERT_EQ(0, burst(variant->context, self->fd + 3, 1));
	ASSERT_TRUE(queued_become(self->ep, 4));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, SOON));
	ASSERT_EQ(0, burst(variant->context, self->fd + 4, 1));
	ASSERT_TRUE(queued_become(self->ep, 5));
	EXPECT_EQ((ssize_t)sizeof(self->ev[0]), read(self->ep, self->ev, sizeof(self->ev)));
	EXPECT_EQ(0, stats_of(self->ep).wakeups);
}

/* EVPOLL_IOC_SET_PARAMS: what is pending is flushed, and the new window counts from then on */
TEST_F(window, set_flushes)
{
	static const struct evpoll_params params[] = {
		{}, { .coalesce_usecs = 10 }, { .coalesce_usecs = LONG_US },
		{ .flags = EVPOLL_UNBATCHED },
	};

	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN | EPOLLET));
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		struct evpoll_stats before;
		uint64_t start;

		ASSERT_EQ(0, set_window(self->ep, LONG_US, 0));
		before = stats_of(self->ep);
		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
		start = now_ns();
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
		ASSERT_TRUE(queued_become(self->ep, before.queued + 1));
		ASSERT_EQ(0, set_params(self->ep, &params[i]));
		EXPECT_EQ(1, reader_join(&self->reader));
		EXPECT_GT(start + LONG_US * USEC, self->reader.first_ns);
		EXPECT_EQ(before.wakeups + 1, stats_of(self->ep).wakeups);
	}
}

/* A timer that is armed for a window of before does not stretch the one of now */
TEST_F(window, shorter_after_flush)
{
	uint64_t start;

	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 2, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_TRUE(queued_become(self->ep, 1));
	start = now_ns();
	ASSERT_EQ(0, set_window(self->ep, 1000, 0));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	ASSERT_EQ(0, burst(variant->context, self->fd + 1, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	EXPECT_GT(start + LONG_US / 2 * USEC, self->reader.first_ns);
}

/* If an awake reader ends a window, the old timer does not shorten the next window. */
TEST_F(window, full_after_flush)
{
	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 2, EPOLLIN | EPOLLET));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, burst(variant->context, self->fd, 1));
		ASSERT_TRUE(queued_become(self->ep, 2 * i + 1));
		usleep(SHORT_US / 2);
		EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
		ASSERT_EQ(0, burst(variant->context, self->fd + 1, 1));
		EXPECT_EQ(1, reader_join(&self->reader));
		EXPECT_EVENT(EPOLLIN, self->fd[1], self->reader.ev[0]);
		for (int k = 0; k < 2; k++)
			ASSERT_EQ(0, line_read(self->fd[k], &self->event));
		EXPECT_LE(self->event.first_ns + SHORT_US * USEC, self->reader.first_ns);
	}
}

/* R13 to R18: what is level-triggered, edge-triggered or one-shot is so in a window */
TEST_F(window, modes)
{
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[1], EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[2], EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, burst(variant->context, self->fd, 3));
		ASSERT_TRUE(callbacks_become(self->ep, 3 * (i + 1)));
	}
	EXPECT_EQ(3, stats_of(self->ep).queued);
	EXPECT_EQ(3, ep_wait(BY_WAIT, self->ep, self->ev, 8, SOON));
	/* not read yet: the level holds */
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	EXPECT_EVENT(EPOLLIN, self->fd[0], self->ev[0]);
	/* the next edge; the shot is spent */
	ASSERT_EQ(0, line_read(self->fd[0], &self->event));
	ASSERT_EQ(0, burst(variant->context, self->fd + 1, 2));
	ASSERT_TRUE(queued_become(self->ep, 4));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, SOON));
	EXPECT_EVENT(EPOLLIN, self->fd[1], self->ev[0]);
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	/* armed again, with the event there: MOD says so at once */
	ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->fd[2], EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	EXPECT_EVENT(EPOLLIN, self->fd[2], self->ev[0]);
}

/* An event that is gone when the window ends wakes the reader, and is not reported */
TEST_F(window, taken_in_the_window)
{
	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 2, EPOLLIN));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	ASSERT_TRUE(readable(self->fd[0], SOON));
	ASSERT_EQ(0, line_read(self->fd[0], &self->event));
	usleep(2 * SHORT_US);
	ASSERT_EQ(0, burst(variant->context, self->fd + 1, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	EXPECT_EVENT(EPOLLIN, self->fd[1], self->reader.ev[0]);
	EXPECT_EQ(1, stats_of(self->ep).delivered);
}

/* R10, R20: DEL, or close, of a file whose event is pending: it is never reported */
TEST_F(window, removed_in_the_window)
{
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 5, EPOLLIN));
	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
		ASSERT_TRUE(queued_become(self->ep, i + 1));
		if (i % 2) {
			ASSERT_EQ(0, ep_del(BY_WAIT, self->ep, self->fd[i]));
		} else {
			ASSERT_EQ(0, close(self->fd[i]));
		}
		EXPECT_EQ(4 - i, ep_items(self->ep));
		usleep(2 * SHORT_US);
	}
	EXPECT_EQ(0, stats_of(self->ep).delivered);
	ASSERT_EQ(0, burst(variant->context, self->fd + 4, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	EXPECT_EVENT(EPOLLIN, self->fd[4], self->reader.ev[0]);
	EXPECT_EQ(1, stats_of(self->ep).delivered);
	self->fd[0] = -1;
	self->fd[2] = -1;
}

/* Closing the instance with the timer armed, or about to fire */
TEST_F(window, closed_while_armed)
{
	static const unsigned int usecs[] = { LONG_US, 1, 20, 100, 300 };

	for (int i = 0; i < 300; i++) {
		int ep = ep_create(BY_WAIT, O_CLOEXEC);

		ASSERT_LE(0, ep);
		ASSERT_EQ(0, set_window(ep, usecs[i % ARRAY_SIZE(usecs)], i & 8 ? 2 : 0));
		ASSERT_EQ(0, lines_add(BY_WAIT, ep, self->fd, 3, EPOLLIN));
		ASSERT_EQ(0, burst(variant->context, self->fd, 3));
		ASSERT_TRUE(readable(self->fd[2], SOON));
		if (i & 1) {
			ASSERT_EQ(0, ep_del(BY_WAIT, ep, self->fd[1]));
		}
		ASSERT_EQ(0, close(ep));
		for (int k = 0; k < 3; k++)
			ASSERT_EQ(0, line_read(self->fd[k], &self->event));
	}
}

/* The same with changes of the window */
TEST_F(window, changed_while_armed)
{
	static const unsigned int usecs[] = { LONG_US, 1, 20, 100, 300, 0 };

	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 3, EPOLLIN | EPOLLET));
	for (int i = 0; i < 300; i++) {
		int n = 0;

		ASSERT_EQ(0, set_window(self->ep, usecs[i % ARRAY_SIZE(usecs)], i & 8 ? 2 : 0));
		ASSERT_EQ(0, burst(variant->context, self->fd, 3));
		ASSERT_TRUE(readable(self->fd[2], SOON));
		ASSERT_EQ(0, set_window(self->ep, usecs[(i + 1) % ARRAY_SIZE(usecs)], 0));
		while (n < 3) {
			int got = ep_wait_woken(BY_WAIT, self->ep, self->ev, 8);

			ASSERT_LT(0, got);
			n += got;
		}
		EXPECT_EQ(3, n);
		for (int k = 0; k < 3; k++)
			ASSERT_EQ(0, line_read(self->fd[k], &self->event));
	}
	EXPECT_EQ(900, stats_of(self->ep).delivered);
}

/* poll(2) and epoll hear of it when the window ends, one time */
TEST_F(window, pollers_wait)
{
	int epoll = ep_create(BY_EPOLL, O_CLOEXEC);
	struct pollfd pfd = { .fd = self->ep, .events = POLLIN };

	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 4, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_EPOLL, epoll, self->ep, EPOLLIN | EPOLLET));
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(reader_start(&self->reader, BY_EPOLL, epoll, 1));
		ASSERT_EQ(0, burst(variant->context, self->fd + 2 * i, 2));
		EXPECT_EQ(1, reader_join(&self->reader));
		ASSERT_EQ(0, line_read(self->fd[2 * i], &self->event));
		EXPECT_LE(self->event.first_ns + SHORT_US * USEC, self->reader.first_ns);
		EXPECT_EQ(1, poll(&pfd, 1, 0));
		/* one edge for both events */
		EXPECT_EQ(0, ep_wait(BY_EPOLL, epoll, self->ev, 8, 0));
		ASSERT_EQ(0, line_read(self->fd[2 * i + 1], &self->event));
		EXPECT_EQ(0, poll(&pfd, 1, 0));
	}
	close(epoll);
}

/* A wait takes all that was pending when it began, however many the flush moves at a time */
TEST_F(window, one_wait_takes_all)
{
	int fd[LINES];

	ASSERT_EQ(0, lines_open(fd, LINES));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, fd, LINES, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, burst(variant->context, fd, LINES));
	ASSERT_TRUE(queued_become(self->ep, LINES));
	EXPECT_EQ(LINES, ep_wait(BY_WAIT, self->ep, self->reader.ev, LINES, 0));
	lines_close(fd, LINES);
}

/* An instance that watches one with a window: after the window, and its own on top */
TEST_F(window, nested)
{
	int outer = ep_create(BY_WAIT, O_CLOEXEC);

	ASSERT_EQ(0, set_window(self->ep, SHORT_US, 0));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 2, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, outer, self->ep, EPOLLIN));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, set_window(outer, i * SHORT_US, 0));
		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, outer, 1));
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
		EXPECT_EQ(1, reader_join(&self->reader));
		EXPECT_EVENT(EPOLLIN, self->ep, self->reader.ev[0]);
		EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
		EXPECT_EVENT(EPOLLIN, self->fd[i], self->ev[0]);
		ASSERT_EQ(0, line_read(self->fd[i], &self->event));
		EXPECT_LE(self->event.first_ns + (i + 1) * SHORT_US * USEC,
			  self->reader.first_ns);
	}
	close(outer);
}

/* struct evpoll_params: EPOLLEXCLUSIVE does not wait, as its callback must say whom it woke */
TEST_F(window, exclusive_at_once)
{
	uint64_t start;

	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 2, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	start = now_ns();
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	EXPECT_GT(start + LONG_US * USEC, self->reader.first_ns);
	EXPECT_EQ(0, stats_of(self->ep).timer_flushes);
}

/* EVPOLL_EAGER: the first event of a window wakes at once, the others when it ends */
TEST_F(window, eager)
{
	struct evpoll_params params = { .flags = EVPOLL_EAGER, .coalesce_usecs = LONG_US };
	struct reader rest;
	uint64_t start;

	ASSERT_EQ(0, set_params(self->ep, &params));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN | EPOLLET));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	start = now_ns();
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	EXPECT_GT(start + LONG_US * USEC, self->reader.first_ns);

	/* The window that the first event began is open. */
	ASSERT_TRUE(reader_start(&rest, BY_WAIT, self->ep, 7));
	for (int i = 1; i < 8; i++)
		ASSERT_EQ(0, burst(variant->context, self->fd + i, 1));
	EXPECT_EQ(7, reader_join(&rest));
	EXPECT_EQ(1, rest.waits);
	EXPECT_LE(start + LONG_US * USEC, rest.first_ns);
	EXPECT_EQ(2, stats_of(self->ep).wakeups);
	EXPECT_EQ(1, stats_of(self->ep).timer_flushes);
}

/* An eager event leaves pollers to the end of the window. SET_PARAMS ends it, and wakes them. */
TEST_F(window, eager_then_set_params)
{
	struct evpoll_params params = { .flags = EVPOLL_EAGER, .coalesce_usecs = LONG_US };
	int epoll = ep_create(BY_EPOLL, O_CLOEXEC);
	struct reader poller;

	ASSERT_EQ(0, set_params(self->ep, &params));
	/* Level-triggered: the instance stays readable. */
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 1, EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_EPOLL, epoll, self->ep, EPOLLIN));
	ASSERT_TRUE(reader_start(&poller, BY_EPOLL, epoll, 1));
	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
	ASSERT_EQ(0, burst(variant->context, self->fd, 1));
	EXPECT_EQ(1, reader_join(&self->reader));
	ASSERT_EQ(0, set_window(self->ep, 0, 0));
	EXPECT_EQ(1, reader_join(&poller));
	close(epoll);
}

/* EVPOLL_ADAPTIVE: an event that comes alone is not worth a window, not even the first */
TEST_F(window, adaptive_single)
{
	struct evpoll_params params = { .flags = EVPOLL_ADAPTIVE, .coalesce_usecs = SHORT_US };
	struct evpoll_stats stats;

	ASSERT_EQ(0, set_params(self->ep, &params));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 1, EPOLLIN));
	for (int i = 0; i < 30; i++) {
		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
		ASSERT_EQ(0, burst(variant->context, self->fd, 1));
		EXPECT_EQ(1, reader_join(&self->reader));
		EXPECT_EQ(0, line_read(self->fd[0], &self->event));
		usleep(SHORT_US);
	}
	stats = stats_of(self->ep);
	EXPECT_EQ(30, stats.wakeups);
	EXPECT_EQ(0, stats.timer_flushes);
}

/* EVPOLL_ADAPTIVE: fast events are collected; and single ones after them soon not any more */
TEST_F(window, adaptive_load)
{
	struct evpoll_params params = { .flags = EVPOLL_ADAPTIVE, .coalesce_usecs = SHORT_US };
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)self->fd, .nr = 8, .context = variant->context,
		.spacing_ns = 100 * USEC, .pause_ns = 100 * USEC, .repeat = 250, .cpu = -1,
	};
	struct evpoll_stats stats;
	uint64_t events = 0;
	pid_t pid;
	int n;

	ASSERT_EQ(0, set_params(self->ep, &params));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, 8, EPOLLIN | EPOLLET));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(burst_ioctl(self->fd[0], &b) ? 1 : 0);
	while (events < 2000) {
		n = ep_wait_woken(BY_WAIT, self->ep, self->ev, 16);
		ASSERT_LT(0, n);
		while (n--)
			if (!line_read(self->ev[n].data.fd, &self->event))
				events += self->event.count;
	}
	EXPECT_EQ(2000, events);
	EXPECT_EQ(0, reap(pid));
	stats = stats_of(self->ep);
	TH_LOG("2000 events, %llu callbacks, %llu wakeups", stats.callbacks, stats.wakeups);
	EXPECT_EQ(2000, stats.callbacks);
	EXPECT_GT(2000 / 2, stats.wakeups);
}

TEST_HARNESS_MAIN
