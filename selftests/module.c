// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading, at rest and under use. delete_module(2) is refused while an instance
 * is open; afterwards nothing of the module is left, and files that were watched go on.
 * EVPOLL_KO says where the module is.
 */
#include "evpoll_fault.h"
#include "evpoll_threads.h"
#include "evpoll_uring.h"

#include <sys/stat.h>

#define SYSFS "/sys/module/evpoll"

static int load_with(const char *parameters)
{
	const char *ko = getenv("EVPOLL_KO") ?: "/evpoll.ko";
	int fd = open(ko, O_RDONLY | O_CLOEXEC), ret, err;

	if (fd < 0)
		return -1;
	ret = syscall(SYS_finit_module, fd, parameters, 0);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static int load(void)
{
	return load_with("");
}

static int unload_once(void)
{
	return syscall(SYS_delete_module, "evpoll", O_NONBLOCK);
}

/* The release of a file that was just closed may still be pending. */
static int unload(void)
{
	long long end = now_ms() + SOON;
	int ret;

	while ((ret = unload_once()) && errno == EAGAIN && now_ms() < end)
		usleep(1000);
	return ret;
}

FIXTURE(module) {
};

FIXTURE_SETUP(module)
{
	if (access(SYSFS, F_OK))
		SKIP(return, "evpoll is not loaded as a module");
	if (access(getenv("EVPOLL_KO") ?: "/evpoll.ko", R_OK))
		SKIP(return, "no module file: EVPOLL_KO= says where it is");
}

/* In the parent, so that the module is there for the next test whatever happened. */
FIXTURE_TEARDOWN_PARENT(module)
{
	if (access(SYSFS, F_OK)) {
		EXPECT_EQ(0, load()) TH_LOG("load: %s", strerror(errno));
	}
}

/* delete_module(2): EWOULDBLOCK while an instance is open; its users are counted */
TEST_F(module, busy)
{
	int ep, copy;

	EXPECT_EQ(0, number_in(SYSFS "/refcnt"));
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, ep);
	/* of the file, and of the instance */
	EXPECT_EQ(2, number_in(SYSFS "/refcnt"));
	EXPECT_ERRNO(EWOULDBLOCK, unload_once());
	copy = dup(ep);
	close(ep);
	EXPECT_EQ(2, number_in(SYSFS "/refcnt"));
	EXPECT_ERRNO(EWOULDBLOCK, unload_once());
	/* and it works on */
	ep = eventfd(1, 0);
	EXPECT_EQ(0, ep_add(BY_WAIT, copy, ep, EPOLLIN));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, copy, ep, SOON));
	close(copy);
	EXPECT_EQ(0, unload());
}

/* The same of an instance in flight, of one in another process, and of one waited in */
TEST_F(module, busy_elsewhere)
{
	struct epoll_event ev;
	int s[2], ep;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, send_fd(s[0], ep));
	close(ep);
	EXPECT_ERRNO(EWOULDBLOCK, unload_once());
	ep = recv_fd(s[1]);
	ASSERT_LE(0, ep);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(ep_wait(BY_WAIT, ep, &ev, 1, -1));
	close(ep);
	ASSERT_TRUE(asleep(pid));
	EXPECT_ERRNO(EWOULDBLOCK, unload_once());
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-1, reap(pid));
	EXPECT_EQ(0, unload());
}

/* Documentation/dev-tools/kselftest.rst: without the module a test skips, and says why. */
TEST_F(module, tests_skip_without)
{
	char out[256] = "";
	int pipes[2];
	pid_t pid;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		execl("/proc/self/exe", "module", "-t", "none", NULL);
		_exit(1);
	}
	EXPECT_EQ(KSFT_SKIP, reap(pid));
	EXPECT_LT(0, read(pipes[0], out, sizeof(out) - 1));
	EXPECT_NE(NULL, strstr(out, "1..0 # SKIP " EVPOLL_DEV ": No such file or directory")) {
		TH_LOG("it said: %s", out);
	}
}

static _Atomic pid_t poll_tid;

static void *poll_main(void *arg)
{
	poll_tid = syscall(SYS_gettid);
	poll(arg, 1, -1);
	return NULL;
}

/*
 * And of one that is closed, while __fput() of a file that it watched has not begun: a task has
 * dropped the last reference, and cannot return to user space. rmmod must not wait for that task,
 * because nobody could kill the rmmod.
 */
