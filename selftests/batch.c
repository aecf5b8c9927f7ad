// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several changes in one call: EVPOLL_IOC_CTLV, and the changes of EVPOLL_IOC_WAIT
 * (uapi/linux/evpoll.h). epoll has neither; what each change does is as epoll_ctl(2) says.
 */
#include "evpoll_util.h"

#include <linux/userfaultfd.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#define FDS 40

FIXTURE(batch) {
	int ep;
	int fd[FDS];	/* eventfds, the even ones readable */
	char *page;	/* one that can be used, with one behind it that cannot */
};

FIXTURE_SETUP(batch)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	for (int i = 0; i < FDS; i++) {
		self->fd[i] = eventfd(i % 2 == 0, EFD_CLOEXEC);
		ASSERT_LE(0, self->fd[i]);
	}
	self->page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, mprotect(self->page + 4096, 4096, PROT_NONE));
}

FIXTURE_TEARDOWN(batch)
{
	close(self->ep);
	for (int i = 0; i < FDS; i++)
		close(self->fd[i]);
	munmap(self->page, 8192);
}

/* @result: what the call must overwrite */
static struct evpoll_ctl change(int op, int fd, uint32_t events)
{
	return (struct evpoll_ctl){
		.op = op, .fd = fd, .events = events, .data = fd, .result = 77,
	};
}

static int ctlv(int ep, const void *changes, unsigned int nr, struct evpoll_ctlv *arg)
{
	*arg = (struct evpoll_ctlv){
		.changes = (uintptr_t)changes, .nr = nr, .done = 99, .failed = 99,
	};
	return ioctl(ep, EVPOLL_IOC_CTLV, arg);
}

/* uapi, EINTR: a signal ends a long list of changes, and the caller can go on behind it */
TEST_F(batch, signal_ends_changes)
{
	enum { NR = 1 << 20 };
	struct itimerval every_20_ms = { { 0, 20000 }, { 0, 20000 } }, never = {};
	struct sigaction action = { .sa_handler = no_action, .sa_flags = SA_RESTART };
	struct evpoll_ctlv arg;
	struct evpoll_ctl *c;
	unsigned int done = 0;
	int ret;

	c = mmap(NULL, NR * sizeof(*c), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, c);
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &every_20_ms, NULL));
	/* Changes of descriptor 0 with operation 0: each of them fails. */
	EXPECT_ERRNO(EINTR, ctlv(self->ep, c, NR, &arg));
	do {
		done += arg.done;
		ASSERT_LT(0u, arg.done);
		EXPECT_EQ(0u, arg.done % 64);
		EXPECT_EQ(arg.done, arg.failed);
		EXPECT_GT(0, c[done - 1].result);
		if (done == NR)
			break;
		EXPECT_EQ(0, c[done].result);
		ret = ctlv(self->ep, c + done, NR - done, &arg);
	} while (ret == (int)(NR - done) || (ret == -1 && errno == EINTR));
	EXPECT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_EQ((unsigned int)NR, done);
	munmap(c, NR * sizeof(*c));
}

