// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batching of wakeups without a window: bursts from each context, the budget
 * of a NAPI poll, and EVPOLL_UNBATCHED. Windows are in moderation_window.c, min_wait_ns in
 * min_wait.c. epoll's figures stand beside as diagnostics; no rule says what they must be.
 */
#include "evpoll_burst.h"

#define NAPI_BUDGET 64

FIXTURE(moderation) {
	int ep;
	int fd[LINES];
	struct reader reader;
};

FIXTURE_VARIANT(moderation) {
	int context;
};

CONTEXT_VARIANTS(moderation);

FIXTURE_SETUP(moderation)
{
	self->ep = lines_setup(_metadata, variant->context, self->fd, LINES);
	if (self->ep < 0)
		return;
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, LINES, EPOLLIN | EPOLLET));
}

FIXTURE_TEARDOWN(moderation)
{
	lines_close(self->fd, LINES);
	close(self->ep);
}

/* epoll under the same burst, from the same context: for the log only */
static void epoll_beside(struct __test_metadata *_metadata, int context, int *fd, int n)
{
	int ep = ep_create(BY_EPOLL, O_CLOEXEC);
	struct evpoll_source_event event;
	struct reader r;

	for (int i = 0; i < n; i++)
		line_read(fd[i], &event);
	ASSERT_EQ(0, lines_add(BY_EPOLL, ep, fd, n, EPOLLIN | EPOLLET));
	ASSERT_TRUE(reader_start(&r, BY_EPOLL, ep, n));
	ASSERT_EQ(0, burst(context, fd, n));
	EXPECT_EQ(n, reader_join(&r));
	TH_LOG("epoll: %d events in %d waits, %ld context switches", n, r.waits, r.switches);
	close(ep);
}

/* 20 events come one by one, and each finds a sleeping reader. */
static void single_events(struct __test_metadata *_metadata, struct _test_data_moderation *self,
			  int context)
{
	for (int i = 0; i < 20; i++) {
		struct evpoll_source_event event;

		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, 1));
		ASSERT_EQ(0, burst(context, self->fd + i, 1));
		EXPECT_EQ(1, reader_join(&self->reader));
		EXPECT_EVENT(EPOLLIN, self->fd[i], self->reader.ev[0]);
		EXPECT_EQ(0, line_read(self->fd[i], &event));
		/* The turn of NAPI ends the burst, also with EVPOLL_EAGER. */
		if (context != EVPOLL_SOURCE_PROCESS)
			ASSERT_TRUE(counter_becomes(self->ep, offsetof(struct evpoll_stats, polls),
						    i + 1));
	}
}

/* Which path flushes the events of each context */
TEST_F(moderation, path)
{
	struct evpoll_stats after;

	single_events(_metadata, self, variant->context);
	after = stats_of(self->ep);
	EXPECT_EQ(20, after.callbacks);
	EXPECT_EQ(20, after.queued);
	EXPECT_EQ(20, after.delivered);
	EXPECT_EQ(20, after.wakeups);
	EXPECT_EQ(0, after.timer_flushes);
	EXPECT_EQ(0, after.exhausted);
	if (variant->context == EVPOLL_SOURCE_PROCESS) {
		EXPECT_EQ(20, after.inline_flushes);
		EXPECT_EQ(0, after.polls);
	} else {
		EXPECT_EQ(0, after.inline_flushes);
		EXPECT_EQ(20, after.polls);
	}
}

/* A reader gets all events of three bursts from @context, each once. */
static void three_bursts(struct __test_metadata *_metadata, struct _test_data_moderation *self,
			 int context)
{
	for (int round = 0; round < 3; round++) {
		struct evpoll_source_event event;

		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, LINES));
		ASSERT_EQ(0, burst(context, self->fd, LINES));
		EXPECT_EQ(LINES, reader_join(&self->reader));
		for (int i = 0; i < LINES; i++)
			EXPECT_EQ(0, line_read(self->fd[i], &event));
	}
}

/* From any context all events of a burst reach the reader, each once */
TEST_F(moderation, all_delivered)
{
	three_bursts(_metadata, self, variant->context);
	EXPECT_EQ(3 * LINES, stats_of(self->ep).delivered);
	EXPECT_GE(3 * LINES, stats_of(self->ep).wakeups);
}