TEST_F(module, busy_by_a_close_in_progress)
{
	struct pollfd *pfd;
	pthread_t thread;
	void *page;
	int uffd, ep, p[2];

	uffd = waiting_page(&page);
	if (uffd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, fill_page(uffd, page));
	pfd = page;
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, ep_add(BY_WAIT, ep, p[0], EPOLLIN));
	*pfd = (struct pollfd){ .fd = p[0], .events = POLLIN };
	ASSERT_EQ(0, pthread_create(&thread, NULL, poll_main, pfd));
	/* poll(2) has read the array when it sleeps, and has a reference on the pipe. */
	while (!poll_tid)
		sched_yield();
	ASSERT_TRUE(asleep(poll_tid));
	close(p[0]);
	ASSERT_EQ(0, madvise(page, 4096, MADV_DONTNEED));
	ASSERT_EQ(0, put_byte(p[1]));
	/* poll(2) drops its reference, and then writes to the page. */
	ASSERT_EQ(0, page_is_wanted(uffd));
	close(ep);
	EXPECT_ERRNO(EWOULDBLOCK, unload_once());
	EXPECT_LE(1, number_in(SYSFS "/refcnt"));
	ASSERT_EQ(0, fill_page(uffd, page));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, unload());
	close(uffd);
}

/* And of one that an io_uring request still has */
TEST_F(module, busy_by_io_uring)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC);
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	ASSERT_EQ(0, uring_poll(&u, ep, POLLIN, false, 1));
	close(ep);
	EXPECT_ERRNO(EWOULDBLOCK, unload_once());
	uring_close(&u);
	EXPECT_EQ(0, unload());
}

/*
 * True when a line of the file contains @word, or starts with it if @at_start. False too when there
 * is no such file.
 */
static bool found_in(const char *path, const char *word, bool at_start)
{
	char line[512], *at;
	bool found = false;
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, word);
		found |= at && (at == line || !at_start);
	}
	fclose(f);
	return found;
}

static bool line_in(const char *path, const char *start)
{
	return found_in(path, start, true);
}

static bool word_in(const char *path, const char *word)
{
	return found_in(path, word, false);
}

/* rmmod leaves nothing behind */
TEST_F(module, leaves_nothing)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC), e = eventfd(1, 0);

	ASSERT_EQ(0, ep_add(BY_WAIT, ep, e, EPOLLIN));
	ASSERT_EQ(EPOLLIN, ep_mask(BY_WAIT, ep, e, 0));
	/* what is to go is there */
	EXPECT_EQ(0, access(EVPOLL_DEV, R_OK | W_OK));
	EXPECT_EQ(0, access("/proc/sys/fs/evpoll/max_user_watches", R_OK));
	EXPECT_TRUE(word_in("/proc/misc", " evpoll\n"));
	EXPECT_TRUE(line_in("/proc/modules", "evpoll "));
	close(ep);
	ASSERT_EQ(0, unload());

	EXPECT_ERRNO(ENOENT, access(EVPOLL_DEV, F_OK));
	EXPECT_ERRNO(ENOENT, access("/proc/sys/fs/evpoll", F_OK));
	EXPECT_ERRNO(ENOENT, access(SYSFS, F_OK));
	EXPECT_ERRNO(ENOENT, access("/sys/class/misc/evpoll", F_OK));
	EXPECT_FALSE(word_in("/proc/misc", " evpoll\n"));
	EXPECT_FALSE(line_in("/proc/modules", "evpoll "));
	EXPECT_FALSE(word_in("/proc/slabinfo", "evpoll"));
	EXPECT_FALSE(word_in("/proc/kallsyms", "[evpoll]"));
	EXPECT_FALSE(line_in("/sys/kernel/tracing/enabled_functions", "__fput "));
	EXPECT_FALSE(line_in("/sys/kernel/tracing/enabled_functions", "locks_remove_file "));
	EXPECT_FALSE(word_in("/proc/net/dev", "evpoll"));
}

