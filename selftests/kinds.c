// SPDX-License-Identifier: GPL-2.0-only
/* R33: pipes, terminals, and the files that the kernel makes of other things. */
#include "kinds.h"

#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "evpoll_uring.h"

/* R33: a pipe's read end: data, the writer's end */
TEST_F(kinds, pipe_read)
{
	int p[2];

	ASSERT_EQ(0, pipe(p));
	WATCH(p[0]);
	EXPECT_STATE(p[0], 0);
	ASSERT_EQ(0, put_byte(p[1]));
	EXPECT_CHANGE(p[0], IN);
	close(p[1]);
	EXPECT_CHANGE(p[0], IN | EPOLLHUP);
	ASSERT_EQ(0, get_byte(p[0]));
	EXPECT_STATE(p[0], EPOLLHUP);
}

/* R33: a pipe's write end: full, not full, the reader's end */
TEST_F(kinds, pipe_write)
{
	char buf[4096];
	int p[2];

	ASSERT_EQ(0, pipe2(p, O_NONBLOCK));
	WATCH(p[1]);
	EXPECT_CHANGE(p[1], OUT);
	while (write(p[1], buf, sizeof(buf)) > 0)
		;
	EXPECT_STATE(p[1], 0);
	while (read(p[0], buf, sizeof(buf)) > 0)
		;
	EXPECT_CHANGE(p[1], OUT);
	close(p[0]);
	EXPECT_CHANGE(p[1], OUT | EPOLLERR);
}

/* R33: a FIFO: writers come and go */
TEST_F(kinds, fifo)
{
	char path[] = "/tmp/evpoll-fifo-XXXXXX";
	int r, w;

	ASSERT_NE(NULL, mkdtemp(path));
	ASSERT_EQ(0, rmdir(path));
	ASSERT_EQ(0, mkfifo(path, 0600));
	r = open(path, O_RDONLY | O_NONBLOCK);
	WATCH(r);
	EXPECT_STATE(r, 0);
	for (int i = 0; i < 2; i++) {
		w = open(path, O_WRONLY);
		ASSERT_LE(0, w);
		ASSERT_EQ(0, put_byte(w));
		EXPECT_CHANGE(r, IN);
		ASSERT_EQ(0, get_byte(r));
		EXPECT_STATE(r, 0);
		close(w);
		EXPECT_CHANGE(r, EPOLLHUP);
	}
	unlink(path);
}

/* R33: eventfd(2) */
TEST_F(kinds, eventfd)
{
	int e = eventfd(0, EFD_NONBLOCK);
	eventfd_t n;

	WATCH(e);
	EXPECT_CHANGE(e, EPOLLOUT);
	ASSERT_EQ(0, eventfd_write(e, 1));
	EXPECT_CHANGE(e, EPOLLIN | EPOLLOUT);
	ASSERT_EQ(0, eventfd_write(e, UINT64_MAX - 2));
	EXPECT_CHANGE(e, EPOLLIN);
	ASSERT_EQ(0, eventfd_read(e, &n));
	EXPECT_CHANGE(e, EPOLLOUT);
}

/* R33: timerfd_create(2), woken by the timer's interrupt */
TEST_F(kinds, timerfd)
{
	struct itimerspec its = { { 0, 0 }, { 0, 20000000 } };
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t n;

	WATCH(t);
	EXPECT_STATE(t, 0);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, timerfd_settime(t, 0, &its, NULL));
		EXPECT_CHANGE(t, EPOLLIN);
		ASSERT_EQ((ssize_t)sizeof(n), read(t, &n, sizeof(n)));
		EXPECT_STATE(t, 0);
	}
}

/* R33: signalfd(2) */
TEST_F(kinds, signalfd)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int s;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	s = signalfd(-1, &set, SFD_NONBLOCK);
	WATCH(s);
	EXPECT_STATE(s, 0);
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	EXPECT_CHANGE(s, EPOLLIN);
	ASSERT_EQ((ssize_t)sizeof(info), read(s, &info, sizeof(info)));
	EXPECT_STATE(s, 0);
}

/* R33: inotify(7) */
TEST_F(kinds, inotify)
{
	char dir[] = "/tmp/evpoll-inotify-XXXXXX", buf[4096];
	int n = inotify_init1(IN_NONBLOCK);

	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_LE(0, inotify_add_watch(n, dir, IN_DELETE_SELF | IN_ATTRIB));
	WATCH(n);
	EXPECT_STATE(n, 0);
	ASSERT_EQ(0, chmod(dir, 0755));
	EXPECT_CHANGE(n, IN);
	ASSERT_LT(0, read(n, buf, sizeof(buf)));
	EXPECT_STATE(n, 0);
	ASSERT_EQ(0, rmdir(dir));
	EXPECT_CHANGE(n, IN);
}

