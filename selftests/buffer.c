// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a wait puts into the caller's buffer: order, turns when it is small (R32), and buffers that
 * are too small, odd, absent or half there (R13).
 */
#include "evpoll_uring.h"
#include "evpoll_util.h"

#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#define PAGE 4096
#define EVENT sizeof(struct epoll_event)
#define FILES 10

FIXTURE(buffer) {
	int ep;
	int fds[FILES];		/* eventfds, the data of each is its place here */
	char *end;		/* of the memory that can be written */
};

FIXTURE_VARIANT(buffer) {
	enum mechanism by;
};

EP_VARIANTS(buffer);

FIXTURE_SETUP(buffer)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	for (int i = 0; i < FILES; i++) {
		self->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_LE(0, self->fds[i]);
	}
	self->end = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, self->end);
	self->end += PAGE;
	ASSERT_EQ(0, mprotect(self->end, PAGE, PROT_NONE));
}

FIXTURE_TEARDOWN(buffer)
{
	close(self->ep);
	for (int i = 0; i < FILES; i++)
		close(self->fds[i]);
	munmap(self->end - PAGE, 2 * PAGE);
}

static int add_all(enum mechanism by, int ep, const int *fds, int n, uint32_t events)
{
	for (int i = 0; i < n; i++)
		if (ep_ctl(by, ep, EPOLL_CTL_ADD, fds[i], events, i) || eventfd_write(fds[i], 1))
			return -1;
	return 0;
}

/* R13: a wait fills at most what the buffer holds, and not a byte behind it */
TEST_F(buffer, filled_to_its_end)
{
	struct epoll_event ev[FILES + 1];

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, FILES, EPOLLIN));
	for (int max = 1; max <= FILES; max++) {
		memset(ev, 0x5a, sizeof(ev));
		EXPECT_EQ(max, ep_wait(variant->by, self->ep, ev, max, 0));
		EXPECT_EVENT(0x5a5a5a5a, 0x5a5a5a5a5a5a5a5aULL, ev[max]);
	}
	memset(ev, 0x5a, sizeof(ev));
	EXPECT_EQ(FILES, ep_wait(variant->by, self->ep, ev, FILES + 1, 0));
	EXPECT_EVENT(0x5a5a5a5a, 0x5a5a5a5a5a5a5a5aULL, ev[FILES]);
}

/* R13: what the buffer did not hold comes with the next wait, edge-triggered too */
TEST_F(buffer, rest_comes_next)
{
	struct epoll_event ev[4];
	int seen = 0, n;

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, FILES, EPOLLIN | EPOLLET));
	for (int left = FILES; left > 0; left -= n) {
		n = ep_wait(variant->by, self->ep, ev, 4, 0);
		ASSERT_EQ(left < 4 ? left : 4, n);
		for (int i = 0; i < n; i++)
			seen |= 1 << ev[i].data.u64;
	}
	EXPECT_EQ((1 << FILES) - 1, seen);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, ev, 4, 0));
}

/* ep_poll_callback(): events come back in the order in which they came */
TEST_F(buffer, first_in_first_out)
{
	static const int order[FILES] = { 3, 1, 4, 9, 5, 2, 6, 8, 7, 0 };
	struct epoll_event ev[FILES];

	for (int i = 0; i < FILES; i++)
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fds[i],
				    EPOLLIN | EPOLLET, i));
	for (int i = 0; i < FILES; i++)
		ASSERT_EQ(0, eventfd_write(self->fds[order[i]], 1));
	/* a second event does not change the place */
	ASSERT_EQ(0, eventfd_write(self->fds[order[0]], 1));
	ASSERT_EQ(FILES, ep_wait(variant->by, self->ep, ev, FILES, 0));
	for (int i = 0; i < FILES; i++)
		EXPECT_EVENT(EPOLLIN, order[i], ev[i]);
}

