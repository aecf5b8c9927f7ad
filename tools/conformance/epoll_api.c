// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll's calls of the C library: arguments, errors, and how descriptors are passed on. The program
 * does not know evpoll. Run alone, it shows that epoll behaves as the tests expect. Run under
 * libevpoll-preload, it shows that evpoll does too.
 */
#include "../../selftests/evpoll_expect.h"
#include "../../selftests/evpoll_pass.h"
#include "../../selftests/evpoll_task.h"
#include "epoll_errors.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

FIXTURE(api) {
	int ep;
	int fd;		/* an eventfd that is readable, watched with data 42 */
	struct epoll_event ev;
};

FIXTURE_SETUP(api)
{
	self->ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 42 };
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
}

FIXTURE_TEARDOWN(api)
{
	close(self->ep);
	close(self->fd);
}

/* 0 if the wait returns the event of the fixture */
static int got_it(int ep)
{
	struct epoll_event ev = {};

	return epoll_wait(ep, &ev, 1, 0) == 1 && ev.events == EPOLLIN && ev.data.u64 == 42 ?
	       0 : -1;
}

/* epoll_create(2): the size is a hint that must be greater than zero */
TEST(create)
{
	int ep = epoll_create(1);

	ASSERT_LE(0, ep);
	EXPECT_EQ(0, fcntl(ep, F_GETFD));
	close(ep);
	ep = epoll_create(INT_MAX);
	EXPECT_LE(0, ep);
	close(ep);
	EXPECT_ERRNO(EINVAL, epoll_create(0));
	EXPECT_ERRNO(EINVAL, epoll_create(-1));
}

/* epoll_create1(2): one flag is known */
TEST(create1)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, ep);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ep, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(ep, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	close(ep);
	ep = epoll_create1(0);
	ASSERT_LE(0, ep);
	EXPECT_EQ(0, fcntl(ep, F_GETFD));
	close(ep);
	EXPECT_ERRNO(EINVAL, epoll_create1(1));
	EXPECT_ERRNO(EINVAL, epoll_create1(O_NONBLOCK));
	EXPECT_ERRNO(EINVAL, epoll_create1(EPOLL_CLOEXEC | O_NONBLOCK));
	EXPECT_ERRNO(EINVAL, epoll_create1(-1));
}

/* epoll_create(2) EMFILE */
TEST(create_emfile)
{
	struct rlimit rl = { 3, 3 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &rl));
	EXPECT_ERRNO(EMFILE, epoll_create1(0));
}

/* epoll_ctl(2): except for DEL, the call reads the event before it checks anything else */
TEST_F(api, ctl_null_event)
{
	EXPECT_ERRNO(EFAULT, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, NULL));
	EXPECT_ERRNO(EFAULT, epoll_ctl(self->ep, EPOLL_CTL_MOD, self->fd, NULL));
	EXPECT_ERRNO(EFAULT, epoll_ctl(-1, EPOLL_CTL_MOD, self->fd, NULL));
	EXPECT_ERRNO(EFAULT, epoll_ctl(self->ep, 99, self->fd, NULL));
	EXPECT_EQ(0, got_it(self->ep));
	EXPECT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_ERRNO(ENOENT, epoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
}

/* epoll_ctl(2), ERRORS */
TEST_F(api, ctl_errors)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int other = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, file);
	EXPECT_ERRNO(EBADF, epoll_ctl(-1, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_ERRNO(EBADF, epoll_ctl(self->ep, EPOLL_CTL_ADD, -1, &self->ev));
	EXPECT_ERRNO(EEXIST, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_ERRNO(EINVAL, epoll_ctl(self->ep, 0, self->fd, &self->ev));
	EXPECT_ERRNO(EINVAL, epoll_ctl(self->ep, -1, self->fd, &self->ev));
	EXPECT_ERRNO(EINVAL, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->ep, &self->ev));
	EXPECT_ERRNO(EPERM, epoll_ctl(self->ep, EPOLL_CTL_ADD, file, &self->ev));
	EXPECT_ERRNO(ENOENT, epoll_ctl(self->ep, EPOLL_CTL_MOD, other, &self->ev));
	close(file);
	close(other);
}

/* epoll_ctl(2) EINVAL: the first descriptor is not an epoll instance but any other file */
TEST_F(api, no_instance)
{
	static const char * const files[] = { "/dev/null", "/proc/self/exe", "/dev/zero" };
	struct epoll_event ev;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_ERRNO(EINVAL, epoll_ctl(pipes[0], EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_ERRNO(EINVAL, epoll_wait(pipes[0], &ev, 1, 0));
	EXPECT_ERRNO(EINVAL, epoll_ctl(self->fd, EPOLL_CTL_ADD, pipes[0], &self->ev));
	EXPECT_ERRNO(EINVAL, epoll_wait(self->fd, &ev, 1, 0));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);

		ASSERT_LE(0, fd);
		EXPECT_ERRNO(EINVAL, epoll_ctl(fd, EPOLL_CTL_ADD, self->fd, &self->ev));
		EXPECT_ERRNO(EINVAL, epoll_wait(fd, &ev, 1, 0));
		EXPECT_ERRNO(EINVAL, epoll_pwait(fd, &ev, 1, 0, NULL));
		close(fd);
	}
	close(pipes[0]);
	close(pipes[1]);
}

/* fs/eventpoll.c takes any mask */
TEST_F(api, unknown_bits)
{
	struct epoll_event ev = { .data.u64 = 42 };

	for (int bit = 0; bit < 28; bit++) {
		ev.events = EPOLLIN | 1U << bit;
		EXPECT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_MOD, self->fd, &ev));
		EXPECT_EQ(1, epoll_wait(self->ep, &ev, 1, 0));
		EXPECT_EQ(42, ev.data.u64);
	}
}

