// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tasks that wait or change the set while they freeze: by the freezer of cgroups, and by a suspend
 * of the machine. One test suspends the machine for some seconds.
 */
#include "evpoll_threads.h"

#include <sys/stat.h>

#define CHANGES 100000
#define TIMEOUT 1000		/* ms */

/* What a child and the test share */
struct shared {
	struct evpoll_ctl change[CHANGES];
	struct evpoll_ctlv arg;
	struct epoll_event ev;
	int ret;		/* of the last wait */
	atomic_int interrupted;	/* number of calls that EINTR has ended */
	_Atomic bool stop;
};

FIXTURE(freeze) {
	struct shared *shared;
	char group[64];
	int events;		/* cgroup.events */
	int ep;
	int fd;			/* an eventfd, watched */
	pid_t pid;
};

FIXTURE_VARIANT(freeze) {
	enum mechanism by;
};

EP_VARIANTS(freeze);

/* Writes @text to the file @name of the cgroup. */
static int group_write(const char *group, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return write_file(path, text);
}

FIXTURE_SETUP(freeze)
{
	char path[128];

	snprintf(self->group, sizeof(self->group), "/sys/fs/cgroup/evpoll-%d", getpid());
	snprintf(path, sizeof(path), "%s/cgroup.freeze", self->group);
	if (mkdir(self->group, 0755) || access(path, W_OK))
		SKIP(return, "%s: %s (cgroup v1, or no CONFIG_CGROUPS?)", path, strerror(errno));
	snprintf(path, sizeof(path), "%s/cgroup.events", self->group);
	self->events = open(path, O_RDONLY | O_CLOEXEC);
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN, 1));
}

FIXTURE_TEARDOWN(freeze)
{
	group_write(self->group, "cgroup.freeze", "0");
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	close(self->fd);
	close(self->ep);
	close(self->events);
	rmdir(self->group);
}

/* Puts the child into the cgroup. */
static int group_add(const char *group, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return group_write(group, "cgroup.procs", text);
}

/* Freezes or thaws the cgroup. True once that is done. */
static bool group_freeze(const char *group, int events, bool on)
{
	struct pollfd pfd = { .fd = events, .events = POLLPRI };
	const char *want = on ? "frozen 1" : "frozen 0";
	char text[128];
	ssize_t n;

	if (group_write(group, "cgroup.freeze", on ? "1" : "0"))
		return false;
	do {
		n = pread(events, text, sizeof(text) - 1, 0);
		if (n < 0)
			return false;
		text[n] = 0;
		if (strstr(text, want))
			return true;
	} while (poll(&pfd, 1, SOON) == 1);
	return false;
}

/* The child waits until a wait ends by itself. */
static void wait_in_child(enum mechanism by, int ep, int timeout_ms, struct shared *shared)
{
	do {
		shared->ret = ep_wait(by, ep, &shared->ev, 1, timeout_ms);
		shared->interrupted += shared->ret < 0 && errno == EINTR;
	} while (shared->ret < 0 && errno == EINTR);
	_exit(0);
}

/* signal(7): a freeze ends a wait as a signal does, but for a read() that can be restarted */
TEST_F(freeze, ends_wait)
{
	static const int timeouts[] = { -1, 3 * SOON };
	eventfd_t value;

	for (int i = 0; i < 2; i++) {
		memset(&self->shared->ev, 0, sizeof(self->shared->ev));
		self->shared->interrupted = 0;
		self->pid = fork();
		ASSERT_LE(0, self->pid);
		if (!self->pid)
			wait_in_child(variant->by, self->ep, timeouts[i], self->shared);
		ASSERT_EQ(0, group_add(self->group, self->pid));
		for (int k = 1; k <= 3; k++) {
			bool restarts = variant->by == BY_READ && timeouts[i] < 0;

			ASSERT_TRUE(asleep(self->pid));
			ASSERT_TRUE(group_freeze(self->group, self->events, true));
			/* the last time with an event meanwhile */
			ASSERT_EQ(0, k == 3 ? poke(self->fd) : 0);
			ASSERT_TRUE(group_freeze(self->group, self->events, false));
			if (k == 3) {
				ASSERT_EQ(0, reap(self->pid));
			} else {
				ASSERT_TRUE(asleep(self->pid));
			}
			EXPECT_EQ(restarts ? 0 : k, self->shared->interrupted);
		}
		EXPECT_EQ(1, self->shared->ret);
		EXPECT_EVENT(EPOLLIN, 1, self->shared->ev);
		ASSERT_EQ(0, eventfd_read(self->fd, &value));
	}
	self->pid = 0;
}

/* The time of a wait goes on in a freeze, but a freeze that begins first has ended the wait */
TEST_F(freeze, timeout_passes)
{
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid) {
		self->shared->ret = ep_wait(variant->by, self->ep, &self->shared->ev, 1, TIMEOUT);
		_exit(self->shared->ret < 0 ? errno : 0);
	}
	ASSERT_EQ(0, group_add(self->group, self->pid));
	ASSERT_TRUE(asleep(self->pid));
	ASSERT_TRUE(group_freeze(self->group, self->events, true));
	usleep(TIMEOUT * 1100);	/* nobody can see that the time of a frozen task ends */
	ASSERT_TRUE(group_freeze(self->group, self->events, false));
	EXPECT_EQ(EINTR, reap(self->pid));
	self->pid = 0;
}

