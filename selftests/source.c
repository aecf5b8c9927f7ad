// SPDX-License-Identifier: GPL-2.0-only
/* The source of wakeups itself (modules/evpoll_source.h): the tests of moderation rely on it. */
#include "evpoll_burst.h"

FIXTURE(source) {
	int fd[LINES];
};

FIXTURE_VARIANT(source) {
	int context;
};

CONTEXT_VARIANTS(source);

FIXTURE_SETUP(source)
{
	const char *why = no_source(variant->context);

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, lines_open(self->fd, LINES));
}

FIXTURE_TEARDOWN(source)
{
	lines_close(self->fd, LINES);
}

/* Each line is readable for one event, once; not before, and read() takes it. */
TEST_F(source, one_event_a_line)
{
	struct evpoll_source_event event;
	uint64_t before = now_ns(), count;

	for (int i = 0; i < LINES; i++)
		EXPECT_ERRNO(EAGAIN, line_read(self->fd[i], &event));
	ASSERT_EQ(0, burst(variant->context, self->fd, LINES));
	for (int i = 0; i < LINES; i++) {
		ASSERT_TRUE(readable(self->fd[i], SOON));
		if (i % 2) {
			ASSERT_EQ(0, line_read(self->fd[i], &event));
			EXPECT_EQ(1, event.count);
			EXPECT_LE(before, event.first_ns);
			EXPECT_LE(event.first_ns, now_ns());
			before = event.first_ns;
		} else {
			ASSERT_EQ(8, read(self->fd[i], &count, 8));
			EXPECT_EQ(1, count);
		}
		EXPECT_FALSE(readable(self->fd[i], 0));
	}
	EXPECT_ERRNO(EINVAL, read(self->fd[0], &count, 7));
}

/* Rounds with space between the events: all come, in their time at the earliest. */
TEST_F(source, rounds)
{
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)self->fd, .nr = 3, .context = variant->context,
		.spacing_ns = 200 * USEC, .pause_ns = 3 * MSEC, .repeat = 4, .cpu = -1,
	};
	struct evpoll_source_event event;
	uint64_t start = now_ns();
	int cpus = variant->context == EVPOLL_SOURCE_PROCESS ? 0 : get_nprocs();
	int events = 0;

	for (int cpu = -1; cpu < cpus; cpu++) {
		b.cpu = cpu;
		start = now_ns();
		ASSERT_EQ(0, burst_ioctl(self->fd[3], &b)) TH_LOG("%s", strerror(errno));
		for (events = 0; events < 12; events += event.count) {
			/* the last line has the last event */
			ASSERT_TRUE(readable(self->fd[2], SOON));
			while (!line_read(self->fd[2], &event))
				events += 3 * event.count;
			event.count = 0;
		}
		EXPECT_EQ(12, events);
		EXPECT_LE(start + 4 * 2 * 200 * USEC + 3 * 3 * MSEC, now_ns());
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, line_read(self->fd[i], &event));
			EXPECT_EQ(4, event.count);
		}
		/* free again; EBUSY until then */
		while (burst_ioctl(self->fd[3], &(struct evpoll_source_burst){
				.fds = b.fds, .nr = 1, .repeat = 1, .cpu = -1 }))
			ASSERT_EQ(EBUSY, errno);
		ASSERT_EQ(0, line_read(self->fd[0], &event));
	}
}

/* A burst in flight: its lines may be closed, then the line it belongs to */
TEST_F(source, closed_in_flight)
{
	struct evpoll_source_burst b = {
		.nr = 8, .context = variant->context, .spacing_ns = 20 * USEC,
		.repeat = 1000000, .cpu = -1,
	};
	int on[8];

	if (variant->context == EVPOLL_SOURCE_PROCESS)
		SKIP(return, "the ioctl returns after the last event");
	b.fds = (uintptr_t)on;
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, lines_open(on, 8));
		b.cpu = i % (get_nprocs() + 1) - 1;
		b.spacing_ns = i & 4 ? 0 : 20 * USEC;
		b.pause_ns = 30 * USEC;
		ASSERT_EQ(0, burst_ioctl(on[i % 8], &b));
		EXPECT_ERRNO(EBUSY, burst_ioctl(on[i % 8], &b));
		ASSERT_TRUE(readable(on[7], SOON));
		lines_close(on, 8);
	}
}