/* ... except with EPOLLEXCLUSIVE, which only ADD accepts */
TEST_F(api, exclusive_bits)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int fd = eventfd(1, EFD_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_ERRNO(EINVAL, epoll_ctl(self->ep, EPOLL_CTL_MOD, self->fd, &ev));
	ev.events |= 1 << 20;
	EXPECT_ERRNO(EINVAL, epoll_ctl(self->ep, EPOLL_CTL_ADD, fd, &ev));
	EXPECT_ERRNO(EBADF, epoll_ctl(self->ep, EPOLL_CTL_ADD, -1, &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	EXPECT_ERRNO(EINVAL, epoll_ctl(self->ep, EPOLL_CTL_ADD, fd, &ev));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET;
	EXPECT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, fd, &ev));
	close(fd);
}

/* epoll_wait(2) EINVAL: maxevents */
TEST_F(api, maxevents)
{
	static const int bad[] = { 0, -1, INT_MIN, INT_MAX };
	const struct timespec zero = {};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERRNO(EINVAL, epoll_wait(self->ep, &self->ev, bad[i], 0));
		EXPECT_ERRNO(EINVAL, epoll_pwait(self->ep, &self->ev, bad[i], 0, NULL));
		EXPECT_ERRNO(EINVAL, epoll_pwait2(self->ep, &self->ev, bad[i], &zero, NULL));
	}
	EXPECT_EQ(0, got_it(self->ep));
}

/* epoll_wait(2) EFAULT, EBADF; the event stays */
TEST_F(api, wait_errors)
{
	/* volatile, or the compiler objects */
	struct epoll_event *volatile bad[] = { NULL, (void *)8 };

	EXPECT_ERRNO(EFAULT, epoll_wait(self->ep, bad[0], 1, 0));
	EXPECT_ERRNO(EFAULT, epoll_wait(self->ep, bad[1], 1, -1));
	EXPECT_ERRNO(EBADF, epoll_wait(-1, &self->ev, 1, 0));
	EXPECT_ERRNO(EBADF, epoll_wait(INT_MAX, &self->ev, 1, -1));
	EXPECT_EQ(0, got_it(self->ep));
}

/* The functions of the C library, with their arguments in an array */
#define CALL(name, ...) static long call_##name(const long *args) { return name(__VA_ARGS__); }
#define EVENTS(arg) ((struct epoll_event *)(arg))
#define MASK(arg) ((const sigset_t *)(arg))

CALL(epoll_create, args[0])
CALL(epoll_create1, args[0])
CALL(epoll_ctl, args[0], args[1], args[2], EVENTS(args[3]))
CALL(epoll_wait, args[0], EVENTS(args[1]), args[2], args[3])
CALL(epoll_pwait, args[0], EVENTS(args[1]), args[2], args[3], MASK(args[4]))
CALL(epoll_pwait2, args[0], EVENTS(args[1]), args[2], program_time(args[3]), MASK(args[4]))

