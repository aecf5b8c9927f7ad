// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interest list: ADD, MOD, DEL and every error of epoll_ctl(2) that bad input gives. ENOSPC
 * is in limits.c, ELOOP in nesting.c. The ioctl's own rules are in ctl_abi.c.
 */
#include "evpoll_util.h"

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The lines of an instance's fdinfo that list its items. */
static void list_items(int ep, char *buf, size_t size)
{
	char path[64], line[256];
	size_t used = 0;
	FILE *f;

	buf[0] = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	f = fopen(path, "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "tfd:", 4) && used < size)
			used += snprintf(buf + used, size - used, "%s", line);
	fclose(f);
}

FIXTURE(ctl) {
	int ep;
	int rd, wr;	/* a non-blocking pipe */
};

FIXTURE_VARIANT(ctl) {
	enum mechanism by;
};

EP_VARIANTS(ctl);

FIXTURE_SETUP(ctl)
{
	self->ep = ep_and_pipe(variant->by, &self->rd, &self->wr);
	ASSERT_LE(0, self->ep) TH_LOG("no instance or no pipe: %s", strerror(errno));
}

FIXTURE_TEARDOWN(ctl)
{
	close(self->ep);
	close(self->rd);
	close(self->wr);
}

/* R10: an item reports from ADD on, and no more after DEL */
TEST_F(ctl, add_then_del)
{
	struct epoll_event ev;

	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	EXPECT_EQ(1, ep_items(self->ep));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R31: what became ready before DEL is not reported after it, and a new ADD starts afresh */
TEST_F(ctl, del_takes_back_what_is_ready)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->rd, EPOLLIN, 7));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, 7, ev);
}

/* R12: all 64 bits of the data come back */
TEST_F(ctl, data_comes_back)
{
	static const uint64_t data[] = {
		0, 1, UINT32_MAX, 1ULL << 32, 1ULL << 63, INT64_MAX, UINT64_MAX,
		0x0123456789abcdefULL,
	};
	struct epoll_event ev;

	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->rd, EPOLLIN,
				    data[i]));
		memset(&ev, 0x5a, sizeof(ev));
		ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		EXPECT_EVENT(EPOLLIN, data[i], ev);
	}
}

/* R10: MOD replaces mask and data, also of an item that is ready */
TEST_F(ctl, mod_replaces_mask_and_data)
{
	struct epoll_event ev = {};
	int sv[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	ASSERT_EQ(0, put_byte(sv[1]));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, sv[0], EPOLLIN, 1));
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, sv[0], EPOLLOUT, 2));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLOUT, 2, ev);
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, sv[0], EPOLLPRI, 3));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, sv[0], EPOLLIN | EPOLLOUT, 4));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN | EPOLLOUT, 4, ev);
	close(sv[0]);
	close(sv[1]);
}

/* epoll_ctl(2) ENOENT: MOD and DEL of what is not registered, or no more */
TEST_F(ctl, enoent)
{
	EXPECT_ERRNO(ENOENT, ep_mod(variant->by, self->ep, self->rd, EPOLLIN));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, self->rd));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	EXPECT_ERRNO(ENOENT, ep_mod(variant->by, self->ep, self->wr, EPOLLIN));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, self->wr));
	ASSERT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	EXPECT_ERRNO(ENOENT, ep_mod(variant->by, self->ep, self->rd, EPOLLIN));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, self->rd));
}

/* R23: the same pair twice is EEXIST, and the first registration stays as it was */
TEST_F(ctl, eexist)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->rd, EPOLLIN, 1));
	EXPECT_ERRNO(EEXIST, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->rd, EPOLLPRI, 2));
	EXPECT_EQ(1, ep_items(self->ep));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, 1, ev);
}

/* R22, R23: a dup of the same open file description is an item of its own, with its own mask */
TEST_F(ctl, dup_is_another_item)
{
	struct epoll_event ev[3] = {};
	int sv[2], copy;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	copy = dup(sv[0]);
	ASSERT_LE(0, copy);
	ASSERT_EQ(0, put_byte(sv[1]));
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, sv[0], EPOLLIN, 1));
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, copy, EPOLLOUT, 2));
	EXPECT_EQ(2, ep_items(self->ep));
	ASSERT_EQ(2, ep_wait(variant->by, self->ep, ev, 3, 0));
	EXPECT_EVENT(EPOLLIN, 1, ev[0]);
	EXPECT_EVENT(EPOLLOUT, 2, ev[1]);
	EXPECT_EQ(0, ep_del(variant->by, self->ep, sv[0]));
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, ev, 3, 0));
	EXPECT_EVENT(EPOLLOUT, 2, ev[0]);
	close(copy);
	close(sv[0]);
	close(sv[1]);
}

