// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signal-driven use (R5): with O_ASYNC the kernel sends a signal when the instance has an event.
 * The tests check which task gets the signal, which signal it is, and how many come.
 */
#include "evpoll_burst.h"
#include "evpoll_util.h"

#include <sys/eventfd.h>
#include <sys/signalfd.h>

/* Real-time signals queue, so a test can count them. */
#define SIG (SIGRTMIN + 1)

FIXTURE(sigio) {
	int ep;
	int fd;
};

FIXTURE_SETUP(sigio)
{
	sigset_t set;

	/* The tests fetch signals with sigtimedwait(). */
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIG);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	self->ep = ep_create(BY_READ, O_CLOEXEC | O_NONBLOCK);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ep_add(BY_READ, self->ep, self->fd, EPOLLIN | EPOLLET));
}

FIXTURE_TEARDOWN(sigio)
{
	close(self->ep);
	close(self->fd);
}

/* The descriptor @ep gets O_ASYNC, and this process gets the signal @sig. */
static int async_on(int ep, int sig)
{
	if (fcntl(ep, F_SETOWN, getpid()) || fcntl(ep, F_SETSIG, sig))
		return -1;
	return fcntl(ep, F_SETFL, fcntl(ep, F_GETFL) | O_ASYNC);
}

static int async_off(int ep)
{
	return fcntl(ep, F_SETFL, fcntl(ep, F_GETFL) & ~O_ASYNC);
}

/* Returns @sig once it comes, or -1. With @info, what it says. */
static int sig_wait(int sig, siginfo_t *info, int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return sigtimedwait(&set, info, &ts);
}

static int sig_take_all(int sig)
{
	int n = 0;

	while (sig_wait(sig, NULL, 0) == sig)
		n++;
	return n;
}

/*
 * Waits until NAPI has told pollers of all events so far. A second instance watches @ep, so it
 * hears of an event when the other pollers of @ep do.
 */
static bool settled(int ep)
{
	int fd = eventfd(0, EFD_CLOEXEC), outer = ep_create(BY_WAIT, O_CLOEXEC);
	struct epoll_event ev;
	bool ok;

	ok = !ep_add(BY_WAIT, ep, fd, EPOLLIN | EPOLLET) &&
	     !ep_add(BY_WAIT, outer, ep, EPOLLIN | EPOLLET);
	/* What is there already is no news. */
	ep_wait(BY_WAIT, outer, &ev, 1, 0);
	ok = ok && !eventfd_write(fd, 1) && ep_wait(BY_WAIT, outer, &ev, 1, SOON) == 1;
	close(outer);
	close(fd);
	return ok;
}

/* fcntl(2): F_SETFL with O_ASYNC; SIGIO by default, for each new event, until it is cleared */
TEST_F(sigio, fcntl)
{
	struct epoll_event ev;

	ASSERT_EQ(0, async_on(self->ep, 0));
	EXPECT_TRUE(fcntl(self->ep, F_GETFL) & O_ASYNC);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		EXPECT_EQ(SIGIO, sig_wait(SIGIO, NULL, SOON));
		EXPECT_EQ((ssize_t)sizeof(ev), read(self->ep, &ev, sizeof(ev)));
		EXPECT_EVENT(EPOLLIN, self->fd, ev);
	}
	ASSERT_EQ(0, async_off(self->ep));
	EXPECT_FALSE(fcntl(self->ep, F_GETFL) & O_ASYNC);
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_TRUE(settled(self->ep));
	EXPECT_EQ(0, sig_take_all(SIGIO));
}

/* ioctl(2): FIOASYNC does the same */
TEST_F(sigio, fioasync)
{
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN, getpid()));
	ASSERT_EQ(0, ioctl(self->ep, FIOASYNC, &(int){ 1 }));
	EXPECT_TRUE(fcntl(self->ep, F_GETFL) & O_ASYNC);
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(SIGIO, sig_wait(SIGIO, NULL, SOON));
	ASSERT_EQ(0, ioctl(self->ep, FIOASYNC, &(int){ 0 }));
	EXPECT_FALSE(fcntl(self->ep, F_GETFL) & O_ASYNC);
}

/* No signal is lost in between: an event before O_ASYNC is found by the read that follows it */
TEST_F(sigio, event_before)
{
	struct epoll_event ev;

	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(0, async_on(self->ep, 0));
	EXPECT_EQ((ssize_t)sizeof(ev), read(self->ep, &ev, sizeof(ev)));
}

