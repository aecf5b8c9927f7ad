// SPDX-License-Identifier: GPL-2.0-only
/*
 * libevpoll-preload where it differs from epoll: the instances that it creates, descriptors that it
 * did not create, and a machine without the device. Runs under the library, with
 * EVPOLL_PRELOAD_STRICT=1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "../../selftests/evpoll_pass.h"
#include "../../selftests/evpoll_task.h"
#include "../../selftests/evpoll_uring.h"
#include "epoll_errors.h"

#define MISSING "libevpoll-preload: /dev/evpoll: No such file or directory"

/* The name of the file behind a descriptor */
static const char *name_of(int fd)
{
	static char name[64];
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = 0;
	return name;
}

/* main() calls this in a program without the library: create an instance of epoll. */
static int elsewhere(int sock)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 };
	int fd = eventfd(1, EFD_CLOEXEC);
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (strcmp(name_of(ep), "anon_inode:[eventpoll]"))
		return 1;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) || send_fd(sock, ep))
		return 2;
	/* Keep the eventfd open as long as the test runs. */
	return read(sock, &ev, 1) ? 3 : 0;
}

FIXTURE(preload) {
	int socks[2];
	pid_t pid;
	int epoll;	/* an epoll instance from another process, with an event */
	int fd;		/* an eventfd that is readable */
	struct epoll_event ev;
};

FIXTURE_SETUP(preload)
{
	char number[16];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->socks));
	self->pid = fork();
	if (!self->pid) {
		close(self->socks[0]);
		snprintf(number, sizeof(number), "%d", self->socks[1]);
		unsetenv("LD_PRELOAD");
		execl("/proc/self/exe", "preload_test", "elsewhere", number, NULL);
		_exit(9);
	}
	close(self->socks[1]);
	self->epoll = recv_fd(self->socks[0]);
	ASSERT_LE(0, self->epoll);
	ASSERT_STREQ("anon_inode:[eventpoll]", name_of(self->epoll));
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 43 };
}

FIXTURE_TEARDOWN(preload)
{
	close(self->socks[0]);
	EXPECT_EQ(0, reap(self->pid));
	close(self->epoll);
	close(self->fd);
}

/* The data of the event that is ready, 0 if there is none, -1 if the call fails. */
static int data_of(int ep)
{
	struct epoll_event ev = {};
	int n = epoll_wait(ep, &ev, 1, 0);

	return n == 1 ? (int)ev.data.u64 : n;
}

/* Each call that creates an instance opens the device. */
TEST(makes_evpoll)
{
	EXPECT_STREQ("/dev/evpoll", name_of(epoll_create1(0)));
	EXPECT_STREQ("/dev/evpoll", name_of(epoll_create(1)));
	EXPECT_STREQ("/dev/evpoll", name_of(syscall(SYS_epoll_create1, 0)));
}

/*
 * An epoll instance from another process works in all calls, before and after this process creates
 * its own instances.
 */
TEST_F(preload, made_elsewhere)
{
	struct epoll_event two[2];
	const struct timespec zero = {};
	sigset_t none;
	int own;

	sigemptyset(&none);
	for (int i = 0; i < 2; i++) {
		errno = 77;
		EXPECT_EQ(42, data_of(self->epoll));
		EXPECT_EQ(1, epoll_pwait(self->epoll, &self->ev, 1, -1, &none));
		EXPECT_EQ(1, epoll_pwait2(self->epoll, &self->ev, 1, &zero, &none));
		EXPECT_EQ(1, syscall(SYS_epoll_pwait, self->epoll, &self->ev, 1, 0, NULL, 0));
		EXPECT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->fd, &self->ev));
		EXPECT_EQ(2, epoll_wait(self->epoll, two, 2, 0));
		EXPECT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_DEL, self->fd, NULL));
		EXPECT_EQ(77, errno);
		EXPECT_EQ(-1, epoll_wait(self->epoll, &self->ev, 0, 0));
		EXPECT_EQ(EINVAL, errno);
		own = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_LE(0, own);
	}
	close(own);
}