/* R22: the same fd number with another file is another key */
TEST_F(ctl, same_number_other_file)
{
	int fd = dup(self->rd), other = eventfd(1, 0);
	struct epoll_event ev = {};

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, fd, EPOLLIN, 1));
	/* the pipe lives on in self->rd, and so does its item */
	ASSERT_EQ(fd, dup2(other, fd));
	EXPECT_ERRNO(ENOENT, ep_mod(variant->by, self->ep, fd, EPOLLIN));
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, fd, EPOLLIN, 2));
	EXPECT_EQ(2, ep_items(self->ep));
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, 2, ev);
	EXPECT_EQ(0, ep_del(variant->by, self->ep, fd));
	EXPECT_EQ(1, ep_items(self->ep));
	close(fd);
	close(other);
}

/* R22: an item whose fd is closed can be removed when the number names its file again */
TEST_F(ctl, del_needs_number_and_file)
{
	int fd = dup(self->rd);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ep_add(variant->by, self->ep, fd, EPOLLIN));
	close(fd);
	EXPECT_EQ(1, ep_items(self->ep));
	EXPECT_ERRNO(EBADF, ep_del(variant->by, self->ep, fd));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, self->rd));
	ASSERT_EQ(fd, dup2(self->rd, fd));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, fd));
	EXPECT_EQ(0, ep_items(self->ep));
	close(fd);
}

/* epoll_ctl(2) EBADF: either fd is not open, or opened with O_PATH */
TEST_F(ctl, ebadf)
{
	int closed = dup(self->rd), path = open("/", O_PATH);

	ASSERT_LE(0, path);
	close(closed);
	for (int op = EPOLL_CTL_ADD; op <= EPOLL_CTL_MOD; op++) {
		EXPECT_ERRNO(EBADF, ep_ctl(variant->by, self->ep, op, -1, EPOLLIN, 0));
		EXPECT_ERRNO(EBADF, ep_ctl(variant->by, self->ep, op, INT32_MIN, EPOLLIN, 0));
		EXPECT_ERRNO(EBADF, ep_ctl(variant->by, self->ep, op, INT32_MAX, EPOLLIN, 0));
		EXPECT_ERRNO(EBADF, ep_ctl(variant->by, self->ep, op, closed, EPOLLIN, 0));
		EXPECT_ERRNO(EBADF, ep_ctl(variant->by, self->ep, op, path, EPOLLIN, 0));
		EXPECT_ERRNO(EBADF, ep_ctl(variant->by, -1, op, self->rd, EPOLLIN, 0));
		EXPECT_ERRNO(EBADF, ep_ctl(variant->by, closed, op, self->rd, EPOLLIN, 0));
	}
	close(path);
}

/* R33, epoll_ctl(2) EPERM: files without ->poll */
TEST_F(ctl, eperm)
{
	int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	int fds[] = { file, open("/tmp", O_RDONLY), open("/dev/null", O_RDWR) };

	for (int i = 0; i < 3; i++) {
		ASSERT_LE(0, fds[i]);
		for (int op = EPOLL_CTL_ADD; op <= EPOLL_CTL_MOD; op++)
			EXPECT_ERRNO(EPERM, ep_ctl(variant->by, self->ep, op, fds[i], EPOLLIN, 0));
		close(fds[i]);
	}
	EXPECT_EQ(0, ep_items(self->ep));
}

/* epoll_ctl(2) EINVAL: an unknown op, registered or not */
TEST_F(ctl, einval_op)
{
	static const int ops[] = { 0, 4, 77, 1 << 16 | 1, -1, INT32_MIN, INT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, ops[i], self->rd, EPOLLIN, 0));
	EXPECT_EQ(0, ep_items(self->ep));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, ops[i], self->rd, EPOLLIN, 0));
	EXPECT_EQ(1, ep_items(self->ep));
}