/* With the timer of a window armed: busy, and after close free */
TEST_F(module, busy_in_a_window)
{
	struct evpoll_params params = { .coalesce_usecs = 1000000 };
	uint64_t n = 1;

	for (int i = 0; i < 10; i++) {
		int ep = ep_create(BY_WAIT, O_CLOEXEC), e = eventfd(0, 0);

		ASSERT_EQ(0, ioctl(ep, EVPOLL_IOC_SET_PARAMS, &params));
		ASSERT_EQ(0, ep_add(BY_WAIT, ep, e, EPOLLIN));
		ASSERT_EQ((ssize_t)sizeof(n), write(e, &n, sizeof(n)));
		EXPECT_ERRNO(EWOULDBLOCK, unload_once());
		close(i & 1 ? e : ep);
		close(i & 1 ? ep : e);
		ASSERT_EQ(0, unload());
		ASSERT_EQ(0, load());
		params.coalesce_usecs = i & 2 ? 1000000 : 100;
	}
}

/* Parameters when loading; one that is out of range does not load */
TEST_F(module, parameters)
{
	static const char *const bad[] = {
		"budget=65", "budget=0", "coalesce_usecs=1000001", "coalesce_events=2147483648",
		"flags=32", "flags=x",
	};
	struct evpoll_params params;
	int ep;

	ASSERT_EQ(0, unload());
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		EXPECT_EQ(-1, load_with(bad[i]));
		EXPECT_TRUE(errno == EINVAL || errno == ERANGE);
	}
	ASSERT_EQ(0, load_with("budget=8 coalesce_usecs=100 coalesce_events=3 flags=4"));
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, ioctl(ep, EVPOLL_IOC_GET_PARAMS, &params));
	EXPECT_EQ(0, params.read_timeout_ns);
	EXPECT_EQ(8, params.budget);
	EXPECT_EQ(100, params.coalesce_usecs);
	EXPECT_EQ(3, params.coalesce_events);
	EXPECT_EQ(EVPOLL_LATENCY, params.flags);
	close(ep);
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load());
}

/* finit_module(2): EEXIST the second time, and the first goes on */
TEST_F(module, loaded_twice)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC);

	EXPECT_ERRNO(EEXIST, load());
	EXPECT_EQ(0, close(ep));
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	EXPECT_LE(0, ep);
	EXPECT_EQ(2, number_in(SYSFS "/refcnt"));
}

/* Files that wake from task, softirq and interrupt, and threads that use them without end. */
#define FILES 24

struct traffic {
	int fd[FILES];
	_Atomic bool stop;
	_Atomic int faults;
	pthread_t fire;
	pthread_t close;
};

static int new_file(int i)
{
	switch (i % 3) {
	case 0:
		return udp_to_itself();
	case 1:
		return timer_every(2000000);
	default:
		return eventfd(0, EFD_NONBLOCK);
	}
}

static void *firing(void *arg)
{
	struct traffic *t = arg;
	uint64_t n = 1;

	for (unsigned int i = 0; !t->stop; i++) {
		if (write(t->fd[i % FILES], &n, sizeof(n)) < 0 && errno == EBADF)
			t->faults++;
		if (read(t->fd[i % FILES], &n, sizeof(n)) < 0 && errno == EBADF)
			t->faults++;
		n = 1;
	}
	return NULL;
}

/* Replaces the upper half, which closes what was there. */
static void *closing(void *arg)
{
	struct traffic *t = arg;

	for (unsigned int i = 0; !t->stop; i++) {
		int at = FILES / 2 + i % (FILES / 2), fd = new_file(at);

		if (fd < 0 || dup2(fd, t->fd[at]) < 0)
			t->faults++;
		close(fd);
		sched_yield();
	}
	return NULL;
}

static int traffic_start(struct traffic *t)
{
	memset(t, 0, sizeof(*t));
	for (int i = 0; i < FILES; i++) {
		t->fd[i] = new_file(i);
		if (t->fd[i] < 0)
			return -1;
	}
	return pthread_create(&t->fire, NULL, firing, t) ||
	       pthread_create(&t->close, NULL, closing, t) ? -1 : 0;
}

static int traffic_end(struct traffic *t)
{
	t->stop = true;
	pthread_join(t->fire, NULL);
	pthread_join(t->close, NULL);
	for (int i = 0; i < FILES; i++)
		close(t->fd[i]);
	return t->faults;
}