/* EVPOLL_UNBATCHED is the classic path: no pending list, no NAPI, no window */
TEST_F(moderation, unbatched)
{
	struct evpoll_params params = {
		.flags = EVPOLL_UNBATCHED, .coalesce_usecs = 1000000,
	};
	struct evpoll_stats stats;

	ASSERT_EQ(0, set_params(self->ep, &params));
	three_bursts(_metadata, self, variant->context);
	stats = stats_of(self->ep);
	EXPECT_EQ(3 * LINES, stats.callbacks);
	EXPECT_EQ(3 * LINES, stats.queued);
	EXPECT_EQ(3 * LINES, stats.delivered);
	EXPECT_LE(3, stats.wakeups);
	EXPECT_EQ(0, stats.polls);
	EXPECT_EQ(0, stats.inline_flushes);
	EXPECT_EQ(0, stats.timer_flushes);
	TH_LOG("unbatched: %d events in %llu wakeups", 3 * LINES, stats.wakeups);
	epoll_beside(_metadata, variant->context, self->fd, LINES);
}

/* EVPOLL_EAGER: the wake callback of an event that comes alone wakes the reader */
TEST_F(moderation, eager_single)
{
	struct evpoll_params params = { .flags = EVPOLL_EAGER };
	struct evpoll_stats after;

	ASSERT_EQ(0, set_params(self->ep, &params));
	single_events(_metadata, self, variant->context);
	after = stats_of(self->ep);
	EXPECT_EQ(20, after.queued);
	EXPECT_EQ(20, after.wakeups);
	EXPECT_EQ(20, after.inline_flushes);
}

/*
 * EVPOLL_EAGER: the first event of a burst wakes, and then the turns of NAPI do. A turn moves 64
 * events, and on a slow machine NAPI may run in the middle of a burst.
 */
TEST_F(moderation, eager_burst)
{
	struct evpoll_params params = { .flags = EVPOLL_EAGER };
	struct evpoll_stats stats;

	ASSERT_EQ(0, set_params(self->ep, &params));
	three_bursts(_metadata, self, variant->context);
	stats = stats_of(self->ep);
	EXPECT_EQ(3 * LINES, stats.delivered);
	TH_LOG("eager: %d events in %llu wakeups", 3 * LINES, stats.wakeups);
	if (variant->context != EVPOLL_SOURCE_PROCESS) {
		EXPECT_GE(stats.polls + 1, stats.inline_flushes);
		EXPECT_GE(stats.inline_flushes + stats.polls, stats.wakeups);
	}
}

/* Back and forth under a load, nothing is lost */
TEST_F(moderation, changed_under_load)
{
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)(self->fd + 1), .nr = 8, .context = variant->context,
		.spacing_ns = 50 * USEC, .pause_ns = 50 * USEC, .repeat = 250, .cpu = -1,
	};
	struct evpoll_source_event event;
	struct epoll_event ev[8];
	uint64_t events = 0;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(burst_ioctl(self->fd[0], &b) ? 1 : 0);
	for (int i = 0; events < 2000; i++) {
		struct evpoll_params params = {
			.flags = (i % 5 == 1 ? EVPOLL_UNBATCHED : 0) |
				 (i % 5 == 2 ? EVPOLL_ADAPTIVE : 0) |
				 (i % 4 == 1 ? EVPOLL_EAGER : 0) | (i % 6 == 1 ? EVPOLL_FIFO : 0),
			.budget = i % 64 + 1,
			.coalesce_usecs = i % 3 ? i % 300 : 0,
			.coalesce_events = i % 7,
		};
		int n;

		ASSERT_EQ(0, set_params(self->ep, &params));
		n = ep_wait_woken(BY_WAIT, self->ep, ev, 8);
		ASSERT_LT(0, n) TH_LOG("stuck at %llu", (unsigned long long)events);
		for (int k = 0; k < n; k++)
			if (!line_read(ev[k].data.fd, &event))
				events += event.count;
	}
	EXPECT_EQ(2000, events);
	EXPECT_EQ(0, reap(pid));
}

/*
 * The polls, exactly, where no reader is awake to take part: this task keeps the CPU. A budget is
 * NAPI's, so that in process context it changes nothing.
 */
