// SPDX-License-Identifier: GPL-2.0-only
/*
 * The close hook beside other users of ftrace: switched off by sysctl, and
 * traced by the function tracer, the graph tracer and a kprobe. Closes are seen all the time.
 */
#include "evpoll_util.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#define ENABLED "/proc/sys/kernel/ftrace_enabled"
#define TRACING "/sys/kernel/tracing/"

/* The function that is hooked: see module/close.c */
#define HOOKED "locks_remove_file"

FIXTURE(hook) {
	int ep;
};

FIXTURE_VARIANT(hook) {
	enum mechanism by;
};

FIXTURE_VARIANT_ADD(hook, epoll) { .by = BY_EPOLL };
FIXTURE_VARIANT_ADD(hook, wait) { .by = BY_WAIT };

FIXTURE_SETUP(hook)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
}

/* In the parent, so that tracing is off after a failure too. */
FIXTURE_TEARDOWN_PARENT(hook)
{
	write_file(ENABLED, "1");
	if (access(TRACING "current_tracer", W_OK))
		return;
	write_file(TRACING "current_tracer", "nop");
	write_file(TRACING "set_ftrace_filter", "\n");
	if (!access(TRACING "events/evpoll_test/enable", W_OK))
		write_file(TRACING "events/evpoll_test/enable", "0");
	write_file(TRACING "kprobe_events", "-:evpoll_test/fput");
	write_file(TRACING "trace", "\n");
	write_file(TRACING "tracing_on", "1");
}

/* How many of @n watched files are not removed by their close; -1 when they cannot be added. */
static int missed(enum mechanism by, int ep, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++) {
		int e = eventfd(1, 0);

		if (ep_add(by, ep, e, EPOLLIN))
			return -1;
		close(e);
		left += ep_items(ep) != 0;
	}
	return left;
}

/* FTRACE_OPS_FL_PERMANENT: writing 0 is refused (EBUSY; EOPNOTSUPP in 7.3) or has no effect */
TEST_F(hook, ftrace_disabled)
{
	if (access(ENABLED, W_OK))
		SKIP(return, ENABLED ": %s", strerror(errno));
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));
	if (write_file(ENABLED, "0")) {
		EXPECT_TRUE(errno == EBUSY || errno == EOPNOTSUPP);
		EXPECT_EQ(1, number_in(ENABLED));
	}
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));
	EXPECT_EQ(0, write_file(ENABLED, "1"));
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));
}

/* True when what the trace buffer has mentions the function. */
static bool traced(void)
{
	char line[512];
	bool found = false;
	FILE *f = fopen(TRACING "trace", "r");

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = line[0] != '#' && strstr(line, HOOKED);
	fclose(f);
	return found;
}

static bool has_tracer(const char *name)
{
	char all[512] = "";
	int fd = open(TRACING "available_tracers", O_RDONLY);
	ssize_t n = read(fd, all, sizeof(all) - 1);

	close(fd);
	return n > 0 && strstr(all, name);
}

#define EXPECT_SEEN_BESIDE(tracer) do {						\
	if (!has_tracer(tracer))						\
		SKIP(return, TRACING "available_tracers: no " tracer);		\
	ASSERT_EQ(0, write_file(TRACING "set_ftrace_filter", HOOKED));		\
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));			\
	ASSERT_EQ(0, write_file(TRACING "current_tracer", tracer));		\
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));			\
	EXPECT_TRUE(traced());							\
	ASSERT_EQ(0, write_file(TRACING "current_tracer", "nop"));		\
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));			\
} while (0)

/* Both are called, and the hook stays when the tracer goes */
TEST_F(hook, function_tracer)
{
	EXPECT_SEEN_BESIDE("function");
}

/* The same beside the tracer that replaces return addresses */
TEST_F(hook, graph_tracer)
{
	EXPECT_SEEN_BESIDE("function_graph");
}

/* A kprobe at the function's entry uses ftrace too */
TEST_F(hook, kprobe)
{
	if (access(TRACING "kprobe_events", W_OK))
		SKIP(return, TRACING "kprobe_events: %s", strerror(errno));
	if (write_file(TRACING "kprobe_events", "p:evpoll_test/fput " HOOKED))
		SKIP(return, "kprobe on " HOOKED ": %s", strerror(errno));
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));
	ASSERT_EQ(0, write_file(TRACING "events/evpoll_test/enable", "1"));
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));
	EXPECT_TRUE(traced());
	ASSERT_EQ(0, write_file(TRACING "events/evpoll_test/enable", "0"));
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));
	EXPECT_EQ(0, write_file(TRACING "kprobe_events", "-:evpoll_test/fput"));
	EXPECT_EQ(0, missed(variant->by, self->ep, 20));
}

struct closer {
	enum mechanism by;
	int ep;
	_Atomic bool stop;
	_Atomic int missed;
	_Atomic int closed;
};

static void *closing(void *arg)
{
	struct closer *c = arg;

	while (!c->stop) {
		int n = missed(c->by, c->ep, 1);

		c->missed += n != 0;
		c->closed++;
	}
	return NULL;
}

/* While the call site is patched, over and over, no close is missed */
TEST_F(hook, tracer_switched_under_closes)
{
	struct closer c = { .by = variant->by, .ep = self->ep };
	pthread_t thread;

	if (!has_tracer("function"))
		SKIP(return, TRACING "available_tracers: no function");
	ASSERT_EQ(0, write_file(TRACING "set_ftrace_filter", HOOKED));
	ASSERT_EQ(0, pthread_create(&thread, NULL, closing, &c));
	for (int i = 0; i < 5; i++) {
		int seen = c.closed;

		EXPECT_EQ(0, write_file(TRACING "current_tracer", "function"));
		while (c.closed < seen + 20)
			sched_yield();
		EXPECT_EQ(0, write_file(TRACING "current_tracer", "nop"));
	}
	c.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, c.missed);
	EXPECT_LE(100, c.closed);
}

#define CONTENDED_CLOSES 1000

static void *closing_contended(void *arg)
{
	struct closer *c = arg;

	for (int i = 0; i < CONTENDED_CLOSES; i++) {
		int e = eventfd(1, 0);

		c->missed += ep_add(c->by, c->ep, e, EPOLLIN) != 0;
		close(e);
		c->closed++;
	}
	return NULL;
}

/* ftrace calls several hooks with preemption off, but on PREEMPT_RT ours may sleep for a lock */
TEST_F(hook, contended_beside_tracer)
{
	struct closer c = { .by = variant->by, .ep = self->ep };
	pthread_t thread[4];

	if (!has_tracer("function"))
		SKIP(return, TRACING "available_tracers: no function");
	ASSERT_EQ(0, write_file(TRACING "set_ftrace_filter", HOOKED));
	ASSERT_EQ(0, write_file(TRACING "current_tracer", "function"));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, closing_contended, &c));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, c.missed);
	EXPECT_EQ(4 * CONTENDED_CLOSES, c.closed);
	EXPECT_EQ(0, ep_items(self->ep));
	ASSERT_EQ(0, write_file(TRACING "current_tracer", "nop"));
}

TEST_HARNESS_MAIN