/* fcntl(2): F_SETSIG; si_fd, si_band and si_code tell which descriptor has what */
TEST_F(sigio, siginfo)
{
	siginfo_t info;
	int copy;

	ASSERT_EQ(0, async_on(self->ep, SIG));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(SIG, sig_wait(SIG, &info, SOON));
	EXPECT_EQ(POLL_IN, info.si_code);
	EXPECT_EQ(self->ep, info.si_fd);
	EXPECT_EQ(POLLIN | POLLRDNORM, info.si_band);
	/* si_fd is the descriptor by which O_ASYNC was set. */
	ASSERT_EQ(0, async_off(self->ep));
	copy = dup(self->ep);
	ASSERT_EQ(0, async_on(copy, SIG));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(SIG, sig_wait(SIG, &info, SOON));
	EXPECT_EQ(copy, info.si_fd);
	close(copy);
}

/* A child that gets @sig says so and ends. */
static pid_t receiver(int sig)
{
	pid_t pid = fork();

	if (!pid)
		_exit(sig_wait(sig, NULL, SOON) == sig ? 0 : 1);
	return pid;
}

/* fcntl(2): F_SETOWN takes a process or a process group */
TEST_F(sigio, owner)
{
	pid_t pid[3];

	ASSERT_EQ(0, async_on(self->ep, SIG));
	pid[0] = receiver(SIG);
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN, pid[0]));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(0, reap(pid[0]));

	for (int i = 0; i < 3; i++) {
		pid[i] = receiver(SIG);
		ASSERT_EQ(0, setpgid(pid[i], pid[0]));
	}
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN, -pid[0]));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(0, reap(pid[i]));
	EXPECT_EQ(0, sig_take_all(SIG));
}

/* A thread that fetches a signal of its own */
struct fetcher {
	_Atomic pid_t tid;
	int got;
};

static void *fetcher_main(void *arg)
{
	struct fetcher *f = arg;

	f->tid = syscall(SYS_gettid);
	f->got = sig_wait(SIG, NULL, SOON);
	return NULL;
}

/* fcntl(2): F_SETOWN_EX with F_OWNER_TID; the signal goes to this thread and no other */
TEST_F(sigio, owner_thread)
{
	struct fetcher f = {};
	struct f_owner_ex owner = { .type = F_OWNER_TID };
	pthread_t thread;

	ASSERT_EQ(0, async_on(self->ep, SIG));
	ASSERT_EQ(0, pthread_create(&thread, NULL, fetcher_main, &f));
	while (!f.tid)
		sched_yield();
	owner.pid = f.tid;
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN_EX, &owner));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(SIG, f.got);
	EXPECT_EQ(0, sig_take_all(SIG));
}

/* An owner that has died gets nothing, and nobody else does. The next owner does */
TEST_F(sigio, owner_died)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	ASSERT_EQ(0, async_on(self->ep, SIG));
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN, pid));
	ASSERT_EQ(0, reap(pid));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_TRUE(settled(self->ep));
	EXPECT_EQ(0, sig_take_all(SIG));
	ASSERT_EQ(0, fcntl(self->ep, F_SETOWN, getpid()));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(SIG, sig_wait(SIG, NULL, SOON));
}

/* fcntl(2): when no more signals can be queued, SIGIO comes in place of the one of F_SETSIG */
TEST_F(sigio, queue_overflow)
{
	struct rlimit none = {};

	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
	ASSERT_EQ(0, async_on(self->ep, SIG));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(SIGIO, sig_wait(SIGIO, NULL, SOON));
	EXPECT_EQ(0, sig_take_all(SIG));
}

/* The handler runs while the program does something else, and reads what waits */
static int handler_ep;
static volatile sig_atomic_t handler_events;

static void read_all(int sig)
{
	struct epoll_event ev[4];
	ssize_t n;

	(void)sig;
	while ((n = read(handler_ep, ev, sizeof(ev))) > 0)
		handler_events += n / sizeof(*ev);
}

TEST_F(sigio, handler)
{
	struct sigaction action = { .sa_handler = read_all };
	long long end = now_ms() + SOON;
	sigset_t set;

	handler_ep = self->ep;
	ASSERT_EQ(0, sigaction(SIG, &action, NULL));
	ASSERT_EQ(0, async_on(self->ep, SIG));
	sigemptyset(&set);
	sigaddset(&set, SIG);
	ASSERT_EQ(0, sigprocmask(SIG_UNBLOCK, &set, NULL));
	for (int i = 1; i <= 100; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		while (handler_events < i && now_ms() < end)
			;
		ASSERT_EQ(i, handler_events);
	}
}