/* @work_ns lies before each event; delays of the kernel are only about so long */
TEST_F(source, work)
{
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)self->fd, .nr = 4, .context = variant->context, .repeat = 1,
		.cpu = -1, .work_ns = EVPOLL_SOURCE_MAX_WORK_NS,
	};
	struct evpoll_source_event event;
	uint64_t before = 0;

	ASSERT_EQ(0, burst_ioctl(self->fd[4], &b));
	ASSERT_TRUE(readable(self->fd[3], SOON));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, line_read(self->fd[i], &event));
		EXPECT_LE(before + EVPOLL_SOURCE_MAX_WORK_NS / 2, event.first_ns);
		before = event.first_ns;
	}
}

/* errors, and nothing happens */
TEST_F(source, errors)
{
	struct evpoll_source_burst good = {
		.fds = (uintptr_t)self->fd, .nr = 4, .context = variant->context, .repeat = 1,
		.cpu = -1,
	}, b;
	int fds[4] = { self->fd[0], self->fd[1], -1, self->fd[3] };
	int p[2];

#define BAD(err, field, value) do {						\
	b = good;								\
	b.field = value;							\
	EXPECT_ERRNO(err, burst_ioctl(self->fd[4], &b));			\
} while (0)
	BAD(EINVAL, nr, 0);
	BAD(EINVAL, nr, EVPOLL_SOURCE_MAX_LINES + 1);
	BAD(EINVAL, repeat, 0);
	BAD(EINVAL, context, EVPOLL_SOURCE_CONTEXTS);
	BAD(EINVAL, context, ~0U);
	BAD(EINVAL, spacing_ns, EVPOLL_SOURCE_MAX_NS + 1ULL);
	BAD(EINVAL, pause_ns, ~0ULL);
	BAD(EINVAL, work_ns, EVPOLL_SOURCE_MAX_WORK_NS + 1ULL);
	BAD(EINVAL, cpu, -2);
	BAD(EINVAL, cpu, 1 << 30);
	BAD(EFAULT, fds, 8);
	BAD(EBADF, fds, (uintptr_t)fds);
	ASSERT_EQ(0, pipe(p));
	fds[2] = p[0];
	BAD(EBADF, fds, (uintptr_t)fds);
	EXPECT_ERRNO(EFAULT, ioctl(self->fd[4], EVPOLL_SOURCE_IOC_BURST, 8));
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd[4], EVPOLL_SOURCE_IOC_BURST + 1, &good));
	for (int i = 0; i < 4; i++)
		EXPECT_FALSE(readable(self->fd[i], 0));
}

/* Bursts of one line, one after the other, smaller, larger, from elsewhere, and some that fail */
TEST_F(source, again)
{
	static const int sizes[] = { 1, 3, LINES, 2, 64, LINES };
	const int contexts[] = { variant->context, EVPOLL_SOURCE_NAPI, EVPOLL_SOURCE_PROCESS,
				 variant->context, EVPOLL_SOURCE_SOFTIRQ };
	struct evpoll_source_event event;
	int fds[LINES];

	for (int i = 0; i < 60; i++) {
		int n = sizes[i % 6];

		memcpy(fds, self->fd, sizeof(fds));
		if (n > 2 && i % 4) {
			fds[n - 1] = -1;
			EXPECT_ERRNO(EBADF, burst(variant->context, fds, n));
			fds[n - 1] = self->fd[n - 1];
		}
		ASSERT_EQ(0, burst(contexts[i % 5], fds, n)) TH_LOG("%s", strerror(errno));
		for (int j = 0; j < n; j++) {
			ASSERT_TRUE(readable(fds[j], SOON)) TH_LOG("%d of %d, burst %d", j, n, i);
			ASSERT_EQ(0, line_read(fds[j], &event));
			EXPECT_EQ(1, event.count);
		}
		for (int j = 0; j < LINES; j++)
			EXPECT_FALSE(readable(fds[j], 0));
	}
}

TEST_HARNESS_MAIN