TEST_F(moderation, budget)
{
	static const unsigned int budgets[] = { 64, 8, 1, 32 };

	for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
		bool napi = variant->context != EVPOLL_SOURCE_PROCESS;
		unsigned int exhausted = napi ? NAPI_BUDGET / budgets[i] : 0;
		struct evpoll_params params = { .budget = budgets[i] };
		struct evpoll_stats before, after;
		struct evpoll_source_event event;
		long long end = now_ms() + SOON;

		ASSERT_EQ(0, set_params(self->ep, &params));
		before = stats_of(self->ep);
		ASSERT_EQ(0, burst(variant->context, self->fd, NAPI_BUDGET));
		do {
			after = stats_of(self->ep);
		} while (after.polls - before.polls < exhausted + napi && now_ms() < end);
		EXPECT_EQ(exhausted + napi, after.polls - before.polls);
		EXPECT_EQ(exhausted, after.exhausted - before.exhausted);
		EXPECT_EQ(napi ? 0 : NAPI_BUDGET, after.inline_flushes - before.inline_flushes);
		EXPECT_EQ(0, after.wakeups - before.wakeups);
		EXPECT_EQ(NAPI_BUDGET, ep_wait(BY_WAIT, self->ep, self->reader.ev, LINES, 0));
		for (int k = 0; k < NAPI_BUDGET; k++)
			EXPECT_EQ(0, line_read(self->fd[k], &event));
	}
}

/* EVPOLL_LATENCY: from the callback, wherever it ran, to the delivery */
TEST_F(moderation, latency)
{
	struct evpoll_params params = { .flags = EVPOLL_LATENCY };
	struct evpoll_stats stats;

	ASSERT_EQ(0, set_params(self->ep, &params));
	ASSERT_EQ(0, burst(variant->context, self->fd, 8));
	ASSERT_TRUE(queued_become(self->ep, 8));
	usleep(20000);
	EXPECT_EQ(8, ep_wait(BY_WAIT, self->ep, self->reader.ev, LINES, 0));
	stats = stats_of(self->ep);
	EXPECT_EQ(8, slots(&stats, 0, EVPOLL_LATENCY_SLOTS));
	/* 2^24 ns are 17 ms */
	EXPECT_EQ(8, slots(&stats, 24, EVPOLL_LATENCY_SLOTS));
}

FIXTURE(napi) {
	int ep;
	int fd[LINES];
	struct reader reader;
	_Atomic bool stop;
	pthread_t busy;
};

FIXTURE_SETUP(napi)
{
	self->ep = lines_setup(_metadata, EVPOLL_SOURCE_NAPI, self->fd, LINES);
	if (self->ep < 0)
		return;
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->fd, LINES, EPOLLIN | EPOLLET));
}

FIXTURE_TEARDOWN(napi)
{
	lines_close(self->fd, LINES);
	close(self->ep);
}

static int one_cpu(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return pthread_setaffinity_np(thread, sizeof(set), &set);
}

static void *spinning(void *stop)
{
	while (!*(_Atomic bool *)stop)
		;
	return NULL;
}

/*
 * Counts wakeups for a burst of @nr on @cpu. Not waits: a reader that is awake takes what is
 * pending without a wakeup, in as many waits as it comes to make.
 */
static void napi_burst(struct __test_metadata *_metadata, struct _test_data_napi *self, int nr,
		       int cpu, uint64_t max_wakeups)
{
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)self->fd, .nr = nr, .context = EVPOLL_SOURCE_NAPI,
		.repeat = 1, .cpu = cpu,
	};
	struct evpoll_stats before = stats_of(self->ep), after;
	struct evpoll_source_event event;

	ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->ep, nr));
	ASSERT_EQ(0, burst_ioctl(self->fd[LINES - 1], &b));
	EXPECT_EQ(nr, reader_join(&self->reader));
	after = stats_of(self->ep);
	EXPECT_EQ(nr, after.delivered - before.delivered);
	EXPECT_LE(1, after.wakeups - before.wakeups);
	EXPECT_GE(max_wakeups, after.wakeups - before.wakeups);
	/* there a lock may sleep too */
	if (access("/sys/kernel/realtime", F_OK)) {
		EXPECT_GE((long)max_wakeups, self->reader.switches);
	}
	EXPECT_EQ(0, after.inline_flushes - before.inline_flushes);
	for (int i = 0; i < nr; i++)
		EXPECT_EQ(0, line_read(self->fd[i], &event));
	/* the burst's last poll, before the next burst may come */
	while (burst(EVPOLL_SOURCE_PROCESS, self->fd + LINES - 1, 1))
		;
	line_read(self->fd[LINES - 1], &event);
	while (ep_wait(BY_WAIT, self->ep, self->reader.ev, 1, 0))
		;
}

/* A burst of 64 is one wakeup, on either CPU */
TEST_F(napi, one_wakeup)
{
	for (int i = 0; i < 20; i++)
		napi_burst(_metadata, self, NAPI_BUDGET, i % get_nprocs(), 1);
	epoll_beside(_metadata, EVPOLL_SOURCE_NAPI, self->fd, NAPI_BUDGET);
}

