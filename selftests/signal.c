// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals and a wait: what ends it and how (signal(7)), and the mask that holds for the
 * wait alone (R15).
 */
#include "evpoll_util.h"

#include <stdatomic.h>
#include <sys/eventfd.h>

static atomic_int handled;

static void handler(int sig)
{
	(void)sig;
	handled++;
}

static void set_handler(int sig, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(sig, &action, NULL);
}

static bool blocked(int sig)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, sig);
}

static bool pending(int sig)
{
	sigset_t now;

	sigpending(&now);
	return sigismember(&now, sig);
}

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A thread: a signal to the main thread when it sleeps, an event when it sleeps again. */
struct poker {
	int sig;
	int fd;			/* an eventfd, or -1: no event */
	int handlers;		/* to run before the event */
	int event_alone;	/* how often the sleep went on until the event; a result */
	pthread_t thread;
};

static void *poker_main(void *arg)
{
	struct poker *p = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (!asleep(getpid()))
		return NULL;
	if (p->sig)
		syscall(SYS_tgkill, getpid(), getpid(), p->sig);
	if (p->fd < 0)
		return NULL;
	while (handled < p->handlers)
		sched_yield();
	if (asleep(getpid())) {
		p->event_alone++;
		eventfd_write(p->fd, 1);
	}
	return NULL;
}

FIXTURE(signal) {
	int ep;
	int fd;		/* an eventfd, watched */
};

FIXTURE_VARIANT(signal) {
	enum mechanism by;
};

EP_VARIANTS(signal);

FIXTURE_SETUP(signal)
{
	handled = 0;
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN | EPOLLET, 1));
}

FIXTURE_TEARDOWN(signal)
{
	close(self->ep);
	close(self->fd);
}

/* signal(7): a handler without SA_RESTART ends any wait with EINTR */
TEST_F(signal, eintr)
{
	struct poker p = { .sig = SIGUSR1, .fd = -1 };
	struct epoll_event ev;

	set_handler(SIGUSR1, 0);
	for (int timeout = -1; timeout <= SOON; timeout += SOON + 1) {
		handled = 0;
		ASSERT_EQ(0, pthread_create(&p.thread, NULL, poker_main, &p));
		EXPECT_ERRNO(EINTR, ep_wait(variant->by, self->ep, &ev, 1, timeout));
		EXPECT_EQ(1, handled);
		pthread_join(p.thread, NULL);
	}
}

/*
 * signal(7): SA_RESTART makes no difference to epoll_wait and EVPOLL_IOC_WAIT, nor to a
 * read() with a read timeout; a read() without goes on after the handler
 */
TEST_F(signal, sa_restart)
{
	struct poker p = { .sig = SIGUSR1, .fd = -1, .handlers = 1 };
	struct epoll_event ev = {};

	set_handler(SIGUSR1, SA_RESTART);
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, poker_main, &p));
	EXPECT_ERRNO(EINTR, ep_wait(variant->by, self->ep, &ev, 1, SOON));
	EXPECT_EQ(1, handled);
	pthread_join(p.thread, NULL);

	handled = 0;
	if (variant->by == BY_READ)
		p.fd = self->fd;
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, poker_main, &p));
	if (variant->by == BY_READ) {
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, -1));
		EXPECT_EVENT(EPOLLIN, 1, ev);
	} else {
		EXPECT_ERRNO(EINTR, ep_wait(variant->by, self->ep, &ev, 1, -1));
	}
	EXPECT_EQ(1, handled);
	pthread_join(p.thread, NULL);
	EXPECT_EQ(variant->by == BY_READ, p.event_alone);
}

/* R1: signals that are ignored or blocked end no wait */
TEST_F(signal, ignored_and_blocked)
{
	struct poker p = { .fd = self->fd };
	static const int sigs[] = { SIGWINCH, SIGUSR1, SIGUSR2 };
	struct epoll_event ev = {};

	signal(SIGUSR1, SIG_IGN);
	set_handler(SIGUSR2, 0);
	block(SIGUSR2);
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		p.sig = sigs[i];
		p.event_alone = 0;
		ASSERT_EQ(0, pthread_create(&p.thread, NULL, poker_main, &p));
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, i ? -1 : SOON));
		EXPECT_EVENT(EPOLLIN, 1, ev);
		pthread_join(p.thread, NULL);
		EXPECT_EQ(1, p.event_alone);
	}
	EXPECT_EQ(0, handled);
	EXPECT_TRUE(pending(SIGUSR2));
}

/* A child that waits with @timeout_ms; its exit code is the events, or 100 + errno. */
static pid_t waiting_child(enum mechanism by, int ep, int timeout_ms)
{
	struct epoll_event ev;
	pid_t pid = fork();

	if (!pid) {
		int n = ep_wait(by, ep, &ev, 1, timeout_ms);

		_exit(n < 0 ? 100 + errno : n);
	}
	return pid;
}

