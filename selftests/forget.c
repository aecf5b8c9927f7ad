// SPDX-License-Identifier: GPL-2.0-only
/*
 * EVPOLL_CTL_FORGET: removes all items that were added under a number, also when its descriptor is
 * closed and its file lives on.
 */
#include "evpoll_util.h"

#include <sys/eventfd.h>

FIXTURE(forget) {
	int ep;
	int fd;
	struct epoll_event ev[4];
};

FIXTURE_SETUP(forget)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(forget)
{
	close(self->fd);
	close(self->ep);
}

static int forget(int ep, int fd)
{
	struct evpoll_ctl ctl = { .op = EVPOLL_CTL_FORGET, .fd = fd };

	return ioctl(ep, EVPOLL_IOC_CTL, &ctl);
}

/*
 * The story that it ends: a descriptor was duplicated (dup, fork, a unix socket) and closed. Its
 * events go on, and EPOLL_CTL_DEL says EBADF.
 */
TEST_F(forget, closed_descriptor)
{
	int copy = dup(self->fd);

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 4, 0));
	EXPECT_ERRNO(EBADF, ep_del(BY_WAIT, self->ep, self->fd));
	/* Neither does the other descriptor name it. */
	EXPECT_ERRNO(ENOENT, ep_del(BY_WAIT, self->ep, copy));
	EXPECT_EQ(0, forget(self->ep, self->fd));
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 4, 0));
	EXPECT_ERRNO(ENOENT, forget(self->ep, self->fd));
	close(copy);
}

/* The same after fork(): the child has the file, the parent has closed it */
TEST_F(forget, after_fork)
{
	char c;
	int hold[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(hold));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);
	}
	close(hold[0]);
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, self->ev, 4, 0));
	EXPECT_EQ(0, forget(self->ep, self->fd));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 4, 0));
	EXPECT_EQ(0, ep_items(self->ep));
	close(hold[1]);
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
}

/* All items of the number, whatever file each has; and no others */
TEST_F(forget, all_of_a_number)
{
	int keep[3], number = dup(self->fd);

	ASSERT_LE(0, number);
	for (int i = 0; i < 3; i++) {
		int file = eventfd(1, EFD_CLOEXEC);

		ASSERT_LE(0, file);
		ASSERT_EQ(number, dup2(file, number));
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, number, EPOLLIN));
		/* the same file under another number stays */
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, file, EPOLLIN));
		keep[i] = file;
	}
	EXPECT_EQ(6, ep_items(self->ep));
	EXPECT_EQ(0, forget(self->ep, number));
	EXPECT_EQ(3, ep_items(self->ep));
	EXPECT_EQ(3, ep_wait(BY_WAIT, self->ep, self->ev, 4, 0));
	for (int i = 0; i < 3; i++)
		EXPECT_NE((uint64_t)number, self->ev[i].data.u64);
	/* The number can be used again at once. */
	EXPECT_EQ(0, ep_add(BY_WAIT, self->ep, number, EPOLLIN));
	for (int i = 0; i < 3; i++)
		close(keep[i]);
	close(number);
}

/* Numbers that nothing was added under, open or not, are ENOENT; the mask does not matter */
TEST_F(forget, errors)
{
	struct evpoll_ctl ctl = { .op = EVPOLL_CTL_FORGET, .fd = self->fd, .events = ~0U };

	EXPECT_ERRNO(ENOENT, forget(self->ep, self->fd));
	EXPECT_ERRNO(ENOENT, forget(self->ep, self->ep));
	EXPECT_ERRNO(ENOENT, forget(self->ep, -1));
	EXPECT_ERRNO(ENOENT, forget(self->ep, INT32_MIN));
	EXPECT_ERRNO(ENOENT, forget(self->ep, INT32_MAX));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	EXPECT_EQ(0, ioctl(self->ep, EVPOLL_IOC_CTL, &ctl));
	ctl.result = 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_CTL, &ctl));
	/* epoll does not know it. */
	EXPECT_ERRNO(EBADF, epoll_ctl(self->ep, EVPOLL_CTL_FORGET, -1, self->ev));
}

/* Among many items, in one of several changes, and with an item that is ready and a nested one */
TEST_F(forget, among_many)
{
	struct evpoll_ctl c[3] = {
		{ .op = EVPOLL_CTL_FORGET, .fd = -2 },
		{ .op = EVPOLL_CTL_FORGET, .fd = self->fd },
		{ .op = EVPOLL_CTL_FORGET, .fd = self->fd },
	};
	struct evpoll_ctlv ctlv = { .changes = (uintptr_t)c, .nr = 3 };
	int inner = ep_create(BY_WAIT, O_CLOEXEC), fds[300];

	ASSERT_LE(0, inner);
	for (int i = 0; i < 300; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fds[i], EPOLLIN));
	}
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, inner, EPOLLIN));
	EXPECT_EQ(2, ioctl(self->ep, EVPOLL_IOC_CTLV, &ctlv));
	EXPECT_EQ(-ENOENT, c[0].result);
	EXPECT_EQ(0, c[1].result);
	EXPECT_EQ(-ENOENT, c[2].result);
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, self->ev, 4, 0));
	EXPECT_EQ(301, ep_items(self->ep));
	EXPECT_EQ(0, forget(self->ep, inner));
	/* No cycle is left, so the inner one may watch the outer one. */
	EXPECT_EQ(0, ep_add(BY_WAIT, inner, self->ep, EPOLLIN));
	for (int i = 0; i < 300; i++)
		EXPECT_EQ(0, forget(self->ep, fds[i]));
	EXPECT_EQ(0, ep_items(self->ep));
	for (int i = 0; i < 300; i++)
		close(fds[i]);
	close(inner);
}

/* Files close while items are forgotten: each item is removed once */
static void *closer(void *arg)
{
	int *fds = arg;

	for (int i = 0; i < 64; i++)
		close(fds[i]);
	return NULL;
}

TEST_F(forget, beside_closes)
{
	for (int round = 0; round < 20; round++) {
		pthread_t thread;
		int fds[64];

		for (int i = 0; i < 64; i++) {
			fds[i] = eventfd(1, EFD_CLOEXEC);
			ASSERT_LE(0, fds[i]);
			ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fds[i], EPOLLIN));
		}
		ASSERT_EQ(0, pthread_create(&thread, NULL, closer, fds));
		for (int i = 63; i >= 0; i--) {
			/* ENOENT: the close was faster. */
			if (forget(self->ep, fds[i]))
				ASSERT_EQ(ENOENT, errno);
		}
		pthread_join(thread, NULL);
		ASSERT_EQ(0, ep_items(self->ep));
	}
}

TEST_HARNESS_MAIN