/* README: adding an epoll instance to an evpoll instance is ELOOP; the reverse works */
TEST_F(preload, nesting)
{
	struct epoll_event two[2];
	int own = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, own);
	EXPECT_EQ(-1, epoll_ctl(own, EPOLL_CTL_ADD, self->epoll, &self->ev));
	EXPECT_EQ(ELOOP, errno);
	EXPECT_EQ(0, epoll_ctl(own, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_ADD, own, &self->ev));
	EXPECT_EQ(2, epoll_wait(self->epoll, two, 2, 0));
	close(own);
}

/* The result of IORING_OP_EPOLL_CTL, or 1000 if there is none */
static int add_by_uring(struct uring *u, int ep, int fd, struct epoll_event *ev)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_EPOLL_CTL,
		.fd = ep,
		.off = fd,
		.len = EPOLL_CTL_ADD,
		.addr = (uintptr_t)ev,
	};
	struct io_uring_cqe cqe;

	uring_queue(u, &sqe);
	syscall(SYS_io_uring_enter, u->fd, 1, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
	return uring_wait(u, &cqe, SOON) ? cqe.res : 1000;
}

/* A ring changes instances of both kinds. The library leaves a ring with a thread alone. */
TEST_F(preload, uring)
{
	int own = epoll_create1(EPOLL_CLOEXEC);
	struct uring u, thread;

	ASSERT_LE(0, own);
	ASSERT_EQ(0, uring_open(&u));
	ASSERT_EQ(0, uring_setup(&thread, 64, 0, IORING_SETUP_SQPOLL));
	EXPECT_EQ(0, add_by_uring(&u, self->epoll, self->fd, &self->ev));
	EXPECT_EQ(0, add_by_uring(&u, own, self->fd, &self->ev));
	EXPECT_EQ(-EEXIST, add_by_uring(&thread, self->epoll, self->fd, &self->ev));
	EXPECT_EQ(-EINVAL, add_by_uring(&thread, own, self->fd, &self->ev));
	EXPECT_EQ(43, data_of(own));
	uring_close(&thread);
	uring_close(&u);
	close(own);
}