/* uapi, EINTR: a signal does not end a list of 64 changes */
TEST_F(batch, signal_and_short_list)
{
	struct epoll_event event;
	struct evpoll_ctl c[64];
	sigset_t none;
	struct evpoll_wait wait = {
		.events = (uintptr_t)&event, .maxevents = 1,
		.sigmask = (uintptr_t)&none, .sigsetsize = 8,
		.ctlv = { .changes = (uintptr_t)c, .nr = 64 },
	};

	c[0] = change(EPOLL_CTL_ADD, self->fd[1], EPOLLIN);
	for (int i = 1; i < 64; i++)
		c[i] = change(EPOLL_CTL_DEL, self->fd[0], 0);
	/* The signal is not blocked during the call. The changes come first, and some fail. */
	ASSERT_EQ(0, raise_blocked(&none));
	EXPECT_EQ(0, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EQ(64u, wait.ctlv.done);
	EXPECT_EQ(63u, wait.ctlv.failed);
}

/* uapi: the call tries all changes, sets the result of each and counts those that failed */
TEST_F(batch, each_has_its_result)
{
	struct evpoll_ctl c[] = {
		change(EPOLL_CTL_ADD, self->fd[0], EPOLLIN),
		change(EPOLL_CTL_ADD, self->fd[0], EPOLLIN),
		change(EPOLL_CTL_MOD, self->fd[1], EPOLLIN),
		change(EPOLL_CTL_DEL, self->fd[1], 0),
		change(EPOLL_CTL_ADD, -1, EPOLLIN),
		change(EPOLL_CTL_ADD, self->ep, EPOLLIN),
		change(99, self->fd[0], EPOLLIN),
		change(EPOLL_CTL_ADD, self->fd[2], 1 << 20),
		change(EPOLL_CTL_ADD, self->fd[1], EPOLLIN),
	};
	static const int expected[] = {
		0, -EEXIST, -ENOENT, -ENOENT, -EBADF, -EINVAL, -EINVAL, -EINVAL, 0,
	};
	struct evpoll_ctlv arg;

	EXPECT_EQ(7, ctlv(self->ep, c, ARRAY_SIZE(c), &arg));
	EXPECT_EQ(ARRAY_SIZE(c), arg.done);
	EXPECT_EQ(7u, arg.failed);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		EXPECT_EQ(expected[i], c[i].result);
	EXPECT_EQ(2, ep_items(self->ep));
	/* what a change says is not written */
	EXPECT_EQ(99u, c[6].op);
	EXPECT_EQ((uint64_t)self->fd[1], c[8].data);
}

/* uapi: in their order; a later one sees what an earlier one did */
TEST_F(batch, in_order)
{
	int fd = self->fd[0];
	struct evpoll_ctl c[] = {
		change(EPOLL_CTL_ADD, fd, EPOLLOUT),
		change(EPOLL_CTL_MOD, fd, EPOLLIN),
		change(EPOLL_CTL_DEL, fd, 0),
		change(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT),
	};
	struct epoll_event ev[2];
	struct evpoll_ctlv arg;

	EXPECT_EQ(0, ctlv(self->ep, c, ARRAY_SIZE(c), &arg));
	EXPECT_EQ(0u, arg.failed);
	ASSERT_EQ(1, ep_wait(BY_WAIT, self->ep, ev, 2, 0));
	EXPECT_EVENT(EPOLLIN | EPOLLOUT, fd, ev[0]);
}

/* uapi: zero changes are not an error, whatever the pointer is */
TEST_F(batch, none)
{
	struct evpoll_ctlv arg;

	EXPECT_EQ(0, ctlv(self->ep, NULL, 0, &arg));
	EXPECT_EQ(0u, arg.done);
	EXPECT_EQ(0u, arg.failed);
}

/* uapi: a change that cannot be read ends the call, after the changes before it */
TEST_F(batch, fault_in_the_middle)
{
	struct evpoll_ctl *c = (struct evpoll_ctl *)(self->page + 4096) - 30;
	struct evpoll_ctlv arg;

	for (int i = 0; i < 30; i++)
		c[i] = change(EPOLL_CTL_ADD, self->fd[i], EPOLLIN);
	EXPECT_ERRNO(EFAULT, ctlv(self->ep, c, FDS, &arg));
	EXPECT_EQ(30u, arg.done);
	EXPECT_EQ(0u, arg.failed);
	EXPECT_EQ(30, ep_items(self->ep));

	/* and a number beyond all memory: the same, whatever failed on the way */
	EXPECT_ERRNO(EFAULT, ctlv(self->ep, c, INT32_MAX, &arg));
	EXPECT_EQ(30u, arg.done);
	EXPECT_EQ(30u, arg.failed);
	EXPECT_EQ(-EEXIST, c[29].result);

	EXPECT_ERRNO(EFAULT, ctlv(self->ep, NULL, 1, &arg));
	EXPECT_EQ(0u, arg.done);
	EXPECT_ERRNO(EFAULT, ctlv(self->ep, (void *)-4096L, 1, &arg));
	EXPECT_EQ(0u, arg.done);
	/* half of a change is none */
	EXPECT_ERRNO(EFAULT, ctlv(self->ep, self->page + 4096 - 12, 1, &arg));
	EXPECT_EQ(0u, arg.done);
}

/* uapi: a result that cannot be written: the change was tried, and is the last */
TEST_F(batch, result_cannot_be_written)
{
	struct evpoll_ctl *c = (struct evpoll_ctl *)self->page;
	struct evpoll_ctlv arg;

	for (int i = 0; i < 3; i++)
		c[i] = change(EPOLL_CTL_ADD, self->fd[i], EPOLLIN);
	ASSERT_EQ(0, mprotect(self->page, 4096, PROT_READ));
	EXPECT_ERRNO(EFAULT, ctlv(self->ep, c, 3, &arg));
	EXPECT_EQ(1u, arg.done);
	EXPECT_EQ(1, ep_items(self->ep));
	EXPECT_EQ(77, c[0].result);
}

/* uapi: a reserved field, or too many, is EINVAL, and nothing is tried */
TEST_F(batch, einval)
{
	struct evpoll_ctl c = change(EPOLL_CTL_ADD, self->fd[0], EPOLLIN);
	struct evpoll_ctlv arg = { .changes = (uintptr_t)&c, .nr = 1, .reserved = 1, .done = 99 };

	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_CTLV, &arg));
	arg.reserved = 0;
	arg.nr = 1U << 31;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_CTLV, &arg));
	EXPECT_EQ(99u, arg.done);
	EXPECT_EQ(77, c.result);
	EXPECT_EQ(0, ep_items(self->ep));
}