/* R26: an instance in itself, by whichever fd */
TEST_F(ctl, einval_self)
{
	int copy = dup(self->ep);

	ASSERT_LE(0, copy);
	for (int op = EPOLL_CTL_ADD; op <= EPOLL_CTL_MOD; op++) {
		EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, op, self->ep, EPOLLIN, 0));
		EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, op, copy, EPOLLIN, 0));
	}
	/* the instance is whole after it */
	EXPECT_EQ(0, ep_add(variant->by, copy, self->rd, EPOLLIN));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	close(copy);
}

/* epoll_ctl(2), EPOLLEXCLUSIVE: which bits may go with it on ADD */
TEST_F(ctl, exclusive_bits)
{
	static const uint32_t good[] = {
		0, EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLET, EPOLLWAKEUP,
		EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLET | EPOLLWAKEUP,
	};
	static const uint32_t bad[] = {
		EPOLLONESHOT, EPOLLRDHUP, EPOLLPRI, EPOLLRDNORM, EPOLLRDBAND, EPOLLWRNORM,
		EPOLLWRBAND, EPOLLMSG, EPOLLIN | EPOLLONESHOT, EPOLLIN | EPOLLRDHUP,
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLEXCLUSIVE | good[i]));
		EXPECT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(EINVAL, ep_add(variant->by, self->ep, self->rd,
					    EPOLLEXCLUSIVE | bad[i]));
	EXPECT_EQ(0, ep_items(self->ep));
}

/* epoll_ctl(2), EPOLLEXCLUSIVE: not with MOD, no MOD of such an item, none on an instance */
TEST_F(ctl, exclusive_mod_and_nesting)
{
	int other = ep_create(variant->by, O_CLOEXEC);

	ASSERT_LE(0, other);
	EXPECT_ERRNO(EINVAL, ep_add(variant->by, self->ep, other, EPOLLIN | EPOLLEXCLUSIVE));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN | EPOLLEXCLUSIVE));
	EXPECT_ERRNO(EINVAL, ep_mod(variant->by, self->ep, self->rd, EPOLLIN | EPOLLEXCLUSIVE));
	EXPECT_ERRNO(EINVAL, ep_mod(variant->by, self->ep, self->rd, EPOLLIN));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->wr, EPOLLOUT));
	EXPECT_ERRNO(EINVAL, ep_mod(variant->by, self->ep, self->wr, EPOLLOUT | EPOLLEXCLUSIVE));
	EXPECT_EQ(2, ep_items(self->ep));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	close(other);
}

/* do_epoll_ctl(): EBADF before EPERM before EINVAL before EEXIST and ENOENT */
TEST_F(ctl, order_of_errors)
{
	int file = open("/tmp", O_RDONLY), closed = dup(file);
	const uint32_t bad = EPOLLEXCLUSIVE | EPOLLONESHOT;

	close(closed);
	EXPECT_ERRNO(EBADF, ep_ctl(variant->by, self->ep, 77, closed, bad, 0));
	EXPECT_ERRNO(EPERM, ep_ctl(variant->by, self->ep, 77, file, bad, 0));
	EXPECT_ERRNO(EPERM, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, file, bad, 0));
	/* EINVAL for EPOLLEXCLUSIVE before ENOENT ... */
	EXPECT_ERRNO(EINVAL, ep_mod(variant->by, self->ep, self->rd, EPOLLIN | EPOLLEXCLUSIVE));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->rd, EPOLLIN));
	/* ... and before EEXIST */
	EXPECT_ERRNO(EINVAL, ep_add(variant->by, self->ep, self->rd, bad));
	/* DEL ignores the mask */
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_DEL, self->rd, bad, 0));
	close(file);
}

/* epoll_ctl(2) EFAULT: memory that is not there, and an instance that did not notice */
TEST_F(ctl, efault)
{
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *bad[] = { NULL, none, (void *)-4096L, (char *)none - 1 };

	ASSERT_NE(MAP_FAILED, none);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (variant->by == BY_EPOLL) {
			EXPECT_ERRNO(EFAULT, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->rd, bad[i]));
			EXPECT_ERRNO(EFAULT, epoll_ctl(self->ep, EPOLL_CTL_MOD, self->rd, bad[i]));
		} else {
			EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_CTL, bad[i]));
		}
	}
	EXPECT_EQ(0, ep_items(self->ep));
	munmap(none, 4096);
}

