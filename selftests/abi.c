// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls as an interface that may grow: numbers, sizes, reserved fields (uapi/linux/evpoll.h),
 * and the parameters of an instance. epoll has nothing to compare with.
 */
#include "evpoll_util.h"

#include <sys/eventfd.h>

/* An ioctl of ours with another size of its structure. */
#define SIZED(dir, nr, size) _IOC(dir, EVPOLL_IOC_MAGIC, nr, size)

FIXTURE(abi) {
	int ep;
	int fd;		/* an eventfd that is readable, not watched */
};

FIXTURE_SETUP(abi)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(abi)
{
	close(self->ep);
	close(self->fd);
}

/* ioctl(2) ENOTTY: a number that is not ours */
TEST_F(abi, enotty)
{
	char buf[64] = {};

	EXPECT_ERRNO(ENOTTY, ioctl(self->ep, _IO(EVPOLL_IOC_MAGIC, 200), buf));
	EXPECT_ERRNO(ENOTTY, ioctl(self->ep, SIZED(_IOC_WRITE, 255, 24), buf));
	EXPECT_ERRNO(ENOTTY, ioctl(self->ep, _IOW(0xEC, 0, struct evpoll_ctl), buf));
	EXPECT_ERRNO(ENOTTY, ioctl(self->ep, 0, buf));
	EXPECT_ERRNO(ENOTTY, ioctl(self->ep, 0x5401 /* TCGETS */, buf));
	/* ours, of a file that is no instance */
	EXPECT_ERRNO(ENOTTY, ioctl(self->fd, EVPOLL_IOC_CTL, buf));
}

/* copy_struct_from_user(): a caller that knows more fields may leave them zero */
TEST_F(abi, ctl_larger)
{
	struct {
		struct evpoll_ctl ctl;
		uint64_t tail[2];
	} big = { .ctl = { .op = EPOLL_CTL_ADD, .fd = self->fd, .events = EPOLLIN, .data = 9 } };
	struct epoll_event ev = {};

	big.tail[1] = 1ULL << 63;
	EXPECT_ERRNO(E2BIG, ioctl(self->ep, SIZED(_IOC_WRITE, 0, sizeof(big)), &big));
	big.tail[1] = 0;
	big.tail[0] = 1;
	EXPECT_ERRNO(E2BIG, ioctl(self->ep, SIZED(_IOC_WRITE, 0, sizeof(big)), &big));
	EXPECT_EQ(0, ep_items(self->ep));
	big.tail[0] = 0;
	EXPECT_EQ(0, ioctl(self->ep, SIZED(_IOC_WRITE, 0, sizeof(big)), &big));
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, 9, ev);
}

/* A structure smaller than its first version is EINVAL */
TEST_F(abi, ctl_smaller)
{
	struct evpoll_ctl ctl = { .op = EPOLL_CTL_ADD, .fd = self->fd, .events = EPOLLIN };

	for (size_t size = 0; size < sizeof(ctl); size++)
		EXPECT_ERRNO(EINVAL, ioctl(self->ep, SIZED(_IOC_WRITE, 0, size), &ctl));
	EXPECT_EQ(0, ep_items(self->ep));
}

/* uapi: evpoll_ctl.result must be zero, for every op, and nothing is done if not */
TEST_F(abi, ctl_result)
{
	struct evpoll_ctl ctl = { .fd = self->fd, .events = EPOLLIN, .result = 1 };

	ctl.op = EPOLL_CTL_ADD;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_CTL, &ctl));
	EXPECT_EQ(0, ep_items(self->ep));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, 0));
	ctl.op = EPOLL_CTL_MOD;
	ctl.result = INT32_MIN;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_CTL, &ctl));
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->ep, .events = POLLIN }, 1, 0));
	ctl.op = EPOLL_CTL_DEL;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_CTL, &ctl));
	EXPECT_EQ(1, ep_items(self->ep));
}

/* Mask bits that are no EPOLL* flag are EINVAL */
TEST_F(abi, ctl_unknown_flags)
{
	static const uint32_t unknown[] = { 1 << 16, 1 << 20, 1 << 26, EPOLLIN | 1 << 23 };

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_ERRNO(EINVAL, ep_add(BY_WAIT, self->ep, self->fd, unknown[i]));
	EXPECT_EQ(0, ep_items(self->ep));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, 0));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_ERRNO(EINVAL, ep_mod(BY_WAIT, self->ep, self->fd, unknown[i]));
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->ep, .events = POLLIN }, 1, 0));
}

/* epoll_ctl(2): every flag that the C library names is taken (all but EXCLUSIVE at once) */
TEST_F(abi, ctl_known_flags)
{
	EXPECT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd,
			    EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM |
			    EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG | EPOLLRDHUP |
			    EPOLLWAKEUP | EPOLLONESHOT | EPOLLET));
	EXPECT_EQ(1, ep_items(self->ep));
}

/* copy_struct_from_user() for EVPOLL_IOC_WAIT: larger, smaller, and no event lost by it */
TEST_F(abi, wait_sizes)
{
	struct epoll_event ev = {};
	int64_t zero[2] = {};
	struct {
		struct evpoll_wait wait;
		uint64_t tail;
	} big = {
		.wait = {
			.events = (uintptr_t)&ev,
			.timeout = (uintptr_t)zero,
			.maxevents = 1,
		},
		.tail = 1,
	};

	ASSERT_EQ(0, ep_ctl(BY_WAIT, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN | EPOLLET, 3));
	EXPECT_ERRNO(E2BIG, ioctl(self->ep, SIZED(_IOC_READ | _IOC_WRITE, 1, sizeof(big)), &big));
	for (size_t size = 0; size < sizeof(big.wait); size++)
		EXPECT_ERRNO(EINVAL, ioctl(self->ep, SIZED(_IOC_READ | _IOC_WRITE, 1, size), &big));
	big.tail = 0;
	EXPECT_EQ(1, ioctl(self->ep, SIZED(_IOC_READ | _IOC_WRITE, 1, sizeof(big)), &big));
	EXPECT_EVENT(EPOLLIN, 3, ev);
}

