// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hostile user can do. Documentation/security.rst names these tests. In each of them one
 * user attacks, and another user must not notice.
 */
#include "evpoll_burst.h"

#include <grp.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define SYSFS "/sys/module/evpoll"

/* Users that nothing else in the machine runs as */
#define USER_A 65531
#define USER_B 65532

static void become(int uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		_exit(100);
}

/* Runs @fn as that user; what it returns, 0 to 99. */
static int as_user(int uid, int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		become(uid);
		_exit(fn(arg));
	}
	return reap(pid);
}

FIXTURE(hostile) {
	int ep;		/* of the user who must not notice */
	int fd;
};

FIXTURE_SETUP(hostile)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
}

FIXTURE_TEARDOWN(hostile)
{
	close(self->ep);
	close(self->fd);
}

static int ordinary_use(void *arg)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC), fd = eventfd(1, EFD_CLOEXEC);

	return ep < 0 || ep_add(BY_WAIT, ep, fd, EPOLLIN) ||
	       ep_mask(BY_WAIT, ep, fd, 0) != EPOLLIN;
}

/* The number of the first of these that worked, 0 when none did */
static int forbidden_use(void *arg)
{
	static const char *const files[] = {
		"/proc/sys/fs/evpoll/max_user_watches", SYSFS "/parameters/budget",
		SYSFS "/parameters/coalesce_usecs", SYSFS "/parameters/coalesce_events",
		SYSFS "/parameters/flags",
	};
	char *path = arg;	/* fdinfo of root's instance */

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (open(files[i], O_WRONLY) >= 0)
			return i + 1;
	if (open("/sys/kernel/debug/evpoll/instances", O_RDONLY) >= 0)
		return 10;
	if (open(path, O_RDONLY) >= 0)
		return 11;
	if (!syscall(SYS_delete_module, "evpoll", O_NONBLOCK) || errno != EPERM)
		return 12;
	return 0;
}

/* /dev/evpoll is for all, and nothing else of the module is */
TEST_F(hostile, who_may_what)
{
	char path[64];
	struct stat st;

	ASSERT_EQ(0, stat(EVPOLL_DEV, &st));
	EXPECT_EQ(0666, st.st_mode & 07777);
	EXPECT_EQ(0, as_user(USER_A, ordinary_use, NULL));
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getpid(), self->ep);
	EXPECT_EQ(0, as_user(USER_A, forbidden_use, path));
}

/* What the instance says of an item that asked for EPOLLWAKEUP: 1 if it has it */
static int has_wakeup(void *arg)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);
	unsigned int events = 0;
	char path[64], line[256];
	FILE *f;

	if (ep_add(BY_WAIT, ep, fd, EPOLLIN | EPOLLWAKEUP))
		return 2;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "tfd: %*d events: %x", &events);
	return !!(events & EPOLLWAKEUP);
}

/* R20, epoll_ctl(2): EPOLLWAKEUP is ignored without CAP_BLOCK_SUSPEND */
TEST_F(hostile, keeps_nobody_awake)
{
	if (!access("/sys/power/wakeup_count", F_OK)) {
		EXPECT_EQ(1, has_wakeup(NULL));
	}
	EXPECT_EQ(0, as_user(USER_A, has_wakeup, NULL));
}

/* A user who has used up all watches takes none away from another user. */
static int takes_all_watches(void *arg)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC), n = 0;

	while (!ep_add(BY_WAIT, ep, eventfd(0, EFD_CLOEXEC), EPOLLIN))
		n++;
	if (errno != ENOSPC || n != 100)
		return 1;
	/* Another instance, or a child, does not avoid the limit. */
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	if (!ep_add(BY_WAIT, ep, eventfd(0, EFD_CLOEXEC), EPOLLIN) || errno != ENOSPC)
		return 2;
	return 0;
}

FIXTURE(hostile_limit) {
	char old[32];
};

FIXTURE_SETUP(hostile_limit)
{
	snprintf(self->old, sizeof(self->old), "%lld",
		 number_in("/proc/sys/fs/evpoll/max_user_watches"));
	ASSERT_EQ(0, write_file("/proc/sys/fs/evpoll/max_user_watches", "100"));
}

/* In the parent, so that it is done after a failure too. */
FIXTURE_TEARDOWN_PARENT(hostile_limit)
{
	EXPECT_EQ(0, write_file("/proc/sys/fs/evpoll/max_user_watches", self->old));
}

/* R21 */
TEST_F(hostile_limit, huge_registrations)
{
	EXPECT_EQ(0, as_user(USER_A, takes_all_watches, NULL));
	EXPECT_EQ(0, as_user(USER_B, ordinary_use, NULL));
}

/* Softirq: bursts without end on many instances, the budget as small as it goes */
enum { FLOOD_INSTANCES = 16, FLOOD_LINES = 256 };

static void flood(int context)
{
	struct evpoll_params params = { .budget = 1 };
	struct evpoll_source_burst b = {
		.context = context, .nr = FLOOD_LINES, .repeat = 1000000, .cpu = -1,
	};
	int fd[FLOOD_LINES], ep;

	if (lines_open(fd, FLOOD_LINES))
		_exit(1);
	for (int i = 0; i < FLOOD_INSTANCES; i++) {
		ep = ep_create(BY_WAIT, O_CLOEXEC);
		if (set_params(ep, &params) ||
		    lines_add(BY_WAIT, ep, fd, FLOOD_LINES, EPOLLIN | EPOLLET))
			_exit(2);
	}
	b.fds = (uintptr_t)fd;
	/* A pause of a jiffy: without one the source itself would take the processor. */
	b.pause_ns = 1000000;
	if (burst_ioctl(fd[0], &b))
		_exit(3);
	kill(getpid(), SIGSTOP);
	_exit(0);
}