static const struct way ways[] = {
	{ "epoll_create1", call_epoll_create1, SYS_epoll_create1, { flags } },
	{ "epoll_ctl", call_epoll_ctl, SYS_epoll_ctl, { instances, ops, targets, events } },
	{ "epoll_wait", call_epoll_wait, SYS_epoll_pwait,
	  { instances, buffers, maxevents, timeouts } },
	{ "epoll_pwait", call_epoll_pwait, SYS_epoll_pwait,
	  { instances, buffers, maxevents, timeouts, masks, mask_size } },
	{ "epoll_pwait2", call_epoll_pwait2, SYS_epoll_pwait2,
	  { instances, buffers, maxevents, PROGRAM_TIMES, masks, mask_size } },
	{ "SYS_epoll_create1", NULL, SYS_epoll_create1, { flags } },
	{ "SYS_epoll_ctl", NULL, SYS_epoll_ctl, { instances, ops, targets, events } },
	{ "SYS_epoll_pwait", NULL, SYS_epoll_pwait,
	  { instances, buffers, maxevents, timeouts, masks, mask_sizes } },
	{ "SYS_epoll_pwait2", NULL, SYS_epoll_pwait2,
	  { instances, buffers, maxevents, times, masks, mask_sizes } },
#ifdef SYS_epoll_wait
	{ "epoll_create", call_epoll_create, SYS_epoll_create, { sizes } },
	{ "SYS_epoll_create", NULL, SYS_epoll_create, { sizes } },
	{ "SYS_epoll_wait", NULL, SYS_epoll_wait, { instances, buffers, maxevents, timeouts } },
#endif
};

/* A call with several wrong arguments fails as the kernel's own call does. */
TEST(wrong_arguments)
{
	static const struct subject subject = { epoll_create1, epoll_ctl };

	ASSERT_EQ(0, errors_setup());
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		compare(_metadata, &ways[i], &subject);
}

/* epoll_pwait2(2): NULL waits without a limit, an invalid time is EINVAL */
TEST_F(api, pwait2_times)
{
	static const struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };
	struct timespec ts = { 0, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(EINVAL, epoll_pwait2(self->ep, &self->ev, 1, &bad[i], NULL));
	EXPECT_EQ(1, epoll_pwait2(self->ep, &self->ev, 1, NULL, NULL));
	ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(0, epoll_pwait2(self->ep, &self->ev, 1, &ts, NULL));
}

/* epoll_wait(2): the wait takes the whole timeout; a negative one has no limit */
TEST_F(api, timeouts)
{
	long long start = now_ms();

	EXPECT_EQ(1, epoll_wait(self->ep, &self->ev, 1, INT_MIN));
	EXPECT_EQ(1, epoll_wait(self->ep, &self->ev, 1, INT_MAX));
	ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(0, epoll_wait(self->ep, &self->ev, 1, 1020));
	EXPECT_LE(1020, now_ms() - start);
}

static void handler(int sig)
{
}

/* epoll_pwait(2): a blocked signal ends the wait that unblocks it, and is blocked again */
TEST_F(api, sigmask)
{
	const struct timespec ts = { 10, 0 };
	sigset_t block, none, now;

	signal(SIGUSR1, handler);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &block, NULL));
	ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	raise(SIGUSR1);
	EXPECT_EQ(0, epoll_wait(self->ep, &self->ev, 1, 0));
	EXPECT_ERRNO(EINTR, epoll_pwait(self->ep, &self->ev, 1, 10000, &none));
	raise(SIGUSR1);
	EXPECT_ERRNO(EINTR, epoll_pwait2(self->ep, &self->ev, 1, &ts, &none));
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, NULL, &now));
	EXPECT_EQ(1, sigismember(&now, SIGUSR1));
}

/* A call that succeeds does not change errno, because careless programs rely on it. */
TEST_F(api, errno_is_kept)
{
	int ep;

	errno = 77;
	ep = epoll_create1(0);
	EXPECT_EQ(77, errno);
	EXPECT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(1, epoll_wait(ep, &self->ev, 1, 0));
	EXPECT_EQ(77, errno);
	close(ep);
}

/* syscall(2): the calls by number, for programs whose C library does not have them */
TEST_F(api, by_number)
{
	const int64_t time[2] = {};
	struct epoll_event ev = {};
	long ep = syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	uint64_t mask = 0;

	ASSERT_LE(0, ep);
	EXPECT_EQ(FD_CLOEXEC, fcntl(ep, F_GETFD));
	EXPECT_ERRNO(EINVAL, syscall(SYS_epoll_create1, 1));
	EXPECT_EQ(0, syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(1, syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &mask, sizeof(mask)));
	EXPECT_EQ(42, ev.data.u64);
	EXPECT_ERRNO(EINVAL, syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &mask, sizeof(mask) / 2));
	EXPECT_EQ(1, syscall(SYS_epoll_pwait2, ep, &ev, 1, time, NULL, 0));
	EXPECT_ERRNO(EFAULT, syscall(SYS_epoll_pwait2, ep, &ev, 1, (void *)8, NULL, 0));
#ifdef SYS_epoll_wait
	EXPECT_EQ(1, syscall(SYS_epoll_wait, ep, &ev, 1, -1));
	EXPECT_ERRNO(EINVAL, syscall(SYS_epoll_create, 0));