/* R1: SIGKILL ends the longest wait; the waiter that is left gets the next event */
TEST_F(signal, kill)
{
	struct epoll_event ev;
	int status = 0;
	pid_t pid;

	for (int timeout = -1; timeout <= SOON; timeout += SOON + 1) {
		pid = waiting_child(variant->by, self->ep, timeout);
		ASSERT_LE(0, pid);
		ASSERT_TRUE(asleep(pid));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, SOON));
	}
}

/*
 * signal(7), "Interruption of system calls and library functions by stop signals": epoll_wait fails
 * with EINTR after SIGCONT, although there is no handler. Socket calls with a timeout fail too, and
 * so does read() here. A read() without a timeout continues.
 */
TEST_F(signal, stop_and_continue)
{
	int status = 0;
	pid_t pid;

	for (int timeout = -1; timeout <= SOON; timeout += SOON + 1) {
		bool restarts = variant->by == BY_READ && timeout < 0;

		pid = waiting_child(variant->by, self->ep, timeout);
		ASSERT_LE(0, pid);
		ASSERT_TRUE(asleep(pid));
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		ASSERT_EQ(0, kill(pid, SIGCONT));
		if (restarts) {
			ASSERT_TRUE(asleep(pid));
			ASSERT_EQ(0, eventfd_write(self->fd, 1));
		}
		EXPECT_EQ(restarts ? 1 : 100 + EINTR, reap(pid));
	}
}

/* An event that comes while the process is stopped is not lost */
TEST_F(signal, event_while_stopped)
{
	struct epoll_event ev;
	int status = 0, code;
	pid_t pid;

	pid = waiting_child(variant->by, self->ep, -1);
	ASSERT_LE(0, pid);
	ASSERT_TRUE(asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	code = reap(pid);
	EXPECT_EQ(variant->by == BY_READ ? 1 : 100 + EINTR, code);
	EXPECT_EQ(code == 1 ? 0 : 1, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* The mask of the wait, which read() has not. */
FIXTURE(mask) {
	int ep;
	int fd;
	sigset_t none;
};

FIXTURE_VARIANT(mask) {
	enum mechanism by;
};

FIXTURE_VARIANT_ADD(mask, epoll) { .by = BY_EPOLL };
FIXTURE_VARIANT_ADD(mask, wait) { .by = BY_WAIT };

FIXTURE_SETUP(mask)
{
	handled = 0;
	set_handler(SIGUSR1, SA_RESTART);
	sigemptyset(&self->none);
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN | EPOLLET, 1));
}

FIXTURE_TEARDOWN(mask)
{
	close(self->ep);
	close(self->fd);
}

static const struct timespec soon = { .tv_sec = SOON / 1000 }, zero;

/* R15: a signal that is pending already, and unmasked only for the wait, ends it at once */
TEST_F(mask, pending_before)
{
	long long start = now_ms();
	struct epoll_event ev;

	block(SIGUSR1);
	for (int i = 1; i <= 3; i++) {
		raise(SIGUSR1);
		ASSERT_EQ(i - 1, handled);
		EXPECT_ERRNO(EINTR, ep_pwait2(variant->by, self->ep, &ev, 1, i == 1 ? &soon : NULL,
					      &self->none));
		EXPECT_EQ(i, handled);
		EXPECT_TRUE(blocked(SIGUSR1));
		EXPECT_FALSE(pending(SIGUSR1));
	}
	EXPECT_GT(SOON, now_ms() - start);
}

/* R15: the same for a signal that comes during the wait */
TEST_F(mask, during_the_wait)
{
	struct poker p = { .sig = SIGUSR1, .fd = -1 };
	struct epoll_event ev;

	block(SIGUSR1);
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, poker_main, &p));
	EXPECT_ERRNO(EINTR, ep_pwait2(variant->by, self->ep, &ev, 1, NULL, &self->none));
	EXPECT_EQ(1, handled);
	EXPECT_TRUE(blocked(SIGUSR1));
	pthread_join(p.thread, NULL);
}

/* Sends a signal some time after the request, with a different delay each time. */
static atomic_int rounds_asked;

static void *sender_main(void *arg)
{
	int rounds = *(int *)arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (int i = 1; i <= rounds; i++) {
		while (rounds_asked < i)
			sched_yield();
		for (volatile int k = 0; k < i % 50 * 100; k++)
			;
		syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
	}
	return NULL;
}

/* R15: mask and wait are one step, a signal ends the wait whenever it came */
TEST_F(mask, any_moment)
{
	struct epoll_event ev;
	pthread_t sender;
	int rounds = 300;

	block(SIGUSR1);
	rounds_asked = 0;
	ASSERT_EQ(0, pthread_create(&sender, NULL, sender_main, &rounds));
	for (int i = 1; i <= rounds; i++) {
		rounds_asked = i;
		ASSERT_EQ(-1, ep_pwait2(variant->by, self->ep, &ev, 1, NULL, &self->none));
		ASSERT_EQ(EINTR, errno);
		ASSERT_EQ(i, handled);
	}
	pthread_join(sender, NULL);
}