FIXTURE(sigio_burst) {
	int ep;
	int line[32];
};

FIXTURE_VARIANT(sigio_burst) {
	int context;
};

/* In process context each event has a run of NAPI for itself. */
FIXTURE_VARIANT_ADD(sigio_burst, softirq) { .context = EVPOLL_SOURCE_SOFTIRQ };
FIXTURE_VARIANT_ADD(sigio_burst, hardirq) { .context = EVPOLL_SOURCE_HARDIRQ };
FIXTURE_VARIANT_ADD(sigio_burst, napi) { .context = EVPOLL_SOURCE_NAPI };

FIXTURE_SETUP(sigio_burst)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIG);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	self->ep = lines_setup(_metadata, variant->context, self->line, 32);
	if (self->ep < 0)
		return;
	ASSERT_EQ(0, lines_add(BY_WAIT, self->ep, self->line, 32, EPOLLIN | EPOLLET));
}

FIXTURE_TEARDOWN(sigio_burst)
{
	lines_close(self->line, 32);
	close(self->ep);
}

/* A burst is one signal, although each of its events finds the receiver waiting */
TEST_F(sigio_burst, one_signal)
{
	struct epoll_event ev[32];

	ASSERT_EQ(0, async_on(self->ep, SIG));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, burst(variant->context, self->line, 32));
		ASSERT_EQ(SIG, sig_wait(SIG, NULL, SOON));
		/* The signal comes when all of the burst is ready. */
		EXPECT_EQ(32, ep_wait(BY_WAIT, self->ep, ev, 32, 0));
		EXPECT_EQ(0, sig_take_all(SIG));
	}
}

/* With a window: one signal for each, when it ends */
TEST_F(sigio_burst, one_signal_a_window)
{
	struct epoll_event ev[32];

	ASSERT_EQ(0, set_window(self->ep, 1000000, 32));
	ASSERT_EQ(0, async_on(self->ep, SIG));
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 31; k++)
			ASSERT_EQ(0, burst(variant->context, &self->line[k], 1));
		EXPECT_EQ(0, sig_take_all(SIG));
		ASSERT_EQ(0, burst(variant->context, &self->line[31], 1));
		ASSERT_EQ(SIG, sig_wait(SIG, NULL, SOON));
		EXPECT_EQ(32, ep_wait(BY_WAIT, self->ep, ev, 32, 0));
		EXPECT_EQ(0, sig_take_all(SIG));
	}
}

/* Signals that fit into the queue, so that a loop of them ends */
#define QUEUE 100

/* The queue is full when SIGIO comes in place of SIG. */
static bool queue_is_full(void)
{
	sigset_t set;

	return sigpending(&set) || sigismember(&set, SIGIO);
}

/*
 * The kernel wakes a signalfd for each signal of the process, also for one that is not in its
 * mask. So the signal is an event of the instance, and must not cause the next signal.
 */
TEST_F(sigio, signalfd)
{
	const int in_mask[] = { SIG, SIGTERM };
	struct rlimit few = { QUEUE, QUEUE };
	struct signalfd_siginfo info;
	sigset_t set;
	int sfd, n;

	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &few));
	ASSERT_EQ(0, async_on(self->ep, SIG));
	for (size_t i = 0; i < ARRAY_SIZE(in_mask); i++) {
		sigemptyset(&set);
		sigaddset(&set, in_mask[i]);
		ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
		sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
		ASSERT_LE(0, sfd);
		ASSERT_EQ(0, ep_add(BY_READ, self->ep, sfd, EPOLLIN | EPOLLET));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		/* One signal for this event, and one for the event of settled() */
		ASSERT_TRUE(settled(self->ep));
		ASSERT_TRUE(settled(self->ep));
		EXPECT_FALSE(queue_is_full());
		/* The event itself is not lost. */
		if (in_mask[i] == SIG)
			EXPECT_EQ(EPOLLIN, ep_mask(BY_READ, self->ep, sfd, 0));
		for (n = 0; read(sfd, &info, sizeof(info)) == sizeof(info); n++)
			;
		n += sig_take_all(SIG);
		EXPECT_LE(1, n);
		EXPECT_GE(3, n);
		/* A signal that the signalfd is for causes one, too. */
		ASSERT_EQ(0, kill(getpid(), in_mask[i]));
		ASSERT_TRUE(settled(self->ep));
		EXPECT_FALSE(queue_is_full());
		close(sfd);
		sig_take_all(SIG);
		sig_take_all(SIGTERM);
	}
}