/* R32: ready items take turns: with a buffer for 3 of 10, each comes 3 times in 10 waits */
TEST_F(buffer, turns)
{
	int count[FILES] = {};
	struct epoll_event ev[3];

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, FILES, EPOLLIN));
	for (int i = 0; i < FILES; i++) {
		ASSERT_EQ(3, ep_wait(variant->by, self->ep, ev, 3, 0));
		for (int k = 0; k < 3; k++)
			count[ev[k].data.u64]++;
	}
	for (int i = 0; i < FILES; i++)
		EXPECT_EQ(3, count[i]);
}

/* R32: items that are always ready do not keep a new one waiting longer than one round */
TEST_F(buffer, newcomer_gets_its_turn)
{
	struct epoll_event ev = {};
	int waits = 0;

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, FILES - 1, EPOLLIN));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fds[FILES - 1], EPOLLIN,
			    99));
	for (int i = 0; i < 25; i++)
		ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, eventfd_write(self->fds[FILES - 1], 1));
	do {
		ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		waits++;
	} while (ev.data.u64 != 99 && waits < 100);
	EXPECT_LE(waits, FILES);
}

/* R32: busy items that become ready again do not overtake items that wait */
TEST_F(buffer, busy_ones_do_not_pass)
{
	int count[FILES] = {};
	struct epoll_event ev[2];

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, FILES, EPOLLIN | EPOLLET));
	for (int i = 0; i < 5 * FILES; i++) {
		ASSERT_EQ(2, ep_wait(variant->by, self->ep, ev, 2, 0));
		for (int k = 0; k < 2; k++) {
			count[ev[k].data.u64]++;
			ASSERT_EQ(0, eventfd_write(self->fds[ev[k].data.u64], 1));
		}
	}
	for (int i = 0; i < FILES; i++)
		EXPECT_EQ(10, count[i]);
}

/* R13, epoll_wait(2) EFAULT: no memory there, and the event is still ready afterwards */
TEST_F(buffer, efault_keeps_the_event)
{
	static const uint32_t mode[] = { 0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT };
	void *bad[] = { NULL, self->end, (void *)-4096L };
	struct epoll_event ev = {};

	for (size_t m = 0; m < ARRAY_SIZE(mode); m++) {
		ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, 1, EPOLLIN | mode[m]));
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, bad[i], 1, 0));
			EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, bad[i], 1, -1));
		}
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		EXPECT_EVENT(EPOLLIN, 0, ev);
		EXPECT_EQ(mode[m] ? 0 : 1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		ASSERT_EQ(0, ep_del(variant->by, self->ep, self->fds[0]));
	}
}

/* do_epoll_wait(): kernel addresses are refused at once, others only when there is an event */
TEST_F(buffer, efault_without_event)
{
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, NULL, 1, 0));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, (void *)self->end, 1, 0));
	EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, (void *)-4096L, 1, 0));
}

/*
 * R13: no event is lost. Some files report their state to the first poll only, so a wait must not
 * poll more files after an event that does not fit into the buffer.
 */
TEST_F(buffer, efault_asks_no_further)
{
	struct epoll_event ev[2];
	int fd;

	ASSERT_EQ(0, unshare(CLONE_NEWUTS));
	fd = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fds[0], EPOLLOUT));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, fd, EPOLLPRI));
	ASSERT_EQ(0, sethostname("buffer", 6));
	EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, (void *)self->end, 2, 0));
	EXPECT_EQ(2, ep_wait(variant->by, self->ep, ev, 2, 0));
	EXPECT_EVENT(EPOLLOUT, self->fds[0], ev[0]);
	EXPECT_EVENT(EPOLLPRI | EPOLLERR, fd, ev[1]);
	close(fd);
}

