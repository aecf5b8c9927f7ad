// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes by io_uring: IORING_OP_URING_CMD with EVPOLL_IOC_CTL, EVPOLL_IOC_CTLV, and
 * EVPOLL_URING_EPOLL_CTL, which is beside IORING_OP_EPOLL_CTL on an epoll instance here.
 */
#include "evpoll_fault.h"
#include "evpoll_uring.h"
#include "evpoll_util.h"

#include <sys/eventfd.h>

FIXTURE(uring_cmd) {
	struct uring u;
	int ep;
	int epoll;
	int fd;
	int file;
};

FIXTURE_VARIANT(uring_cmd) {
	__u32 flags;
	__u8 sqe_flags;
};

FIXTURE_VARIANT_ADD(uring_cmd, plain) { .flags = 0 };
FIXTURE_VARIANT_ADD(uring_cmd, worker) { .sqe_flags = IOSQE_ASYNC };
FIXTURE_VARIANT_ADD(uring_cmd, sqpoll) { .flags = IORING_SETUP_SQPOLL };

FIXTURE_SETUP(uring_cmd)
{
	ASSERT_EQ(0, uring_setup(&self->u, 64, 0, variant->flags))
		TH_LOG("io_uring_setup: %s", strerror(errno));
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	self->epoll = ep_create(BY_EPOLL, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	self->file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, self->file);
}

FIXTURE_TEARDOWN(uring_cmd)
{
	uring_close(&self->u);
	close(self->ep);
	close(self->epoll);
	close(self->fd);
	close(self->file);
}

/* Submits, and returns the result of the completion. */
static int result_of(struct uring *u, struct io_uring_sqe *sqe)
{
	struct io_uring_cqe cqe;

	if (uring_submit(u, sqe) || !uring_wait(u, &cqe, SOON))
		return -ETIME;
	return cqe.res;
}

static struct io_uring_sqe cmd_of(int ep, __u32 cmd, __u8 flags, const void *words)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_URING_CMD, .flags = flags, .fd = ep };

	sqe.cmd_op = cmd;
	memcpy(sqe.cmd, words, 16);
	return sqe;
}

/* EVPOLL_IOC_CTL and EVPOLL_IOC_CTLV, with @arg as for ioctl(2) */
static int ioctl_by_uring(struct uring *u, int ep, __u32 cmd, __u8 flags, const void *arg)
{
	struct evpoll_uring_ioctl words = { .arg = (uintptr_t)arg };
	struct io_uring_sqe sqe = cmd_of(ep, cmd, flags, &words);

	return result_of(u, &sqe);
}

/* epoll_ctl(2) by io_uring: on the epoll instance, or on evpoll's */
static int epoll_ctl_by_uring(struct uring *u, enum mechanism by, int ep, __u8 flags, int op,
			      int fd, const struct epoll_event *ev)
{
	struct evpoll_uring_epoll_ctl words = { .event = (uintptr_t)ev, .fd = fd, .op = op };
	struct io_uring_sqe sqe = cmd_of(ep, EVPOLL_URING_EPOLL_CTL, flags, &words);

	if (by == BY_EPOLL)
		sqe = (struct io_uring_sqe){
			.opcode = IORING_OP_EPOLL_CTL, .flags = flags, .fd = ep, .off = (__u32)fd,
			.len = op, .addr = (uintptr_t)ev,
		};
	return result_of(u, &sqe);
}

TEST_F(uring_cmd, ctl)
{
	struct evpoll_ctl ctl = {
		.op = EPOLL_CTL_ADD, .fd = self->fd, .events = EPOLLIN, .data = 7,
	};

#define CTL() ioctl_by_uring(&self->u, self->ep, EVPOLL_IOC_CTL, variant->sqe_flags, &ctl)
	EXPECT_EQ(0, CTL());
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, 7, SOON));
	EXPECT_EQ(-EEXIST, CTL());
	ctl.op = EPOLL_CTL_MOD;
	ctl.data = 8;
	EXPECT_EQ(0, CTL());
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, 8, SOON));
	ctl.op = EVPOLL_CTL_FORGET;
	EXPECT_EQ(0, CTL());
	EXPECT_EQ(-ENOENT, CTL());
	ctl.op = EPOLL_CTL_DEL;
	EXPECT_EQ(-ENOENT, CTL());
	ctl.op = EPOLL_CTL_ADD;
	ctl.result = 1;
	EXPECT_EQ(-EINVAL, CTL());
	ctl.result = 0;
	ctl.fd = self->ep;
	EXPECT_EQ(-EINVAL, CTL());
	/* nested */
	ctl.fd = ep_create(BY_WAIT, O_CLOEXEC);
	EXPECT_EQ(0, CTL());
	EXPECT_EQ(1, ep_items(self->ep));
	close(ctl.fd);