/* The same "at any load of the other CPU": it spins; reader and this task are where they like */
TEST_F(napi, one_wakeup_other_cpu_busy)
{
	if (get_nprocs() < 2)
		SKIP(return, "one CPU");
	for (int cpu = 0; cpu < 2; cpu++) {
		self->stop = false;
		ASSERT_EQ(0, pthread_create(&self->busy, NULL, spinning, (void *)&self->stop));
		ASSERT_EQ(0, one_cpu(self->busy, !cpu));
		for (int i = 0; i < 10; i++)
			napi_burst(_metadata, self, NAPI_BUDGET, cpu, 1);
		self->stop = true;
		pthread_join(self->busy, NULL);
	}
}

/* The same with both busy */
TEST_F(napi, one_wakeup_both_busy)
{
	pthread_t busy[2];
	int cpus = get_nprocs() < 2 ? 1 : 2;

	self->stop = false;
	for (int cpu = 0; cpu < cpus; cpu++) {
		ASSERT_EQ(0, pthread_create(&busy[cpu], NULL, spinning, (void *)&self->stop));
		ASSERT_EQ(0, one_cpu(busy[cpu], cpu));
	}
	for (int i = 0; i < 10; i++)
		napi_burst(_metadata, self, NAPI_BUDGET, i % get_nprocs(), 1);
	self->stop = true;
	for (int cpu = 0; cpu < cpus; cpu++)
		pthread_join(busy[cpu], NULL);
}

/* A burst of more takes a poll for each 64, of the source and of evpoll */
TEST_F(napi, one_wakeup_a_poll)
{
	for (int i = 0; i < 10; i++)
		napi_burst(_metadata, self, LINES - 1, i % get_nprocs(), 4);
}

/* struct evpoll_params: @budget items a poll */
TEST_F(napi, budget)
{
	static const unsigned int budgets[] = { 64, 8, 1, 0, 32 };

	for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
		struct evpoll_params params = { .budget = budgets[i] }, now;
		unsigned int budget = budgets[i] ?: NAPI_BUDGET;
		struct evpoll_stats before, after;

		ASSERT_EQ(0, set_params(self->ep, &params));
		ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &now));
		EXPECT_EQ(budget, now.budget);
		before = stats_of(self->ep);
		napi_burst(_metadata, self, NAPI_BUDGET, -1, NAPI_BUDGET / budget + 1);
		after = stats_of(self->ep);
		/* a reader that is awake may flush the rest itself: then there are fewer */
		EXPECT_LE(1, after.polls - before.polls);
		EXPECT_GE(NAPI_BUDGET / budget + 1, after.polls - before.polls);
		EXPECT_GE(NAPI_BUDGET / budget, after.exhausted - before.exhausted);
	}
}

/* struct evpoll_params: out of range is EINVAL, and nothing is changed */
TEST_F(napi, params_out_of_range)
{
	struct evpoll_params good = {
		.read_timeout_ns = 5, .flags = EVPOLL_LATENCY | EVPOLL_ADAPTIVE, .budget = 7,
		.coalesce_usecs = 9, .coalesce_events = 11,
	}, bad, now;

	ASSERT_EQ(0, set_params(self->ep, &good));
#define REFUSED(field, value) do {						\
	bad = good;								\
	bad.read_timeout_ns = 1;						\
	bad.field = value;							\
	EXPECT_ERRNO(EINVAL, set_params(self->ep, &bad));			\
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &now));		\
	EXPECT_EQ(0, memcmp(&good, &now, sizeof(now)));				\
} while (0)
	REFUSED(budget, 65);
	REFUSED(budget, ~0U);
	REFUSED(coalesce_usecs, 1000001);
	REFUSED(coalesce_usecs, ~0U);
	REFUSED(coalesce_events, 1U << 31);
	REFUSED(coalesce_events, ~0U);
	REFUSED(flags, 32);
	REFUSED(flags, 1U << 31);
	REFUSED(read_timeout_ns, 1ULL << 63);
	REFUSED(read_timeout_ns, ~0ULL);
	/* the ends of the ranges */
	good = (struct evpoll_params){
		.read_timeout_ns = INT64_MAX, .flags = 31, .budget = 64,
		.coalesce_usecs = 1000000, .coalesce_events = INT32_MAX,
	};
	EXPECT_EQ(0, set_params(self->ep, &good));
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &now));
	EXPECT_EQ(0, memcmp(&good, &now, sizeof(now)));
}

TEST_HARNESS_MAIN