/* R32, ep_send_events(): level-triggered items keep their turns, with and without wakeup source */
TEST_F(buffer, order_with_wakeup)
{
	static const uint32_t mask[] = {
		EPOLLOUT | EPOLLWAKEUP, EPOLLOUT, EPOLLOUT, EPOLLOUT | EPOLLWAKEUP, EPOLLOUT,
	};
	struct epoll_event ev[ARRAY_SIZE(mask)];

	for (size_t i = 0; i < ARRAY_SIZE(mask); i++)
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->fds[i], mask[i],
				    i));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(ARRAY_SIZE(mask),
			  ep_wait(variant->by, self->ep, ev, ARRAY_SIZE(mask), 0));
		for (size_t i = 0; i < ARRAY_SIZE(mask); i++)
			EXPECT_EVENT(EPOLLOUT, i, ev[i]);
	}
}

/* ep_send_events(): the first event that cannot be copied ends the batch; it and the rest stay */
TEST_F(buffer, half_mapped)
{
	struct epoll_event ev[FILES] = {}, *half;

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, FILES, EPOLLIN | EPOLLET));
	/* room for two */
	half = (void *)(self->end - 2 * EVENT);
	ASSERT_EQ(2, ep_wait(variant->by, self->ep, half, FILES, 0));
	EXPECT_EVENT(EPOLLIN, 0, half[0]);
	EXPECT_EVENT(EPOLLIN, 1, half[1]);
	/* room for one and a half */
	half = (void *)(self->end - EVENT - EVENT / 2);
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, half, FILES, 0));
	EXPECT_EVENT(EPOLLIN, 2, half[0]);
	/* room for half an event, and for its last byte less one */
	EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, (void *)(self->end - EVENT / 2),
				     FILES, 0));
	EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, (void *)(self->end - EVENT + 1),
				     FILES, 0));
	/* all others are there, once, and in their order */
	ASSERT_EQ(FILES - 3, ep_wait(variant->by, self->ep, ev, FILES, 0));
	for (int i = 3; i < FILES; i++)
		EXPECT_EVENT(EPOLLIN, i, ev[i - 3]);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, ev, FILES, 0));
}

/* the same, level-triggered: nothing is reported twice in a round, nothing left out */
TEST_F(buffer, half_mapped_lt)
{
	struct epoll_event ev[FILES] = {}, *half = (void *)(self->end - EVENT - EVENT / 2);
	int seen = 0;

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, FILES, EPOLLIN));
	for (int i = 0; i < FILES; i++) {
		ASSERT_EQ(1, ep_wait(variant->by, self->ep, half, FILES, 0));
		seen |= 1 << half->data.u64;
	}
	EXPECT_EQ((1 << FILES) - 1, seen);
	EXPECT_EQ(FILES, ep_wait(variant->by, self->ep, ev, FILES, 0));
}

/* epoll_wait(2): a buffer that is read-only is EFAULT, too */
TEST_F(buffer, efault_read_only)
{
	struct epoll_event *ev = (void *)(self->end - EVENT);

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, 1, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, mprotect(self->end - PAGE, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, ev, 1, 0));
	ASSERT_EQ(0, mprotect(self->end - PAGE, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, 0, *ev);
}

/* ep_send_events(): any address will do, aligned or not */
TEST_F(buffer, odd_addresses)
{
	struct epoll_event *odd;

	ASSERT_EQ(0, add_all(variant->by, self->ep, self->fds, 3, EPOLLIN));
	for (size_t i = 0; i < 17; i++) {
		memset(self->end - PAGE, 0, PAGE);
		odd = (void *)(self->end - 3 * EVENT - i);
		ASSERT_EQ(3, ep_wait(variant->by, self->ep, odd, 3, 0));
		for (int k = 0; k < 3; k++) {
			struct epoll_event ev;

			memcpy(&ev, (char *)odd + k * EVENT, EVENT);
			EXPECT_EVENT(EPOLLIN, k, ev);
		}
	}
}

FIXTURE(read) {
	int ep;
	int fds[3];
};

FIXTURE_SETUP(read)
{
	self->ep = ep_create(BY_READ, O_CLOEXEC | O_NONBLOCK);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	for (int i = 0; i < 3; i++) {
		self->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_LE(0, self->fds[i]);
	}
}

FIXTURE_TEARDOWN(read)
{
	close(self->ep);
	for (int i = 0; i < 3; i++)
		close(self->fds[i]);
}