/* R33: fanotify(7) */
TEST_F(kinds, fanotify)
{
	char file[] = "/tmp/evpoll-fanotify-XXXXXX", buf[4096];
	int n = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
	int f = mkstemp(file);

	if (n < 0)
		SKIP(return, "fanotify_init: %s", strerror(errno));
	ASSERT_LE(0, f);
	ASSERT_EQ(0, fanotify_mark(n, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, file));
	WATCH(n);
	EXPECT_STATE(n, 0);
	ASSERT_EQ(0, put_byte(f));
	EXPECT_CHANGE(n, IN);
	ASSERT_LT(0, read(n, buf, sizeof(buf)));
	EXPECT_STATE(n, 0);
	unlink(file);
}

/* A terminal without echo and line editing, so that bytes are bytes. */
static int pty_open(int *slave)
{
	struct termios t;
	int m = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	int unlock = 0;

	if (m < 0 || ioctl(m, TIOCSPTLCK, &unlock))
		return -1;
	*slave = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (*slave < 0 || tcgetattr(*slave, &t))
		return -1;
	cfmakeraw(&t);
	return tcsetattr(*slave, TCSANOW, &t) ? -1 : m;
}

/* R33: a terminal, which has a wait queue for each direction */
TEST_F(kinds, pty)
{
	static char buf[65536];
	struct pollfd pfd;
	int m, s;

	m = pty_open(&s);
	ASSERT_LE(0, m);
	WATCH(m);
	EXPECT_CHANGE(m, OUT);
	WATCH(s);
	EXPECT_CHANGE(s, OUT);
	/* the first queue: input */
	ASSERT_EQ(0, put_byte(m));
	EXPECT_CHANGE(s, IN | OUT);
	ASSERT_EQ(0, get_byte(s));
	EXPECT_STATE(s, OUT);
	ASSERT_EQ(0, put_byte(s));
	EXPECT_CHANGE(m, IN | OUT);
	ASSERT_EQ(0, get_byte(m));
	EXPECT_STATE(m, OUT);
	/* the second: output, stopped and started */
	ASSERT_EQ(0, tcflow(s, TCOOFF));
	EXPECT_STATE(s, 0);
	ASSERT_EQ(0, tcflow(s, TCOON));
	EXPECT_CHANGE(s, OUT);
	/* full and emptied */
	pfd = (struct pollfd){ .fd = s, .events = POLLOUT };
	do {
		while (write(s, buf, sizeof(buf)) > 0)
			;
		EXPECT_EQ(EAGAIN, errno);
	} while (poll(&pfd, 1, 100) > 0);
	EXPECT_STATE(s, 0);
	while (ep_mask(variant->by, self->lt, s, 0) != OUT && read(m, buf, sizeof(buf)) > 0)
		;
	EXPECT_CHANGE(s, OUT);
}

/* R33: the ends of a terminal: the slave closed, opened again; the master closed */
TEST_F(kinds, pty_hangup)
{
	char path[32];
	int m, s;

	m = pty_open(&s);
	ASSERT_LE(0, m);
	ASSERT_EQ(0, ptsname_r(m, path, sizeof(path)));
	WATCH(m);
	EXPECT_CHANGE(m, OUT);
	close(s);
	EXPECT_CHANGE(m, OUT | EPOLLHUP);
	s = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (s < 0)
		SKIP(return, "%s: %s", path, strerror(errno));
	EXPECT_STATE(m, OUT);
	WATCH(s);
	EXPECT_CHANGE(s, OUT);
	close(m);
	EXPECT_SAME_CHANGE(s, EPOLLHUP);
	EXPECT_EQ(1, ep_items(self->et));
}

/* R33: mq_overview(7) */
TEST_F(kinds, mqueue)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 8 };
	char name[32], buf[8];
	mqd_t q;

	snprintf(name, sizeof(name), "/evpoll-%d", getpid());
	q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
	if (q < 0)
		SKIP(return, "mq_open: %s", strerror(errno));
	mq_unlink(name);
	WATCH(q);
	EXPECT_CHANGE(q, OUT);
	ASSERT_EQ(0, mq_send(q, "x", 1, 0));
	EXPECT_CHANGE(q, IN | OUT);
	ASSERT_EQ(0, mq_send(q, "x", 1, 0));
	EXPECT_STATE(q, IN);
	ASSERT_EQ(1, mq_receive(q, buf, sizeof(buf), NULL));
	EXPECT_CHANGE(q, IN | OUT);
	ASSERT_EQ(1, mq_receive(q, buf, sizeof(buf), NULL));
	EXPECT_STATE(q, OUT);
}