FIXTURE(hostile_flood) {
	int ep;
	int fd;
	pid_t pid;
};

FIXTURE_VARIANT(hostile_flood) {
	int context;
};

/* In process context a flood is the flooder's own time. */
FIXTURE_VARIANT_ADD(hostile_flood, softirq) { .context = EVPOLL_SOURCE_SOFTIRQ };
FIXTURE_VARIANT_ADD(hostile_flood, hardirq) { .context = EVPOLL_SOURCE_HARDIRQ };
FIXTURE_VARIANT_ADD(hostile_flood, napi) { .context = EVPOLL_SOURCE_NAPI };

FIXTURE_SETUP(hostile_flood)
{
	int status;

	if (no_source(variant->context))
		SKIP(return, "%s", no_source(variant->context));
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	self->pid = fork();
	if (!self->pid)
		flood(variant->context);
	/* It stops itself when the flood goes on. */
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status)) TH_LOG("status 0x%x", status);
}

FIXTURE_TEARDOWN(hostile_flood)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	close(self->ep);
	close(self->fd);
}

/* NAPI's budget is shared: another's events in softirq and in process context come through. */
TEST_F(hostile_flood, others_get_their_turn)
{
	int line = open(SOURCE_DEV, O_RDONLY | O_CLOEXEC);
	struct evpoll_source_event event;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, line, EPOLLIN | EPOLLET));
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(0, poke(self->fd));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->fd, SOON)) TH_LOG("%d", i);
		ASSERT_EQ(0, burst(EVPOLL_SOURCE_NAPI, &line, 1));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, line, SOON)) TH_LOG("%d", i);
		ASSERT_EQ(0, line_read(line, &event));
	}
	close(line);
}

/* A storm of wakeups: one file, watched thousands of times; another's watch of it reports. */
TEST_F(hostile, one_file_many_watches)
{
	enum { NR = 5000 };
	int ep = ep_create(BY_WAIT, O_CLOEXEC), *copy = calloc(NR, sizeof(*copy));
	uint64_t n;

	ASSERT_EQ(0, allow_files(NR + 100));
	for (int i = 0; i < NR; i++) {
		copy[i] = dup(self->fd);
		ASSERT_EQ(0, ep_add(BY_WAIT, ep, copy[i], EPOLLIN | (i & 1 ? EPOLLET : 0)));
	}
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, poke(self->fd));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->fd, SOON));
		ASSERT_EQ((ssize_t)sizeof(n), read(self->fd, &n, sizeof(n)));
		EXPECT_EQ(0, ep_mask(BY_WAIT, self->ep, self->fd, 0));
	}
	/* In the middle of it all: the hostile instance goes, then the copies. */
	ASSERT_EQ(0, poke(self->fd));
	close(ep);
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->fd, SOON));
	for (int i = 0; i < NR; i++)
		close(copy[i]);
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->fd, SOON));
	EXPECT_EQ(1, ep_items(self->ep));
	free(copy);
}

/* The longest window delays only the instance that has it, not others that watch the file. */
TEST_F(hostile, long_window)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC);
	struct waiter w;

	ASSERT_EQ(0, set_window(ep, 1000000, 0));
	ASSERT_EQ(0, ep_add(BY_WAIT, ep, self->fd, EPOLLIN | EPOLLET));
	ASSERT_TRUE(waiter_start(&w, BY_WAIT, self->ep));
	ASSERT_EQ(0, poke(self->fd));
	EXPECT_EQ(1, waiter_join(&w));
	/* The window is still open, or was only over because this machine is slow. */
	EXPECT_EQ(1, stats_of(ep).queued);
	/* Longer ones are refused. */
	EXPECT_ERRNO(EINVAL, set_window(ep, 1000001, 0));
	close(ep);
}

/* Millions of changes in one call: it can be killed, and others change meanwhile. */
TEST_F(hostile, endless_changes)
{
	enum { NR = 1 << 20 };
	struct evpoll_ctlv ctlv = { .nr = NR };
	struct evpoll_ctl *changes;
	int go[2];
	pid_t pid;

	changes = mmap(NULL, NR * sizeof(*changes), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, changes);
	ASSERT_EQ(0, pipe(go));
	ctlv.changes = (uintptr_t)changes;
	pid = fork();
	if (!pid) {
		/* DEL of a file that is not watched: each change fails, one after the other. */
		int fd = open(EVPOLL_DEV, O_RDWR);

		if (put_byte(go[1]))
			_exit(1);
		for (;;)
			ioctl(fd, EVPOLL_IOC_CTLV, &ctlv);
	}
	ASSERT_EQ(0, get_byte(go[0]));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, ep_del(BY_WAIT, self->ep, self->fd));
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	}
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-1, reap(pid));
	munmap(changes, NR * sizeof(*changes));
	close(go[0]);
	close(go[1]);
}

TEST_HARNESS_MAIN