#endif
	EXPECT_EQ(getpid(), syscall(SYS_getpid));
	EXPECT_ERRNO(EBADF, syscall(SYS_close, -1));
	close(ep);
}

/* epoll(7): a dup is the same instance */
TEST_F(api, dup)
{
	int copy = dup(self->ep);

	ASSERT_LE(0, copy);
	close(self->ep);
	EXPECT_EQ(0, got_it(copy));
	EXPECT_EQ(0, epoll_ctl(copy, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(copy, dup2(copy, self->ep) == self->ep ? copy : -1);
	EXPECT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(0, got_it(copy));
	close(copy);
}

/* epoll(7): a child has its parent's instance */
TEST_F(api, fork)
{
	pid_t pid = fork();

	if (!pid) {
		if (got_it(self->ep))
			_exit(1);
		_exit(epoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL) ? 2 : 0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, epoll_wait(self->ep, &self->ev, 1, 0));
}

/* main() calls this in the program that the test exec_ runs. */
static int after_exec(int ep)
{
	int fresh = epoll_create1(0);

	/* Use the inherited instance before and after this process creates one. */
	return got_it(ep) || fresh < 0 || got_it(ep) ? 1 : 0;
}

/* execve(2): an instance without EPOLL_CLOEXEC stays open, and the new program can use it */
TEST_F(api, exec)
{
	char number[16];
	pid_t pid;

	snprintf(number, sizeof(number), "%d", self->ep);
	pid = fork();
	if (!pid) {
		fcntl(self->ep, F_SETFD, 0);
		fcntl(self->fd, F_SETFD, 0);
		execl("/proc/self/exe", "epoll_api", "after_exec", number, NULL);
		_exit(9);
	}
	EXPECT_EQ(0, reap(pid));
}

/* unix(7) SCM_RIGHTS: a child creates an instance, adds a file and sends the instance */
TEST(passed)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 };
	int socks[2], ep;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	pid = fork();
	if (!pid) {
		int fd = eventfd(1, 0);

		ep = epoll_create1(0);
		if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) || send_fd(socks[1], ep))
			_exit(1);
		_exit(read(socks[1], &ev, 1) != 1);
	}
	ep = recv_fd(socks[0]);
	ASSERT_LE(0, ep);
	EXPECT_EQ(0, got_it(ep));
	EXPECT_EQ(1, write(socks[0], "x", 1));
	EXPECT_EQ(0, reap(pid));
	close(ep);
}

static void cleaned_up(void *arg)
{
	*(int *)arg = 1;
}

struct waiter {
	int ep;
	int how;		/* which call */
	int cleaned;
	int started;
};

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event ev;

	pthread_cleanup_push(cleaned_up, &w->cleaned);
	__atomic_store_n(&w->started, 1, __ATOMIC_RELEASE);
	switch (w->how) {
	case 0:
		epoll_wait(w->ep, &ev, 1, -1);
		break;
	case 1:
		epoll_pwait(w->ep, &ev, 1, -1, NULL);
		break;
	case 2:
		epoll_pwait2(w->ep, &ev, 1, NULL, NULL);
		break;
	}
	pthread_cleanup_pop(0);
	return NULL;
}

/* pthreads(7), cancellation points: a thread that waits can be cancelled, its cleanup runs */
TEST(cancel)
{
	struct waiter w = { .ep = epoll_create1(0) };
	pthread_t thread;
	void *result;

	ASSERT_LE(0, w.ep);
	for (w.how = 0; w.how < 3; w.how++) {
		w.cleaned = 0;
		w.started = 0;
		ASSERT_EQ(0, pthread_create(&thread, NULL, waiter_main, &w));
		while (!__atomic_load_n(&w.started, __ATOMIC_ACQUIRE))
			sched_yield();
		/* It may be cancelled before it sleeps or while it sleeps. Both must work. */
		if (w.how)
			usleep(100000);
		ASSERT_EQ(0, pthread_cancel(thread));
		ASSERT_EQ(0, pthread_join(thread, &result));
		EXPECT_TRUE(result == PTHREAD_CANCELED);
		EXPECT_EQ(1, w.cleaned);
	}
	close(w.ep);
}

/* ... and after the wait, cancellation is deferred again */
TEST_F(api, cancel_type)
{
	int type;

	EXPECT_EQ(1, epoll_wait(self->ep, &self->ev, 1, 0));
	EXPECT_EQ(0, pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type));
	EXPECT_EQ(PTHREAD_CANCEL_DEFERRED, type);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "after_exec"))
		return after_exec(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
