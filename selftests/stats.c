// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an instance says of itself: EVPOLL_IOC_GET_STATS, fdinfo, debugfs; and the parameters of the
 * module, which are what a new instance has.
 */
#include "evpoll_burst.h"

#define PARAMETERS "/sys/module/evpoll/parameters/"
#define DEBUGFS "/sys/kernel/debug/evpoll/instances"

FIXTURE(stats) {
	int ep;
	int fd[4];
	struct epoll_event ev[8];
};

FIXTURE_SETUP(stats)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	for (int i = 0; i < 4; i++) {
		self->fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		ASSERT_LE(0, self->fd[i]);
	}
}

FIXTURE_TEARDOWN(stats)
{
	lines_close(self->fd, 4);
	close(self->ep);
}

static int unpoke(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? 0 : -1;
}

/* Each counter, for a sequence in which each step is known. eventfd wakes in process context. */
TEST_F(stats, counted)
{
	struct evpoll_stats s = stats_of(self->ep), zero = {};
	atomic_int returned = 0;
	struct worker w;

	EXPECT_EQ(0, memcmp(&s, &zero, sizeof(s)));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[1], EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[2], EPOLLPRI));

	/* twice the same item, another one, and one whose mask does not have it */
	ASSERT_EQ(0, poke(self->fd[0]));
	ASSERT_EQ(0, poke(self->fd[0]));
	ASSERT_EQ(0, poke(self->fd[1]));
	ASSERT_EQ(0, poke(self->fd[2]));
	s = stats_of(self->ep);
	EXPECT_EQ(3, s.callbacks);
	EXPECT_EQ(2, s.queued);
	EXPECT_EQ(2, s.inline_flushes);
	EXPECT_EQ(0, s.wakeups);
	EXPECT_EQ(0, s.reads);

	EXPECT_EQ(2, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	s = stats_of(self->ep);
	EXPECT_EQ(1, s.reads);
	EXPECT_EQ(2, s.delivered);
	EXPECT_EQ(0, s.spurious);

	/* the wait polls the level-triggered item again, which is no longer ready */
	ASSERT_EQ(0, unpoke(self->fd[1]));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	s = stats_of(self->ep);
	EXPECT_EQ(2, s.reads);
	EXPECT_EQ(2, s.delivered);
	EXPECT_EQ(1, s.spurious);
	/* no item to poll, so no scan */
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	EXPECT_EQ(2, stats_of(self->ep).reads);

	/* a waiter that sleeps */
	ASSERT_TRUE(worker_start(&w, BY_WAIT, self->ep, 4, SOON, &returned));
	ASSERT_EQ(0, poke(self->fd[1]));
	pthread_join(w.thread, NULL);
	EXPECT_EQ(1, w.n);
	s = stats_of(self->ep);
	EXPECT_EQ(4, s.callbacks);
	EXPECT_EQ(3, s.queued);
	EXPECT_EQ(3, s.inline_flushes);
	EXPECT_EQ(1, s.wakeups);
	EXPECT_EQ(3, s.reads);
	EXPECT_EQ(3, s.delivered);
	EXPECT_EQ(1, s.spurious);
	EXPECT_EQ(0, s.polls);
	EXPECT_EQ(0, s.exhausted);
	EXPECT_EQ(0, s.timer_flushes);
	for (int i = 0; i < EVPOLL_LATENCY_SLOTS; i++)
		EXPECT_EQ(0, s.latency[i]);
}

/* EVPOLL_LATENCY: one count for each event that a callback brought, by its time */
TEST_F(stats, latency)
{
	struct evpoll_params params = { .flags = EVPOLL_LATENCY };
	struct evpoll_stats s;

	ASSERT_EQ(0, set_params(self->ep, &params));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[1], EPOLLIN | EPOLLET));
	ASSERT_EQ(0, poke(self->fd[0]));
	ASSERT_EQ(0, poke(self->fd[1]));
	usleep(20000);
	EXPECT_EQ(2, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	s = stats_of(self->ep);
	EXPECT_EQ(2, slots(&s, 0, EVPOLL_LATENCY_SLOTS));
	/* 2^24 ns are 17 ms */
	EXPECT_EQ(2, slots(&s, 24, EVPOLL_LATENCY_SLOTS));

	/* the level that still holds has no callback */
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	s = stats_of(self->ep);
	EXPECT_EQ(3, s.delivered);
	EXPECT_EQ(2, slots(&s, 0, EVPOLL_LATENCY_SLOTS));

	/* what ADD and MOD find has no callback either */
	ASSERT_EQ(0, poke(self->fd[2]));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[2], EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->fd[1], EPOLLIN | EPOLLET));
	EXPECT_EQ(3, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	s = stats_of(self->ep);
	EXPECT_EQ(6, s.delivered);
	EXPECT_EQ(2, slots(&s, 0, EVPOLL_LATENCY_SLOTS));

	/* off again */
	ASSERT_EQ(0, unpoke(self->fd[0]));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	ASSERT_EQ(0, set_params(self->ep, &(struct evpoll_params){}));
	ASSERT_EQ(0, poke(self->fd[0]));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	s = stats_of(self->ep);
	EXPECT_EQ(2, slots(&s, 0, EVPOLL_LATENCY_SLOTS));
}