/* An item that a burst adds wakes a waiter, as by EPOLL_CTL_ADD */
TEST_F(batch, wakes_a_waiter)
{
	struct evpoll_ctl c[FDS];
	struct waiter waiter = {};
	struct evpoll_ctlv arg;

	for (int i = 0; i < FDS; i++)
		c[i] = change(EPOLL_CTL_ADD, self->fd[FDS - 1 - i], EPOLLIN);
	ASSERT_TRUE(waiter_start(&waiter, BY_WAIT, self->ep));
	EXPECT_EQ(0, ctlv(self->ep, c, FDS, &arg));
	EXPECT_LT(0, waiter_join(&waiter));
	EXPECT_EQ(FDS, ep_items(self->ep));
}

static struct evpoll_wait wait_with(struct epoll_event *ev, int max, const int64_t *timeout,
				    struct evpoll_ctl *changes, int nr)
{
	return (struct evpoll_wait){
		.events = (uintptr_t)ev, .maxevents = max, .timeout = (uintptr_t)timeout,
		.ctlv = { .changes = (uintptr_t)changes, .nr = nr, .done = 99, .failed = 99 },
	};
}

static const int64_t at_once[2], an_hour[2] = { 3600 };

/* uapi: apply, then wait, as kevent() does: what the changes made ready is in the result */
TEST_F(batch, changes_then_wait)
{
	struct evpoll_ctl c[] = {
		change(EPOLL_CTL_ADD, self->fd[1], EPOLLIN),
		change(EPOLL_CTL_ADD, self->fd[0], EPOLLIN | EPOLLONESHOT),
	};
	struct epoll_event ev[4];
	struct evpoll_wait wait = wait_with(ev, 4, an_hour, c, 2);

	ASSERT_EQ(1, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EVENT(EPOLLIN, self->fd[0], ev[0]);
	EXPECT_EQ(2u, wait.ctlv.done);
	EXPECT_EQ(0u, wait.ctlv.failed);
	EXPECT_EQ(0, c[0].result);
	EXPECT_EQ(0, c[1].result);

	/* it rests ... */
	ASSERT_EQ(0, ep_wait(BY_WAIT, self->ep, ev, 4, 0));
	/* ... until re-armed, in the call that waits for it (R19) */
	c[0] = change(EPOLL_CTL_MOD, self->fd[0], EPOLLIN | EPOLLONESHOT);
	for (int i = 0; i < 3; i++) {
		wait = wait_with(ev, 4, an_hour, c, 1);
		ASSERT_EQ(1, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
		EXPECT_EVENT(EPOLLIN, self->fd[0], ev[0]);
	}
}

/* uapi: if a change failed the wait does not sleep, and returns what is ready */
TEST_F(batch, failure_ends_the_wait)
{
	struct evpoll_ctl c[] = {
		change(EPOLL_CTL_DEL, self->fd[0], 0),
		change(EPOLL_CTL_ADD, self->fd[1], EPOLLIN),
	};
	struct epoll_event ev[4];
	struct evpoll_wait wait = wait_with(ev, 4, NULL, c, 2);

	EXPECT_EQ(0, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EQ(2u, wait.ctlv.done);
	EXPECT_EQ(1u, wait.ctlv.failed);
	EXPECT_EQ(-ENOENT, c[0].result);
	EXPECT_EQ(0, c[1].result);

	/* not for min_wait either */
	c[1] = change(EPOLL_CTL_ADD, self->fd[2], EPOLLIN);
	wait = wait_with(ev, 4, NULL, c, 2);
	wait.min_wait_ns = INT64_MAX;
	EXPECT_EQ(1, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EVENT(EPOLLIN, self->fd[2], ev[0]);
	EXPECT_EQ(1u, wait.ctlv.failed);
}

/* uapi: arguments that are wrong are told before a change is tried */
TEST_F(batch, wrong_arguments_change_nothing)
{
	struct evpoll_ctl c = change(EPOLL_CTL_ADD, self->fd[0], EPOLLIN);
	int64_t bad_time[2] = { 0, 1000000000 };
	struct epoll_event ev;
	struct evpoll_wait good = wait_with(&ev, 1, at_once, &c, 1), wait;

	wait = good;
	wait.maxevents = 0;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	wait = good;
	wait.ctlv.reserved = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	wait = good;
	wait.timeout = (uintptr_t)bad_time;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	wait = good;
	wait.sigmask = (uintptr_t)&c;
	wait.sigsetsize = 3;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	wait = good;
	wait.events = -4096ULL;
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EQ(99u, wait.ctlv.done);
	EXPECT_EQ(77, c.result);
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(1, ioctl(self->ep, EVPOLL_IOC_WAIT, &good));
}

/* uapi: EFAULT in the changes: no wait, no event lost */
TEST_F(batch, fault_before_the_wait)
{
	struct evpoll_ctl *c = (struct evpoll_ctl *)(self->page + 4096) - 1;
	struct epoll_event ev = {};
	struct evpoll_wait wait = wait_with(&ev, 1, NULL, c, 2);

	*c = change(EPOLL_CTL_ADD, self->fd[0], EPOLLIN | EPOLLET);
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EQ(1u, wait.ctlv.done);
	EXPECT_EQ(0u, ev.events);
	ASSERT_EQ(1, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, self->fd[0], ev);
}

/* uapi: a signal ends the wait; the changes have been tried */
TEST_F(batch, signal)
{
	struct evpoll_ctl c = change(EPOLL_CTL_ADD, self->fd[1], EPOLLIN);
	struct epoll_event ev;
	struct evpoll_wait wait = wait_with(&ev, 1, NULL, &c, 1);
	sigset_t none;

	ASSERT_EQ(0, raise_blocked(&none));
	wait.sigmask = (uintptr_t)&none;
	wait.sigsetsize = _NSIG / 8;
	EXPECT_ERRNO(EINTR, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EQ(1u, wait.ctlv.done);
	EXPECT_EQ(0, c.result);
	EXPECT_EQ(1, ep_items(self->ep));
}

/*
 * A page whose fault blocks until the test resolves it. A wait that writes its events there holds
 * the instance meanwhile.
 */
static int slow_page(char *page)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)page, .len = 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int u = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };

	if (u < 0 || ioctl(u, UFFDIO_API, &api) || ioctl(u, UFFDIO_REGISTER, &reg))
		return -1;
	return u;
}

static int page_is_there(int u, char *page)
{
	struct uffdio_zeropage zero = { .range = { .start = (uintptr_t)page, .len = 4096 } };

	return ioctl(u, UFFDIO_ZEROPAGE, &zero);
}

struct waits {
	int ep;
	struct evpoll_wait wait;
	_Atomic pid_t tid;
	int ret;
};

static void *wait_main(void *arg)
{
	struct waits *w = arg;

	w->tid = syscall(SYS_gettid);
	w->ret = ioctl(w->ep, EVPOLL_IOC_WAIT, &w->wait);
	return NULL;
}

/* close(2) releases a file that a change has used, even while the wait after it still sleeps */
TEST_F(batch, closed_meanwhile)
{
	struct evpoll_ctl c;
	struct epoll_event ev;
	struct waits slow = { .ep = self->ep, .wait = wait_with(NULL, 1, NULL, NULL, 0) };
	struct waits waits = { .ep = self->ep, .wait = wait_with(&ev, 1, NULL, &c, 1) };
	pthread_t first, second;
	struct pollfd fault, peer;
	int s[2], u;

	u = slow_page(self->page);
	if (u < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[0], EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd[1], EPOLLIN));

	/* the first has the instance until its page is there, the second waits with the socket */
	slow.wait.events = (uintptr_t)self->page;
	ASSERT_EQ(0, pthread_create(&first, NULL, wait_main, &slow));
	fault = (struct pollfd){ .fd = u, .events = POLLIN };
	ASSERT_EQ(1, poll(&fault, 1, SOON));
	ASSERT_EQ(POLLIN, fault.revents);
	c = change(EPOLL_CTL_ADD, s[0], EPOLLIN);
	ASSERT_EQ(0, pthread_create(&second, NULL, wait_main, &waits));
	while (!waits.tid)
		sched_yield();
	ASSERT_TRUE(is_in(waits.tid, 'D'));
	close(s[0]);
	ASSERT_EQ(0, page_is_there(u, self->page));
	pthread_join(first, NULL);
	EXPECT_EQ(1, slow.ret);

	ASSERT_TRUE(asleep(waits.tid));
	peer = (struct pollfd){ .fd = s[1], .events = POLLIN };
	EXPECT_EQ(1, poll(&peer, 1, SOON));
	EXPECT_EQ(POLLIN | POLLHUP, peer.revents);
	EXPECT_EQ(2, ep_items(self->ep));

	ASSERT_EQ(8, write(self->fd[1], &(uint64_t){ 1 }, 8));
	pthread_join(second, NULL);
	EXPECT_EQ(1, waits.ret);
	EXPECT_EQ(0, c.result);
	close(s[1]);
	close(u);
}

TEST_HARNESS_MAIN