/* R33: pidfd_open(2): readable when the process has exited */
TEST_F(kinds, pidfd)
{
	pid_t pid = fork();
	int p;

	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	p = syscall(SYS_pidfd_open, pid, 0);
	WATCH(p);
	EXPECT_STATE(p, 0);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_CHANGE(p, IN);
	ASSERT_EQ(-1, reap(pid));
	/* EPOLLHUP from 6.9 */
	EXPECT_EQ(ep_mask(BY_EPOLL, self->oracle, p, 0), ep_mask(variant->by, self->lt, p, 0));
	EXPECT_TRUE(ep_mask(variant->by, self->lt, p, 0) & EPOLLIN);
}

static void *toucher(void *page)
{
	*(volatile char *)page;
	return NULL;
}

/* R33: userfaultfd(2): readable when a thread waits for a page */
TEST_F(kinds, userfaultfd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero;
	int u = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffd_msg msg;
	pthread_t thread;
	char *page;

	if (u < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, ioctl(u, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)page;
	reg.range.len = 4096;
	ASSERT_EQ(0, ioctl(u, UFFDIO_REGISTER, &reg));
	WATCH(u);
	EXPECT_STATE(u, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, toucher, page));
	EXPECT_CHANGE(u, EPOLLIN);
	ASSERT_EQ((ssize_t)sizeof(msg), read(u, &msg, sizeof(msg)));
	EXPECT_STATE(u, 0);
	zero.range = reg.range;
	zero.mode = 0;
	ASSERT_EQ(0, ioctl(u, UFFDIO_ZEROPAGE, &zero));
	pthread_join(thread, NULL);
}

/* R33: an io_uring, readable when a completion waits */
TEST_F(kinds, io_uring)
{
	struct io_uring_sqe nop = { .opcode = IORING_OP_NOP };
	struct io_uring_cqe cqe;
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	WATCH(u.fd);
	EXPECT_CHANGE(u.fd, OUT);
	ASSERT_EQ(0, uring_submit(&u, &nop));
	EXPECT_CHANGE(u.fd, IN | OUT);
	ASSERT_TRUE(uring_peek(&u, &cqe));
	EXPECT_STATE(u.fd, OUT);
}

/* R33: /proc/self/mounts: EPOLLERR and EPOLLPRI once for each open of the file (proc(5)) */
TEST_F(kinds, proc_mounts)
{
	char dir[] = "/tmp/evpoll-mount-XXXXXX";
	int fd, other;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_NE(NULL, mkdtemp(dir));
	fd = open("/proc/self/mounts", O_RDONLY);
	other = open("/proc/self/mounts", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ep_add(variant->by, self->et, fd, ALL | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_EPOLL, self->oracle, other, ALL | EPOLLET));
	EXPECT_EQ(IN, ep_mask(variant->by, self->et, fd, SOON));
	EXPECT_EQ(IN, ep_mask(BY_EPOLL, self->oracle, other, SOON));
	ASSERT_EQ(0, mount("evpoll", dir, "tmpfs", 0, NULL));
	EXPECT_EQ(IN | EPOLLERR | EPOLLPRI, ep_mask(variant->by, self->et, fd, SOON));
	EXPECT_EQ(IN | EPOLLERR | EPOLLPRI, ep_mask(BY_EPOLL, self->oracle, other, SOON));
	ASSERT_EQ(0, umount(dir));
	EXPECT_EQ(IN | EPOLLERR | EPOLLPRI, ep_mask(variant->by, self->et, fd, SOON));
	rmdir(dir);
}

/* R33: /proc/sys/kernel/hostname, another /proc file with poll (proc_sys_poll) */
TEST_F(kinds, proc_sys)
{
	char name[64];
	int fd;

	if (unshare(CLONE_NEWUTS))
		SKIP(return, "unshare(CLONE_NEWUTS): %s", strerror(errno));
	fd = open("/proc/sys/kernel/hostname", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, name, sizeof(name)));
	ASSERT_EQ(0, ep_add(variant->by, self->et, fd, EPOLLPRI | EPOLLET));
	EXPECT_EQ(0, ep_mask(variant->by, self->et, fd, 0));
	ASSERT_EQ(0, sethostname("evpoll", 6));
	EXPECT_EQ(EPOLLPRI | EPOLLERR, ep_mask(variant->by, self->et, fd, SOON));
}