/* uapi: evpoll_wait.reserved must be zero; the event stays */
TEST_F(abi, wait_reserved)
{
	struct epoll_event ev = {};
	int64_t zero[2] = {};
	struct evpoll_wait wait = {
		.events = (uintptr_t)&ev,
		.timeout = (uintptr_t)zero,
		.maxevents = 1,
		.reserved = 1,
	};

	ASSERT_EQ(0, ep_ctl(BY_WAIT, self->ep, EPOLL_CTL_ADD, self->fd, EPOLLIN | EPOLLET, 3));
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	wait.reserved = 1ULL << 63;
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	wait.reserved = 0;
	EXPECT_EQ(1, ioctl(self->ep, EVPOLL_IOC_WAIT, &wait));
	EXPECT_EVENT(EPOLLIN, 3, ev);
}

/* ioctl(2) EFAULT: the structure is not there, or half of it */
TEST_F(abi, efault)
{
	static const unsigned int nr[] = {
		EVPOLL_IOC_CTL, EVPOLL_IOC_CTLV, EVPOLL_IOC_WAIT, EVPOLL_IOC_SET_PARAMS,
		EVPOLL_IOC_GET_PARAMS,
	};
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p + 4096, 4096, PROT_NONE));
	for (size_t i = 0; i < ARRAY_SIZE(nr); i++) {
		EXPECT_ERRNO(EFAULT, ioctl(self->ep, nr[i], NULL));
		EXPECT_ERRNO(EFAULT, ioctl(self->ep, nr[i], (void *)-4096L));
		EXPECT_ERRNO(EFAULT, ioctl(self->ep, nr[i], p + 4096));
		EXPECT_ERRNO(EFAULT, ioctl(self->ep, nr[i], p + 4092));
	}
	munmap(p, 8192);
}

/* uapi: the read timeout is 0 at first, comes back as set, and belongs to one instance */
TEST_F(abi, params_set_and_get)
{
	static const uint64_t good[] = { 1, 999, 1000000000, 1ULL << 32, INT64_MAX, 0 };
	int other = ep_create(BY_WAIT, O_CLOEXEC);
	struct evpoll_params params = { .read_timeout_ns = 77 };

	ASSERT_LE(0, other);
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &params));
	EXPECT_EQ(0u, params.read_timeout_ns);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		params.read_timeout_ns = good[i];
		ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
		params.read_timeout_ns = 77;
		ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &params));
		EXPECT_EQ(good[i], params.read_timeout_ns);
		ASSERT_EQ(0, ioctl(other, EVPOLL_IOC_GET_PARAMS, &params));
		EXPECT_EQ(0u, params.read_timeout_ns);
	}
	close(other);
}

/* uapi: more than KTIME_MAX is EINVAL and changes nothing */
TEST_F(abi, params_einval)
{
	static const uint64_t bad[] = { 1ULL << 63, UINT64_MAX };
	struct evpoll_params params = { .read_timeout_ns = 5000 };

	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		params.read_timeout_ns = bad[i];
		EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	}
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &params));
	EXPECT_EQ(5000u, params.read_timeout_ns);
}

/*
 * uapi: params of other sizes. SET takes a zero tail; GET fills a tail that the kernel does not
 * know with zeros, as copy_struct_to_user() does. The memory behind the structure is untouched.
 */
TEST_F(abi, params_sizes)
{
	struct {
		struct evpoll_params params;
		uint64_t tail[4];
	} big = { .params.read_timeout_ns = 6000, .tail = { 0, 0, 1, 0 } };

	EXPECT_ERRNO(E2BIG, ioctl(self->ep, SIZED(_IOC_WRITE, 2, sizeof(big)), &big));
	for (size_t size = 0; size < 8; size++)
		EXPECT_ERRNO(EINVAL, ioctl(self->ep, SIZED(_IOC_WRITE, 2, size), &big));
	big.tail[2] = 0;
	EXPECT_EQ(0, ioctl(self->ep, SIZED(_IOC_WRITE, 2, sizeof(big)), &big));

	memset(&big, 0x5a, sizeof(big));
	EXPECT_EQ(0, ioctl(self->ep, SIZED(_IOC_READ, 3, sizeof(big) - 8), &big));
	EXPECT_EQ(6000u, big.params.read_timeout_ns);
	EXPECT_EQ(0u, big.tail[0]);
	EXPECT_EQ(0u, big.tail[2]);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, big.tail[3]);
	for (size_t size = 0; size < 8; size++)
		EXPECT_ERRNO(EINVAL, ioctl(self->ep, SIZED(_IOC_READ, 3, size), &big));
}

/* An instance is read, not written, and has no position */
TEST_F(abi, other_calls)
{
	char c = 0;

	EXPECT_ERRNO(EINVAL, write(self->ep, &c, 1));
	EXPECT_ERRNO(ESPIPE, pread(self->ep, &c, 1, 0));
	EXPECT_ERRNO(ENODEV, (long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->ep, 0));
}

TEST_HARNESS_MAIN