/* The time of an event is its own: not that of one before it, which was not delivered */
TEST_F(stats, latency_of_the_event)
{
	struct evpoll_params params = { .flags = EVPOLL_LATENCY };
	struct evpoll_stats s;

	ASSERT_EQ(0, set_params(self->ep, &params));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN));
	/* the event is gone before the wait */
	ASSERT_EQ(0, poke(self->fd[0]));
	ASSERT_EQ(0, unpoke(self->fd[0]));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	EXPECT_EQ(1, stats_of(self->ep).spurious);
	/* noted while off: none */
	ASSERT_EQ(0, set_params(self->ep, &(struct evpoll_params){}));
	ASSERT_EQ(0, poke(self->fd[0]));
	usleep(20000);
	ASSERT_EQ(0, set_params(self->ep, &params));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	s = stats_of(self->ep);
	EXPECT_EQ(0, slots(&s, 24, EVPOLL_LATENCY_SLOTS));
}

/* A program that is newer or older than the module: "a field that the kernel does not know" */
TEST_F(stats, sizes)
{
	struct {
		struct evpoll_stats stats;
		uint64_t more[4];
		uint64_t guard;
	} s;
#define STATS_OF_SIZE(size) _IOC(_IOC_READ, EVPOLL_IOC_MAGIC, 4, size)
#define FIRST_SIZE offsetof(struct evpoll_stats, published)

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN));
	ASSERT_EQ(0, poke(self->fd[0]));
	memset(&s, 0xff, sizeof(s));
	EXPECT_EQ(0, ioctl(self->ep, STATS_OF_SIZE(sizeof(s.stats) + sizeof(s.more)), &s));
	EXPECT_EQ(1, s.stats.callbacks);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, s.more[i]);
	EXPECT_EQ(~0ULL, s.guard);
	/* The first version ended with the histogram. An older program gets what it knows. */
	memset(&s, 0xff, sizeof(s));
	EXPECT_EQ(0, ioctl(self->ep, STATS_OF_SIZE(FIRST_SIZE), &s));
	EXPECT_EQ(1, s.stats.callbacks);
	EXPECT_EQ(~0ULL, s.stats.published);
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, STATS_OF_SIZE(FIRST_SIZE - 8), &s));
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, STATS_OF_SIZE(0), &s));
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_GET_STATS, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_GET_STATS, 8));
}

/* The counter in a line "name: value", after the line @after (or "") of a file; -1 without. */
static long long counter_in(const char *path, const char *after, const char *name)
{
	bool here = !after[0];
	long long value = -1;
	char line[256];
	FILE *f = fopen(path, "r");

	while (f && value < 0 && fgets(line, sizeof(line), f)) {
		if (!here)
			here = !strncmp(line, after, strlen(after));
		else if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = atoll(line + strlen(name) + 1);
		else if (after[0] && line[0] == '\n')
			here = false;
	}
	if (f)
		fclose(f);
	return value;
}

static const char *const names[] = {
	"callbacks", "queued", "polls", "exhausted", "inline_flushes", "timer_flushes",
	"wakeups", "reads", "delivered", "spurious",
};

/* The counters are in fdinfo too */
TEST_F(stats, fdinfo)
{
	struct evpoll_stats s;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->ep);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, poke(self->fd[0]));
		EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 8, 0));
	}
	s = stats_of(self->ep);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ((long long)((__u64 *)&s)[i], counter_in(path, "", names[i]));
	}
}

/* debugfs shows the counters of all instances, from open to close */
TEST_F(stats, debugfs)
{
	struct evpoll_stats s;
	char comm[16], head[64];

	if (access(DEBUGFS, R_OK))
		SKIP(return, "no " DEBUGFS);
	/* the name at open, which no other process here has */
	snprintf(comm, sizeof(comm), "evp%d", getpid());
	ASSERT_EQ(0, pthread_setname_np(pthread_self(), comm));
	snprintf(head, sizeof(head), "instance: %d %s\n", getpid(), comm);
	EXPECT_EQ(-1, counter_in(DEBUGFS, head, "callbacks"));
	close(self->ep);
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	EXPECT_EQ(0, counter_in(DEBUGFS, head, "callbacks"));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN));
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, poke(self->fd[0]));
	s = stats_of(self->ep);
	EXPECT_EQ(5, s.callbacks);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ((long long)((__u64 *)&s)[i], counter_in(DEBUGFS, head, names[i]));
	}
	close(self->ep);
	EXPECT_EQ(-1, counter_in(DEBUGFS, head, "callbacks"));
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
}