/* A mapping that another one replaces is no ring, whatever its bytes say. */
TEST_F(preload, uring_replaced)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_EPOLL_CTL };
	int own = epoll_create1(EPOLL_CLOEXEC);
	struct uring u;

	ASSERT_LE(0, own);
	ASSERT_EQ(0, uring_open(&u));
	sqe.fd = own;
	ASSERT_EQ(u.sqes, mmap(u.sqes, u.p.sq_entries * uring_sqe_size(&u), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	uring_queue(&u, &sqe);
	EXPECT_EQ(1, syscall(SYS_io_uring_enter, u.fd, 1, 0, 0, NULL, 0));
	EXPECT_EQ(IORING_OP_EPOLL_CTL, u.sqes[0].opcode);
	uring_close(&u);
	close(own);
}

/* From now on, a seccomp filter answers this system call with @action. */
static int forbid(int nr, unsigned int action)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(filter), .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/*
 * A program that creates its instances itself makes no system call of epoll, unless its own call is
 * wrong.
 */
TEST_F(preload, one_call_each)
{
	static const int calls[] = {
		SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2,
	};
	const struct timespec zero = {};
	int own;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		ASSERT_EQ(0, forbid(calls[i], SECCOMP_RET_KILL_PROCESS));
	own = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, own);
	EXPECT_EQ(0, data_of(own));
	EXPECT_EQ(0, epoll_ctl(own, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(43, data_of(own));
	EXPECT_EQ(1, epoll_pwait(own, &self->ev, 1, -1, NULL));
	EXPECT_EQ(1, epoll_pwait2(own, &self->ev, 1, &zero, NULL));
	close(own);
}

/* Documentation/libevpoll.rst, "Seccomp filters": filters that allow only epoll's calls */
TEST_F(preload, seccomp)
{
	int own = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, own);
	ASSERT_EQ(0, forbid(SYS_ioctl, SECCOMP_RET_ERRNO | EPERM));
	EXPECT_ERRNO(EPERM, epoll_ctl(own, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_ERRNO(EPERM, epoll_wait(own, &self->ev, 1, 0));
	ASSERT_EQ(0, forbid(SYS_openat, SECCOMP_RET_ERRNO | EPERM));
	unsetenv("EVPOLL_PRELOAD_STRICT");
	close(own);
	own = epoll_create1(EPOLL_CLOEXEC);
	EXPECT_STREQ("anon_inode:[eventpoll]", name_of(own));
	EXPECT_EQ(0, epoll_ctl(own, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(43, data_of(own));
	close(own);
}

/* Hide the device from this process and its children. */
static int lose_device(void)
{
	char folder[] = "/tmp/without-XXXXXX";

	return mkdtemp(folder) && !chroot(folder) && !chdir("/") ? 0 : -1;
}

/* Run a child without the device, which creates two instances. Its stderr goes to @log. */
static int without_device(int ep, char *log, size_t size)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 43 };
	size_t n = 0;
	int pipes[2];
	pid_t pid;

	memset(log, 0, size);
	if (pipe(pipes))
		return -1;
	pid = fork();
	if (!pid) {
		int made, fd = eventfd(1, 0);

		dup2(pipes[1], STDERR_FILENO);
		close(pipes[1]);
		if (lose_device())
			_exit(1);
		errno = 77;
		made = epoll_create1(0);
		made = epoll_create(1);
		if (made < 0 || epoll_ctl(made, EPOLL_CTL_ADD, fd, &ev))
			_exit(2);
		if (data_of(made) != 43)
			_exit(3);
		/* An older evpoll instance continues to work. */
		if (errno != 77 || data_of(ep) != 43)
			_exit(4);
		if (epoll_ctl(ep, EPOLL_CTL_MOD, pipes[0], &ev) != -1 || errno != ENOENT)
			_exit(5);
		_exit(0);
	}
	close(pipes[1]);
	while (n < size - 1) {
		ssize_t more = read(pipes[0], log + n, size - 1 - n);

		if (more <= 0)
			break;
		n += more;
	}
	close(pipes[0]);
	return reap(pid);
}

/* Without the device, the library uses epoll and says so once; evpoll instances still work. */
TEST_F(preload, no_device)
{
	int own = epoll_create1(0);
	char log[512];

	ASSERT_LE(0, own);
	ASSERT_EQ(0, epoll_ctl(own, EPOLL_CTL_ADD, self->fd, &self->ev));
	unsetenv("EVPOLL_PRELOAD_STRICT");
	EXPECT_EQ(0, without_device(own, log, sizeof(log)));
	EXPECT_STREQ(MISSING ", using epoll instead\n", log);
	setenv("EVPOLL_PRELOAD_STRICT", "0", 1);
	EXPECT_EQ(0, without_device(own, log, sizeof(log)));
	close(own);
}

/* EVPOLL_PRELOAD_STRICT=1: the program ends, after a message that says why */
TEST_F(preload, no_device_strict)
{
	int own = epoll_create1(0);
	char log[512];

	setenv("EVPOLL_PRELOAD_STRICT", "1", 1);
	EXPECT_EQ(125, without_device(own, log, sizeof(log)));
	EXPECT_STREQ(MISSING ", and EVPOLL_PRELOAD_STRICT=1 forbids epoll\n", log);
	close(own);
}

/* A program that uses epoll then gets epoll's errors. */
TEST(no_device_errors)
{
	static const struct subject subject = { epoll_create1, epoll_ctl };
	static const struct way ways[] = {
		{ "SYS_epoll_ctl", NULL, SYS_epoll_ctl, { instances, ops, targets, events } },
		{ "SYS_epoll_pwait2", NULL, SYS_epoll_pwait2,
		  { instances, buffers, maxevents, times, masks, mask_sizes } },
	};

	ASSERT_EQ(0, errors_setup());
	ASSERT_EQ(0, lose_device());
	unsetenv("EVPOLL_PRELOAD_STRICT");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		compare(_metadata, &ways[i], &subject);
}

/* An error that epoll_create1() has too does not mean that the device is missing. */
TEST(emfile_is_no_lack)
{
	struct rlimit rl = { 3, 3 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &rl));
	EXPECT_EQ(-1, epoll_create1(0));
	EXPECT_EQ(EMFILE, errno);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "elsewhere"))
		return elsewhere(atoi(argv[2]));
	return test_harness_run(argc, argv);
}