/* uapi: less than one event is EINVAL, with events and without, and takes none away */
TEST_F(read, too_small)
{
	struct epoll_event ev;

	for (size_t size = 0; size < EVENT; size++)
		EXPECT_ERRNO(EINVAL, read(self->ep, &ev, size));
	EXPECT_ERRNO(EAGAIN, read(self->ep, &ev, EVENT));
	ASSERT_EQ(0, add_all(BY_READ, self->ep, self->fds, 1, EPOLLIN | EPOLLET));
	for (size_t size = 0; size < EVENT; size++)
		EXPECT_ERRNO(EINVAL, read(self->ep, &ev, size));
	EXPECT_EQ((ssize_t)EVENT, read(self->ep, &ev, EVENT));
	EXPECT_EVENT(EPOLLIN, 0, ev);
}

/* uapi: whole events only; what is left of the buffer stays as it was */
TEST_F(read, whole_events)
{
	union {
		struct epoll_event ev[4];
		unsigned char byte[4 * EVENT];
	} buf;

	ASSERT_EQ(0, add_all(BY_READ, self->ep, self->fds, 3, EPOLLIN));
	for (size_t size = EVENT; size <= sizeof(buf); size++) {
		size_t n = size / EVENT < 3 ? size / EVENT : 3;

		memset(&buf, 0x5a, sizeof(buf));
		EXPECT_EQ((ssize_t)(n * EVENT), read(self->ep, &buf, size));
		for (size_t i = 0; i < n; i++)
			EXPECT_EQ(EPOLLIN, (int)buf.ev[i].events);
		for (size_t i = n * EVENT; i < sizeof(buf); i++)
			EXPECT_EQ(0x5a, buf.byte[i]);
	}
}

/* uapi: a buffer of any size, up to what read(2) takes at all */
TEST_F(read, huge_size)
{
	/* Not on the stack: it may be so near the end of the address space that this is EFAULT. */
	static struct epoll_event ev[3];

	EXPECT_ERRNO(EAGAIN, syscall(SYS_read, self->ep, ev, 0x7ffff000));
	ASSERT_EQ(0, add_all(BY_READ, self->ep, self->fds, 3, EPOLLIN | EPOLLET));
	EXPECT_EQ(3 * (long)EVENT, syscall(SYS_read, self->ep, ev, 0x7ffff000));
	EXPECT_ERRNO(EAGAIN, syscall(SYS_read, self->ep, ev, 0x7ffff000));
}

/* A thread that reads into two segments, of one event each */
struct scattered {
	int ep;
	_Atomic pid_t tid;
	struct epoll_event ev[2];
	ssize_t n;
};

static void *scattered_main(void *arg)
{
	struct scattered *s = arg;
	struct iovec iov[2] = { { &s->ev[0], EVENT }, { &s->ev[1], EVENT } };

	s->tid = syscall(SYS_gettid);
	s->n = readv(s->ep, iov, 2);
	return NULL;
}

/* readv(2) returns what there is: with an event in hand it does not wait for the next segment */
TEST_F(read, segments_wait_once)
{
	struct scattered s = { .ep = self->ep };
	pthread_t thread;

	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, 0));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, ep_ctl(BY_READ, self->ep, EPOLL_CTL_ADD, self->fds[i],
				    EPOLLIN | EPOLLET, i));
	/* An event is there before, and one comes while the thread sleeps. */
	for (int i = 0; i < 2; i++) {
		struct timespec end;

		s.tid = 0;
		if (!i)
			ASSERT_EQ(0, eventfd_write(self->fds[0], 1));
		ASSERT_EQ(0, pthread_create(&thread, NULL, scattered_main, &s));
		while (!s.tid)
			sched_yield();
		if (i) {
			ASSERT_TRUE(asleep(s.tid));
			ASSERT_EQ(0, eventfd_write(self->fds[1], 1));
		}
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += SOON / 1000;
		ASSERT_EQ(0, pthread_timedjoin_np(thread, NULL, &end));
		EXPECT_EQ((ssize_t)EVENT, s.n);
		EXPECT_EVENT(EPOLLIN, i, s.ev[0]);
	}
}