#undef CTL
}

TEST_F(uring_cmd, ctlv)
{
	struct evpoll_ctl changes[] = {
		{ .op = EPOLL_CTL_ADD, .fd = self->fd, .events = EPOLLIN },
		{ .op = EPOLL_CTL_ADD, .fd = self->file, .events = EPOLLIN },
		{ .op = EPOLL_CTL_MOD, .fd = self->fd, .events = EPOLLOUT },
	};
	struct evpoll_ctlv ctlv = { .changes = (uintptr_t)changes, .nr = 3 };

#define CTLV() ioctl_by_uring(&self->u, self->ep, EVPOLL_IOC_CTLV, variant->sqe_flags, &ctlv)
	EXPECT_EQ(1, CTLV());
	EXPECT_EQ(3, ctlv.done);
	EXPECT_EQ(1, ctlv.failed);
	EXPECT_EQ(-EPERM, changes[1].result);
	EXPECT_EQ(1, ep_items(self->ep));
	ctlv.reserved = 1;
	EXPECT_EQ(-EINVAL, CTLV());
#undef CTLV
}

/* EVPOLL_URING_EPOLL_CTL has the results of IORING_OP_EPOLL_CTL */
TEST_F(uring_cmd, epoll_ctl)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 5 }, bits[] = {
		{ .events = EPOLLIN | 1 << 24 }, { .events = EPOLLIN | EPOLLEXCLUSIVE | 1 << 24 },
		{ .events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT },
		{ .events = EPOLLIN | EPOLLEXCLUSIVE | EVPOLLROTATE }, { .events = EVPOLLROTATE },
		{ .events = EPOLLIN | EPOLLEXCLUSIVE }, { .events = 0 }, { .events = ~0U },
	};
	const struct epoll_event *bad = (void *)8;
	int ops[] = { 0, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EVPOLL_CTL_FORGET, -1 };
	int fds[] = { self->fd, self->file, -1, 12345 };
	int result[2], other;

#define SAME(op, fd, ev) do {							\
	for (int by = BY_EPOLL; by <= BY_WAIT; by++)				\
		result[by] = epoll_ctl_by_uring(&self->u, by,			\
						by == BY_EPOLL ? self->epoll : self->ep, \
						variant->sqe_flags, op, fd, ev); \
	EXPECT_EQ(result[BY_EPOLL], result[BY_WAIT])				\
		TH_LOG("op %d, fd %d, mask %x", op, fd, (ev) == bad ? 0 : (ev)->events); \
} while (0)
	SAME(EPOLL_CTL_ADD, self->fd, &ev);
	EXPECT_EQ(0, result[BY_WAIT]);
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, 5, SOON));
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(fds); k++) {
			SAME(ops[i], fds[k], &ev);
			SAME(ops[i], fds[k], bad);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		other = eventfd(1, EFD_CLOEXEC);
		SAME(EPOLL_CTL_ADD, other, &bits[i]);
		SAME(EPOLL_CTL_MOD, other, &bits[i]);
		SAME(EPOLL_CTL_MOD, other, &ev);
		EXPECT_EQ(ep_items(self->epoll), ep_items(self->ep));
		close(other);
	}
	SAME(EPOLL_CTL_ADD, self->u.fd, &ev);
	/* An instance in itself */
	EXPECT_EQ(-EINVAL, epoll_ctl_by_uring(&self->u, BY_EPOLL, self->epoll, 0, EPOLL_CTL_ADD,
					      self->epoll, &ev));
	EXPECT_EQ(-EINVAL, epoll_ctl_by_uring(&self->u, BY_WAIT, self->ep, variant->sqe_flags,
					      EPOLL_CTL_ADD, self->ep, &ev));
#undef SAME
}