/* do_epoll_pwait(): an event comes first; the signal is still pending then, its handler not run */
TEST_F(mask, event_before_signal)
{
	struct epoll_event ev = {};

	block(SIGUSR1);
	raise(SIGUSR1);
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, ep_pwait2(variant->by, self->ep, &ev, 1, &soon, &self->none));
	EXPECT_EVENT(EPOLLIN, 1, ev);
	EXPECT_EQ(0, handled);
	EXPECT_TRUE(pending(SIGUSR1));
	EXPECT_TRUE(blocked(SIGUSR1));
	EXPECT_ERRNO(EINTR, ep_pwait2(variant->by, self->ep, &ev, 1, &soon, &self->none));
	EXPECT_EQ(1, handled);
}

/* ep_poll(): a wait with a zero timeout ignores signals and leaves the mask as it was */
TEST_F(mask, no_time_no_signal)
{
	struct epoll_event ev;

	block(SIGUSR1);
	raise(SIGUSR1);
	EXPECT_EQ(0, ep_pwait2(variant->by, self->ep, &ev, 1, &zero, &self->none));
	EXPECT_EQ(0, handled);
	EXPECT_TRUE(pending(SIGUSR1));
	EXPECT_TRUE(blocked(SIGUSR1));
}

/* R15: the mask can also block for the wait what is not blocked outside */
TEST_F(mask, blocks_for_the_wait)
{
	struct poker p = { .sig = SIGUSR1, .fd = self->fd };
	struct epoll_event ev = {};
	sigset_t all;

	sigfillset(&all);
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, poker_main, &p));
	EXPECT_EQ(1, ep_pwait2(variant->by, self->ep, &ev, 1, NULL, &all));
	EXPECT_EVENT(EPOLLIN, 1, ev);
	/* it came when the mask was restored */
	EXPECT_EQ(1, handled);
	EXPECT_FALSE(blocked(SIGUSR1));
	pthread_join(p.thread, NULL);
	EXPECT_EQ(1, p.event_alone);
}

/* R15: SIGKILL cannot be blocked for the wait */
TEST_F(mask, kill)
{
	struct epoll_event ev;
	int status = 0;
	sigset_t all;
	pid_t pid;

	sigfillset(&all);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(ep_pwait2(variant->by, self->ep, &ev, 1, NULL, &all));
	ASSERT_TRUE(asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
}

/* R15: the old mask is back after every return: events, time over, errors */
TEST_F(mask, restored)
{
	struct epoll_event ev;
	sigset_t all;

	sigfillset(&all);
	for (int i = 0; i < 2; i++) {
		const sigset_t *set = i ? &self->none : &all;
		const struct timespec ms = { .tv_nsec = 1000000 }, bad = { .tv_nsec = -1 };

		if (i)
			block(SIGUSR1);
		EXPECT_EQ(0, ep_pwait2(variant->by, self->ep, &ev, 1, &zero, set));
		EXPECT_EQ(i, blocked(SIGUSR1));
		EXPECT_EQ(0, ep_pwait2(variant->by, self->ep, &ev, 1, &ms, set));
		EXPECT_EQ(i, blocked(SIGUSR1));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		EXPECT_ERRNO(EFAULT, ep_pwait2(variant->by, self->ep, NULL, 1, &zero, set));
		EXPECT_EQ(i, blocked(SIGUSR1));
		EXPECT_ERRNO(EINVAL, ep_pwait2(variant->by, self->ep, &ev, 0, &zero, set));
		EXPECT_EQ(i, blocked(SIGUSR1));
		EXPECT_ERRNO(EINVAL, ep_pwait2(variant->by, self->ep, &ev, 1, &bad, set));
		EXPECT_EQ(i, blocked(SIGUSR1));
		EXPECT_EQ(1, ep_pwait2(variant->by, self->ep, &ev, 1, NULL, set));
		EXPECT_EQ(i, blocked(SIGUSR1));
	}
	EXPECT_FALSE(blocked(SIGTERM));
}

/* set_user_sigmask(): a wrong size of the mask is EINVAL, unless the mask is NULL */
TEST_F(mask, sigsetsize)
{
	static const unsigned int bad[] = { 0, 1, 7, 9, 16, 128, UINT32_MAX };
	struct epoll_event ev;

	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct evpoll_wait wait = {
			.events = (uintptr_t)&ev,
			.sigmask = (uintptr_t)&self->none,
			.sigsetsize = bad[i],
			.maxevents = 1,
		};

		if (variant->by == BY_EPOLL)
			EXPECT_ERRNO(EINVAL, syscall(SYS_epoll_pwait2, self->ep, &ev, 1, NULL,
						     &self->none, (size_t)bad[i]));
		else
			EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
		wait.sigmask = 0;
		EXPECT_EQ(1, variant->by == BY_EPOLL ?
			  syscall(SYS_epoll_pwait2, self->ep, &ev, 1, NULL, NULL, (size_t)bad[i]) :
			  ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
	}
}

TEST_HARNESS_MAIN