/* readv(2): events run over the ends of segments. A bad segment loses no event */
TEST_F(read, segments)
{
	struct epoll_event ev[4];
	char *p = (char *)ev, *bad;
	struct iovec odd[] = {
		{ p, 1 }, { p + 1, EVENT }, { p + 1 + EVENT, 0 }, { p + 1 + EVENT, EVENT },
		{ p + 1 + 2 * EVENT, 2 * EVENT - 2 },
	};

	ASSERT_EQ(0, add_all(BY_READ, self->ep, self->fds, 3, EPOLLIN | EPOLLET));
	EXPECT_EQ(3 * (ssize_t)EVENT, readv(self->ep, odd, 5));
	for (int i = 0; i < 3; i++)
		EXPECT_EVENT(EPOLLIN, i, ev[i]);
	EXPECT_ERRNO(EAGAIN, readv(self->ep, odd, 5));
	EXPECT_ERRNO(EINVAL, readv(self->ep, odd, 1));

	bad = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, bad);
	odd[1] = (struct iovec){ p + 1, EVENT - 1 };
	odd[2] = (struct iovec){ p + EVENT, 5 };
	odd[3] = (struct iovec){ bad, 2 * EVENT };
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, eventfd_write(self->fds[i], 1));
	EXPECT_EQ((ssize_t)EVENT, readv(self->ep, odd, 4));
	EXPECT_EVENT(EPOLLIN, 0, ev[0]);
	EXPECT_ERRNO(EFAULT, readv(self->ep, odd + 2, 2));
	EXPECT_EQ(2 * (ssize_t)EVENT, read(self->ep, ev, sizeof(ev)));
	EXPECT_EVENT(EPOLLIN, 1, ev[0]);
	EXPECT_EVENT(EPOLLIN, 2, ev[1]);
	munmap(bad, PAGE);
}

/* Linux AIO: io_submit(2) does not wait for an event */
TEST_F(read, aio)
{
	struct epoll_event ev[2];
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = self->ep,
		.aio_buf = (uintptr_t)ev, .aio_nbytes = sizeof(ev),
	};
	struct iocb *list[] = { &cb };
	aio_context_t ctx = 0;
	struct io_event done;

	if (syscall(SYS_io_setup, 8, &ctx))
		SKIP(return, "io_setup: %s", strerror(errno));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, 0));
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, list));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &done, NULL));
	EXPECT_EQ(-EAGAIN, done.res);
	ASSERT_EQ(0, add_all(BY_READ, self->ep, self->fds, 1, EPOLLIN));
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, list));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &done, NULL));
	EXPECT_EQ((long)EVENT, done.res);
	EXPECT_EVENT(EPOLLIN, 0, ev[0]);
	syscall(SYS_io_destroy, ctx);
}

/* io_uring: a read waits for an event, and gets it */
TEST_F(read, uring)
{
	struct epoll_event ev[2];
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ, .fd = self->ep, .addr = (uintptr_t)ev, .len = sizeof(ev),
	};
	struct io_uring_cqe cqe;
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "io_uring_setup: %s", strerror(errno));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, 0));
	ASSERT_EQ(0, ep_ctl(BY_READ, self->ep, EPOLL_CTL_ADD, self->fds[0], EPOLLIN, 0));
	ASSERT_EQ(0, uring_submit(&u, &sqe));
	EXPECT_FALSE(uring_peek(&u, &cqe));
	ASSERT_EQ(0, eventfd_write(self->fds[0], 1));
	ASSERT_TRUE(uring_wait(&u, &cqe, SOON));
	EXPECT_EQ((int)EVENT, cqe.res);
	EXPECT_EVENT(EPOLLIN, 0, ev[0]);
	uring_close(&u);
}

TEST_HARNESS_MAIN