/* Other commands, and arguments that are none */
TEST_F(uring_cmd, bad_input)
{
	static const __u32 unknown[] = {
		0, ~0U, EVPOLL_IOC_WAIT, EVPOLL_IOC_SET_PARAMS, EVPOLL_IOC_GET_STATS, FIONREAD,
		_IOW(EVPOLL_IOC_MAGIC, 6, struct evpoll_ctl),
	};
	struct evpoll_ctl ctl = { .op = EPOLL_CTL_ADD, .fd = self->fd, .events = EPOLLIN };
	struct evpoll_uring_ioctl words = { .arg = (uintptr_t)&ctl, .reserved = 1 };
	struct io_uring_sqe sqe = cmd_of(self->ep, EVPOLL_IOC_CTL, variant->sqe_flags, &words);

	EXPECT_EQ(-EINVAL, result_of(&self->u, &sqe));
	words.reserved = 0;
	sqe = cmd_of(self->ep, EVPOLL_IOC_CTL, variant->sqe_flags, &words);
	sqe.rw_flags = 1;	/* IORING_URING_CMD_FIXED, in uring_cmd_flags */
	EXPECT_GT(0, result_of(&self->u, &sqe));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_EQ(-ENOTTY, ioctl_by_uring(&self->u, self->ep, unknown[i],
						  variant->sqe_flags, &ctl));
	EXPECT_EQ(-EFAULT, ioctl_by_uring(&self->u, self->ep, EVPOLL_IOC_CTL, variant->sqe_flags,
					  (void *)8));
	EXPECT_EQ(-EFAULT, ioctl_by_uring(&self->u, self->ep, EVPOLL_IOC_CTLV, variant->sqe_flags,
					  NULL));
	EXPECT_EQ(-EINVAL, ioctl_by_uring(&self->u, self->ep,
					  _IOW(EVPOLL_IOC_MAGIC, 0, struct evpoll_uring_ioctl),
					  variant->sqe_flags, &ctl));
	EXPECT_EQ(0, ep_items(self->ep));
}

/* A thread that waits in the instance and has its mutex, because its buffer is not there yet */
struct holder {
	int ep;
	void *page;
	long n;
};

static void *holder_main(void *arg)
{
	struct holder *h = arg;

	h->n = syscall(SYS_read, h->ep, h->page, sizeof(struct epoll_event));
	return NULL;
}

/* The mutex is taken: the caller does not wait for it in io_uring_enter(2), a worker does */
TEST_F(uring_cmd, mutex_is_taken)
{
	struct holder h = { .ep = self->ep };
	struct evpoll_ctl ctl = { .op = EPOLL_CTL_ADD, .events = EPOLLIN };
	struct evpoll_uring_ioctl words = { .arg = (uintptr_t)&ctl };
	struct io_uring_sqe sqe = cmd_of(self->ep, EVPOLL_IOC_CTL, variant->sqe_flags, &words);
	int uffd = waiting_page(&h.page), other = eventfd(1, EFD_CLOEXEC);
	struct io_uring_cqe cqe;
	pthread_t thread;

	if (uffd < 0)
		SKIP(return, "userfaultfd(2): %s", strerror(errno));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	ASSERT_EQ(0, pthread_create(&thread, NULL, holder_main, &h));
	ASSERT_EQ(0, page_is_wanted(uffd));
	ctl.fd = other;
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &cqe, 0));
	ASSERT_EQ(0, fill_page(uffd, h.page));
	ASSERT_TRUE(uring_wait(&self->u, &cqe, SOON));
	EXPECT_EQ(0, cqe.res);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ((long)sizeof(struct epoll_event), h.n);
	EXPECT_EQ(2, ep_items(self->ep));
	close(uffd);
	close(other);
}

/* The same of an instance that is watched, which a MOD polls */
TEST_F(uring_cmd, mutex_of_inner_is_taken)
{
	int inner = ep_create(BY_WAIT, O_CLOEXEC), uffd;
	struct holder h = { .ep = inner };
	struct evpoll_ctl ctl = { .op = EPOLL_CTL_MOD, .fd = inner, .events = EPOLLIN };
	struct evpoll_uring_ioctl words = { .arg = (uintptr_t)&ctl };
	struct io_uring_sqe sqe = cmd_of(self->ep, EVPOLL_IOC_CTL, variant->sqe_flags, &words);
	struct io_uring_cqe cqe;
	pthread_t thread;

	uffd = waiting_page(&h.page);
	if (uffd < 0)
		SKIP(return, "userfaultfd(2): %s", strerror(errno));
	ASSERT_EQ(0, ep_add(BY_WAIT, inner, self->fd, EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, inner, EPOLLIN));
	ASSERT_EQ(0, pthread_create(&thread, NULL, holder_main, &h));
	ASSERT_EQ(0, page_is_wanted(uffd));
	/* This thread would have to fill the page, so it must not wait here. */
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &cqe, 0));
	ASSERT_EQ(0, fill_page(uffd, h.page));
	ASSERT_TRUE(uring_wait(&self->u, &cqe, SOON));
	EXPECT_EQ(0, cqe.res);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	close(uffd);
	close(inner);
}

TEST_HARNESS_MAIN