/* Changes the item again and again, in long lists, and goes on where a freeze has ended a list. */
static void change_in_child(int ep, int fd, struct shared *shared)
{
	struct evpoll_ctlv *arg = &shared->arg;
	unsigned int done = 0;

	for (int i = 0; i < CHANGES; i++)
		shared->change[i] = (struct evpoll_ctl){
			.op = EPOLL_CTL_MOD, .fd = fd, .events = i % 2 ? EPOLLIN : 0, .data = 1,
		};
	while (!shared->stop) {
		*arg = (struct evpoll_ctlv){
			.changes = (uintptr_t)(shared->change + done), .nr = CHANGES - done,
		};
		if (ioctl(ep, EVPOLL_IOC_CTLV, arg)) {
			if (errno != EINTR || arg->failed)
				_exit(1);
			shared->interrupted++;
			done += arg->done;
		} else {
			done = 0;
		}
	}
	_exit(0);
}

/* A long list of changes lets its task freeze, and can be continued */
TEST_F(freeze, many_changes)
{
	long long end = now_ms() + 3 * SOON;

	if (variant->by != BY_WAIT)
		SKIP(return, "only evpoll takes many changes in a call");
	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid)
		change_in_child(self->ep, self->fd, self->shared);
	ASSERT_EQ(0, group_add(self->group, self->pid));
	while (self->shared->interrupted < 5 && now_ms() < end) {
		ASSERT_TRUE(group_freeze(self->group, self->events, true));
		ASSERT_TRUE(group_freeze(self->group, self->events, false));
	}
	EXPECT_LE(5, self->shared->interrupted);
	self->shared->stop = true;
	EXPECT_EQ(0, reap(self->pid));
	self->pid = 0;
}

/* A thread that waits until it has an event. */
struct sleeper {
	enum mechanism by;
	int ep;
	_Atomic pid_t tid;
	pthread_t thread;
	struct epoll_event ev;
	int ret;
	int interrupted;
};

static void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;

	s->tid = syscall(SYS_gettid);
	do {
		s->ret = ep_wait(s->by, s->ep, &s->ev, 1, -1);
		s->interrupted += s->ret < 0;
	} while (s->ret < 0 && errno == EINTR);
	return NULL;
}

/* Does the file have this text? */
static bool has_text(const char *path, const char *text)
{
	char buf[128] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	return n > 0 && strstr(buf, text);
}

/*
 * The machine suspends to memory, and the clock of a watched timerfd wakes it. Suspend to idle is
 * no good here, because the clock of QEMU's machine does not wake it.
 */
TEST(suspend)
{
	struct itimerspec in_5s = { .it_value.tv_sec = 5 };
	struct sleeper sleeper[] = { { .by = BY_EPOLL }, { .by = BY_WAIT }, { .by = BY_READ } };
	int alarm;

	if (!has_text("/sys/power/state", "mem") || !has_text("/sys/power/mem_sleep", "[deep]"))
		SKIP(return, "/sys/power: the machine does not suspend to memory");
	if (!has_text("/sys/class/rtc/rtc0/device/power/wakeup", "enabled"))
		SKIP(return, "no rtc0 that wakes the machine: CONFIG_RTC_DRV_CMOS?");
	alarm = timerfd_create(CLOCK_BOOTTIME_ALARM, TFD_NONBLOCK | TFD_CLOEXEC);
	ASSERT_LE(0, alarm) TH_LOG("%s", strerror(errno));
	for (int i = 0; i < 3; i++) {
		struct sleeper *s = &sleeper[i];

		s->ep = ep_create(s->by, O_CLOEXEC);
		ASSERT_LE(0, s->ep) TH_LOG("no instance: %s", strerror(errno));
		ASSERT_EQ(0, ep_ctl(s->by, s->ep, EPOLL_CTL_ADD, alarm, EPOLLIN, 1));
		ASSERT_EQ(0, pthread_create(&s->thread, NULL, sleeper_main, s));
		while (!s->tid)
			sched_yield();
		ASSERT_TRUE(asleep(s->tid));
	}
	ASSERT_EQ(0, timerfd_settime(alarm, 0, &in_5s, NULL));
	ASSERT_EQ(0, write_file("/sys/power/state", "mem")) TH_LOG("%s", strerror(errno));
	for (int i = 0; i < 3; i++) {
		pthread_join(sleeper[i].thread, NULL);
		EXPECT_EQ(1, sleeper[i].ret);
		EXPECT_EVENT(EPOLLIN, 1, sleeper[i].ev);
		close(sleeper[i].ep);
	}
	EXPECT_EQ(sleeper[0].interrupted, sleeper[1].interrupted);
	EXPECT_EQ(0, sleeper[2].interrupted);
	close(alarm);
}

TEST_HARNESS_MAIN