/* debugfs names no process by a number that may belong to another one by now */
TEST_F(stats, debugfs_of_a_process_that_ended)
{
	char comm[16], head[64];
	int s[2], ep;
	pid_t pid;

	if (access(DEBUGFS, R_OK))
		SKIP(return, "no " DEBUGFS);
	snprintf(comm, sizeof(comm), "old%d", getpid());
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		pthread_setname_np(pthread_self(), comm);
		ep = ep_create(BY_WAIT, O_CLOEXEC);
		send_fd(s[0], ep);
		/* until the parent has looked */
		read(s[0], comm, 1);
		_exit(0);
	}
	ep = recv_fd(s[1]);
	ASSERT_LE(0, ep);
	snprintf(head, sizeof(head), "instance: %d %s\n", pid, comm);
	EXPECT_EQ(0, counter_in(DEBUGFS, head, "callbacks"));
	ASSERT_EQ(0, put_byte(s[1]));
	ASSERT_EQ(0, reap(pid));
	EXPECT_EQ(-1, counter_in(DEBUGFS, head, "callbacks"));
	snprintf(head, sizeof(head), "instance: 0 %s\n", comm);
	EXPECT_EQ(0, counter_in(DEBUGFS, head, "callbacks"));
	close(ep);
}

/* Module parameters: what a new instance has; open ones keep theirs. Put back afterwards. */
FIXTURE(parameters) {
	char before[4][32];
};

static const struct {
	const char *path;
	const char *value;
	const char *bad[6];
} parameters[] = {
	{ PARAMETERS "budget", "17\n", { "0", "65", "-1", "x", "4294967297" } },
	{ PARAMETERS "coalesce_usecs", "1000000\n", { "1000001", "-1", "4294967296" } },
	{ PARAMETERS "coalesce_events", "123\n", { "2147483648", "-1", "1x" } },
	{ PARAMETERS "flags", "6\n", { "32", "-1", "4294967295" } },
};

static int text_of(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, size - 1);

	close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return n < 0 ? -1 : 0;
}

FIXTURE_SETUP(parameters)
{
	if (access(PARAMETERS "budget", W_OK))
		SKIP(return, PARAMETERS " cannot be written");
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		ASSERT_EQ(0, text_of(parameters[i].path, self->before[i],
				     sizeof(self->before[i])));
}

/* In the parent, so that they are put back whatever happened. */
FIXTURE_TEARDOWN_PARENT(parameters)
{
	if (access(PARAMETERS "budget", W_OK))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		EXPECT_EQ(0, write_file(parameters[i].path, self->before[i]));
}

/* The module parameters give the defaults */
TEST_F(parameters, defaults)
{
	int before = ep_create(BY_WAIT, O_CLOEXEC), ep;
	struct evpoll_params params, as_loaded;

	ASSERT_EQ(0, ioctl(before, EVPOLL_IOC_GET_PARAMS, &as_loaded));
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++)
		ASSERT_EQ(0, write_file(parameters[i].path, parameters[i].value));
	ASSERT_EQ(0, ioctl(before, EVPOLL_IOC_GET_PARAMS, &params));
	EXPECT_EQ(0, memcmp(&params, &as_loaded, sizeof(params)));
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, ioctl(ep, EVPOLL_IOC_GET_PARAMS, &params));
	EXPECT_EQ(0, params.read_timeout_ns);
	EXPECT_EQ(17, params.budget);
	EXPECT_EQ(1000000, params.coalesce_usecs);
	EXPECT_EQ(123, params.coalesce_events);
	EXPECT_EQ(EVPOLL_ADAPTIVE | EVPOLL_LATENCY, params.flags);
	close(ep);
	close(before);
}

/* Values out of range are EINVAL, and the value before stays */
TEST_F(parameters, out_of_range)
{
	char now[32];

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		for (int k = 0; parameters[i].bad[k]; k++) {
			errno = 0;
			EXPECT_EQ(-1, write_file(parameters[i].path, parameters[i].bad[k]));
			EXPECT_TRUE(errno == EINVAL || errno == ERANGE);
			ASSERT_EQ(0, text_of(parameters[i].path, now, sizeof(now)));
			EXPECT_STREQ(self->before[i], now);
		}
	}
}

TEST_HARNESS_MAIN