/*
 * With an instance in between, each signal causes the next until no more can be queued:
 * security.rst says so. The kernel wakes a signalfd while it holds the lock of the receiver's
 * signals, and the way back to the receiver takes that lock.
 */
TEST_F(sigio, signalfd_loop)
{
	struct rlimit few = { QUEUE, QUEUE };
	int inner = ep_create(BY_READ, O_CLOEXEC), sfd;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIG);
	sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ASSERT_LE(0, sfd);
	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &few));
	ASSERT_EQ(0, ep_add(BY_READ, inner, sfd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_READ, self->ep, inner, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, async_on(self->ep, SIG));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	while (!queue_is_full())
		sched_yield();
	ASSERT_EQ(0, async_off(self->ep));
	EXPECT_LT(2, sig_take_all(SIG));
	close(inner);
	close(sfd);
}

/* O_ASYNC ends with the file: with its last descriptor, and with the process */
TEST_F(sigio, closed)
{
	int copy = dup(self->ep), ep;
	pid_t pid;

	ASSERT_EQ(0, async_on(self->ep, SIG));
	close(self->ep);
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(SIG, sig_wait(SIG, NULL, SOON));
	close(copy);
	self->ep = -1;
	pid = fork();
	if (!pid) {
		ep = ep_create(BY_READ, O_CLOEXEC);
		_exit(ep_add(BY_READ, ep, self->fd, EPOLLIN) || async_on(ep, SIG));
	}
	ASSERT_EQ(0, reap(pid));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ep = ep_create(BY_READ, O_CLOEXEC);
	ASSERT_EQ(0, ep_add(BY_READ, ep, self->fd, EPOLLIN | EPOLLET));
	ASSERT_TRUE(settled(ep));
	EXPECT_EQ(0, sig_take_all(SIG));
	close(ep);
}

/* Threads that change O_ASYNC and the owner of one instance after the other, while events come */
struct changer {
	_Atomic int ep;
	int fd;
	int loops;
	atomic_bool stop;
};

static void *change_owner(void *arg)
{
	struct changer *c = arg;
	pid_t me = getpid();

	for (int i = 0; i < c->loops; i++)
		fcntl(c->ep, F_SETOWN, i & 1 ? me : -getpgrp());
	c->stop = true;
	return NULL;
}

static void *change_flag(void *arg)
{
	struct changer *c = arg;

	while (!c->stop) {
		fcntl(c->ep, F_SETFL, O_NONBLOCK | O_ASYNC);
		fcntl(c->ep, F_SETFL, O_NONBLOCK);
	}
	return NULL;
}

static void *write_events(void *arg)
{
	struct changer *c = arg;

	while (!c->stop)
		eventfd_write(c->fd, 1);
	return NULL;
}

#define OWNER_CHANGES 1000000

/*
 * Two threads in F_SETFL at once may clear the flag and leave the rest of O_ASYNC. The last close
 * must find that too. kmemleak and KASAN see if it does not.
 */
TEST_F_TIMEOUT(sigio, changed_in_loops, 300)
{
	static void *(*const mains[])(void *) = {
		change_owner, change_flag, change_flag, write_events,
	};
	struct changer c = { .ep = self->ep, .fd = self->fd, .loops = OWNER_CHANGES };
	pthread_t thread[ARRAY_SIZE(mains)];
	int next;

	/* The harness is in the old group, and would die of SIGIO. */
	ASSERT_EQ(0, setpgid(0, 0));
	ASSERT_EQ(0, async_on(self->ep, SIGIO));
	for (size_t i = 0; i < ARRAY_SIZE(mains); i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, mains[i], &c));
	while (!c.stop) {
		next = ep_create(BY_READ, O_CLOEXEC | O_NONBLOCK);
		ASSERT_EQ(0, ep_add(BY_READ, next, self->fd, EPOLLIN | EPOLLET));
		/* The threads may have the old one in a call, which is then its last user. */
		ASSERT_EQ(self->ep, dup2(next, self->ep));
		close(next);
		sig_take_all(SIGIO);
	}
	for (size_t i = 0; i < ARRAY_SIZE(mains); i++)
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
	ASSERT_EQ(0, async_on(self->ep, SIG));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(SIG, sig_wait(SIG, NULL, SOON));
}

TEST_HARNESS_MAIN