/* An instance is unchanged after an error */
TEST_F(ctl, unchanged_after_errors)
{
	int e = eventfd(0, 0), file = open("/tmp", O_RDONLY);
	char before[1024], after[1024];
	struct epoll_event ev[3] = {};

	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->rd, EPOLLIN, 11));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, e, EPOLLIN | EPOLLEXCLUSIVE, 22));
	list_items(self->ep, before, sizeof(before));

	EXPECT_ERRNO(EEXIST, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->rd, EPOLLET, 1));
	EXPECT_ERRNO(ENOENT, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->wr, EPOLLET, 1));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, self->wr));
	EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, 99, self->rd, EPOLLET, 1));
	EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, e, EPOLLET, 1));
	EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->rd,
				    EPOLLIN | EPOLLEXCLUSIVE, 1));
	EXPECT_ERRNO(EINVAL, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->wr,
				    EPOLLPRI | EPOLLEXCLUSIVE, 1));
	EXPECT_ERRNO(EPERM, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, file, EPOLLIN, 1));
	EXPECT_ERRNO(EBADF, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, -1, EPOLLIN, 1));

	list_items(self->ep, after, sizeof(after));
	EXPECT_STREQ(before, after);
	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, ev, 3, 0));
	EXPECT_EVENT(EPOLLIN, 11, ev[0]);
	close(file);
	close(e);
}

/* R34, ep_show_fdinfo(): one line an item, mask with ERR and HUP, data, position, inode */
TEST_F(ctl, fdinfo_line)
{
	int fd = open("/proc/self/mounts", O_RDONLY);
	char line[1024], expected[256], c[10];
	struct stat st;

	ASSERT_LE(0, fd);
	ASSERT_EQ(10, read(fd, c, 10));
	ASSERT_EQ(0, fstat(fd, &st));
	list_items(self->ep, line, sizeof(line));
	EXPECT_STREQ("", line);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, fd, EPOLLPRI | EPOLLET,
			    0xfedcba9876543210ULL));
	list_items(self->ep, line, sizeof(line));
	/* the kernel's dev_t has 20 bits of minor */
	snprintf(expected, sizeof(expected),
		 "tfd: %8d events: %8x data: %16llx  pos:%lli ino:%llx sdev:%x\n", fd,
		 (unsigned int)(EPOLLPRI | EPOLLET | EPOLLERR | EPOLLHUP), 0xfedcba9876543210ULL,
		 10LL, (unsigned long long)st.st_ino, major(st.st_dev) << 20 | minor(st.st_dev));
	EXPECT_STREQ(expected, line);
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_DEL, fd, 0, 0));
	list_items(self->ep, line, sizeof(line));
	EXPECT_STREQ("", line);
	close(fd);
}

/* R34: the whole listing is epoll's, character for character */
TEST_F(ctl, fdinfo_as_epoll)
{
	static const uint32_t masks[] = {
		0, EPOLLIN, EPOLLOUT | EPOLLET, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT,
		EPOLLIN | EPOLLEXCLUSIVE, EPOLLPRI,
	};
	int epoll = epoll_create1(0), fd;
	char ours[2048], theirs[2048];

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		fd = eventfd(0, 0);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, fd, masks[i], ~i));
		ASSERT_EQ(0, ep_ctl(BY_EPOLL, epoll, EPOLL_CTL_ADD, fd, masks[i], ~i));
	}
	list_items(self->ep, ours, sizeof(ours));
	list_items(epoll, theirs, sizeof(theirs));
	EXPECT_STREQ(theirs, ours);
	close(epoll);
}

/* ep_insert(), ep_remove(): many items of one file and of many, removed in another order */
TEST_F(ctl, many_items)
{
	enum { N = 400 };
	static int fds[N];
	struct epoll_event ev[2];

	for (int i = 0; i < N; i++) {
		fds[i] = i % 2 ? dup(self->rd) : eventfd(0, 0);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, ep_add(variant->by, self->ep, fds[i], EPOLLIN));
	}
	EXPECT_EQ(N, ep_items(self->ep));
	for (int i = 0; i < N; i++) {
		int k = i * 7 % N;	/* 7 and N have no common divisor */

		ASSERT_EQ(0, ep_del(variant->by, self->ep, fds[k]));
		EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, fds[k]));
		if (i % 100 == 49) {
			EXPECT_EQ(N - 1 - i, ep_items(self->ep));
		}
	}
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, ev, 2, 0));
	for (int i = 0; i < N; i++)
		close(fds[i]);
}

TEST_HARNESS_MAIN