/* 50 times under use: closes, events and timers go on through unload and load */
TEST_F_TIMEOUT(module, fifty_times, 800)
{
	struct epoll_event ev[FILES];
	struct traffic t;

	ASSERT_EQ(0, traffic_start(&t));
	for (int round = 0; round < 50; round++) {
		int ep = ep_create(BY_WAIT, O_CLOEXEC), outer = ep_create(BY_WAIT, O_CLOEXEC);

		ASSERT_LE(0, outer) TH_LOG("round %d", round);
		ASSERT_EQ(0, ep_add(BY_WAIT, outer, ep, EPOLLIN));
		for (int i = 0; i < FILES; i++) {
			uint32_t how[] = { 0, EPOLLET, EPOLLONESHOT };

			ASSERT_EQ(0, ep_add(BY_WAIT, ep, t.fd[i],
					    EPOLLIN | how[(round + i) % 3]));
		}
		/* the timers alone will do */
		EXPECT_LT(0, ep_wait(BY_WAIT, outer, ev, FILES, SOON));
		EXPECT_LT(0, ep_wait(BY_WAIT, ep, ev, FILES, SOON));
		EXPECT_ERRNO(EWOULDBLOCK, unload_once());
		/* in either order */
		close(round & 1 ? ep : outer);
		close(round & 1 ? outer : ep);
		ASSERT_EQ(0, unload()) TH_LOG("round %d: %s", round, strerror(errno));
		ASSERT_EQ(0, load()) TH_LOG("round %d: %s", round, strerror(errno));
	}
	EXPECT_EQ(0, traffic_end(&t));
}

/* Files that were watched when their instance was closed work on without the module */
TEST_F(module, files_outlive_it)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC), fd[300], other[2];
	uint64_t n = 1;

	ASSERT_EQ(0, pipe(other));
	for (int i = 0; i < 300; i++) {
		fd[i] = new_file(i);
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, ep_add(BY_WAIT, ep, fd[i], EPOLLIN | EPOLLOUT));
		/* a third of them has an event that waits */
		if (i % 3 == 2) {
			ASSERT_EQ((ssize_t)sizeof(n), write(fd[i], &n, sizeof(n)));
		}
	}
	ASSERT_EQ(0, close(ep));
	ASSERT_EQ(0, unload());
	for (int i = 0; i < 300; i++) {
		struct pollfd pfd = { .fd = fd[i], .events = POLLIN };

		if (i % 3 != 1) {
			ASSERT_EQ((ssize_t)sizeof(n), write(fd[i], &n, sizeof(n)));
		}
		ASSERT_EQ(1, poll(&pfd, 1, SOON));
		ASSERT_EQ((ssize_t)sizeof(n), read(fd[i], &n, sizeof(n)));
		n = 1;
		close(fd[i]);
	}
}

struct opener {
	_Atomic bool stop;
	_Atomic int opened;
	_Atomic int err;
};

static void *opening(void *arg)
{
	struct opener *o = arg;

	while (!o->stop) {
		int ep = ep_create(BY_WAIT, O_CLOEXEC), e;

		if (ep < 0) {
			/* no device node, or no driver for it yet */
			if (errno != ENOENT && errno != ENODEV && errno != ENXIO)
				o->err = errno;
			continue;
		}
		o->opened++;
		e = eventfd(1, 0);
		if (ep_add(BY_WAIT, ep, e, EPOLLIN) || ep_mask(BY_WAIT, ep, e, 0) != EPOLLIN)
			o->err = EIO;
		close(o->opened & 1 ? e : ep);
		close(o->opened & 1 ? ep : e);
		usleep(500);	/* leave the module a moment without users */
	}
	return NULL;
}

/* try_module_get(): open against unload: an instance that was opened works */
TEST_F(module, open_against_unload)
{
	struct opener o = { 0 };
	pthread_t thread;
	int unloads = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, opening, &o));
	for (int i = 0; i < 10; i++) {
		int seen = o.opened;
		long long end = now_ms() + SOON;

		/* loaded: the opener must get through */
		while (o.opened == seen && now_ms() < end)
			sched_yield();
		EXPECT_LT(seen, o.opened);
		if (unload())
			continue;
		unloads++;
		ASSERT_EQ(0, load()) TH_LOG("%s", strerror(errno));
	}
	o.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, o.err) TH_LOG("%s", strerror(o.err));
	EXPECT_LT(0, unloads);
}

TEST_HARNESS_MAIN