/* R33: kernfs: cgroup.events reports when a cgroup becomes populated and empty */
TEST_F(kinds, cgroup_events)
{
	char group[64], path[96], text[16], buf[256];
	int fd;
	pid_t pid;

	snprintf(group, sizeof(group), "/sys/fs/cgroup/evpoll-%d", getpid());
	if (mkdir(group, 0700))
		SKIP(return, "%s: %s", group, strerror(errno));
	snprintf(path, sizeof(path), "%s/cgroup.events", group);
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		rmdir(group);
		SKIP(return, "%s: %s (cgroup v1?)", path, strerror(errno));
	}
	ASSERT_LT(0, read(fd, buf, sizeof(buf)));
	ASSERT_EQ(0, ep_add(variant->by, self->et, fd, EPOLLPRI | EPOLLET));
	EXPECT_EQ(0, ep_mask(variant->by, self->et, fd, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", pid);
	EXPECT_EQ(0, write_file(path, text));
	EXPECT_EQ(EPOLLPRI | EPOLLERR, ep_mask(variant->by, self->et, fd, SOON));
	EXPECT_LT(0, pread(fd, buf, sizeof(buf), 0));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(EPOLLPRI | EPOLLERR, ep_mask(variant->by, self->et, fd, SOON));
	ASSERT_EQ(-1, reap(pid));
	close(fd);
	EXPECT_EQ(0, rmdir(group));
}

/* R33: a character device: /dev/kmsg is readable when the kernel has a new message */
TEST_F(kinds, kmsg)
{
	int r = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), w = open("/dev/kmsg", O_WRONLY);

	if (r < 0 || w < 0)
		SKIP(return, "/dev/kmsg: %s", strerror(errno));
	ASSERT_LE(0, lseek(r, 0, SEEK_END));
	WATCH(r);
	/* without the newline it would be readable only when the next one comes */
	ASSERT_EQ(8, write(w, "<7>test\n", 8));
	EXPECT_CHANGE(r, IN);
}

/* R33, epoll_ctl(2): EPERM for files that have no poll: regular files, directories, others */
TEST_F(kinds, no_poll)
{
	static const char * const path[] = {
		"/proc/self/exe", "/", "/tmp", "/proc/self/status", "/dev/null", "/dev/zero",
	};
	int m = memfd_create("evpoll", 0);

	for (int i = 0; i < 6; i++) {
		int fd = open(path[i], O_RDONLY);

		ASSERT_LE(0, fd) TH_LOG("%s", path[i]);
		EXPECT_ERRNO(EPERM, ep_add(variant->by, self->lt, fd, EPOLLIN));
		EXPECT_ERRNO(EPERM, ep_mod(variant->by, self->lt, fd, EPOLLIN));
		EXPECT_ERRNO(EPERM, ep_del(variant->by, self->lt, fd));
		close(fd);
	}
	EXPECT_ERRNO(EPERM, ep_add(variant->by, self->lt, m, EPOLLIN));
	EXPECT_EQ(0, ep_items(self->lt));
}

/* R33: all kinds of before in one instance at once, and closed with it */
TEST_F(kinds, together)
{
	struct pollfd pfd = { .events = POLLIN };
	struct epoll_event ev[16];
	int p[2], fd[7], slave;
	sigset_t set;

	sigemptyset(&set);
	ASSERT_EQ(0, pipe(p));
	fd[0] = p[0];
	fd[1] = eventfd(0, 0);
	fd[2] = timerfd_create(CLOCK_MONOTONIC, 0);
	fd[3] = signalfd(-1, &set, 0);
	fd[4] = inotify_init();
	fd[5] = pty_open(&slave);
	fd[6] = socket(AF_INET, SOCK_DGRAM, 0);
	for (int i = 0; i < 7; i++) {
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, ep_add(variant->by, self->lt, fd[i], EPOLLIN));
	}
	EXPECT_EQ(0, ep_wait(variant->by, self->lt, ev, 16, 0));
	ASSERT_EQ(0, put_byte(p[1]));
	ASSERT_EQ(0, eventfd_write(fd[1], 1));
	ASSERT_EQ(0, put_byte(slave));
	pfd.fd = fd[5];
	EXPECT_EQ(1, poll(&pfd, 1, SOON));
	EXPECT_EQ(3, ep_wait(variant->by, self->lt, ev, 16, SOON));
	EXPECT_EQ(7, ep_items(self->lt));
	for (int i = 0; i < 7; i++)
		close(fd[i]);
	EXPECT_EQ(0, ep_items(self->lt));
}

TEST_HARNESS_MAIN
