// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous use (R6): a read by io_uring returns at once and completes with the events in the
 * buffer, without a worker thread. What ends such a read loses no event.
 */
#include "evpoll_fault.h"
#include "evpoll_uring.h"
#include "evpoll_util.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#define EVENT sizeof(struct epoll_event)
/* Newer than the headers of some machines */
#define OP_READ_MULTISHOT 49

FIXTURE(uring_read) {
	struct uring u;
	int ep;
	int fd;
	struct epoll_event ev[4];
	struct io_uring_cqe cqe;
};

FIXTURE_VARIANT(uring_read) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(uring_read, plain) { .flags = 0 };
FIXTURE_VARIANT_ADD(uring_read, sqpoll) { .flags = IORING_SETUP_SQPOLL };
FIXTURE_VARIANT_ADD(uring_read, defer) {
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(uring_read)
{
	ASSERT_EQ(0, uring_setup(&self->u, 64, 0, variant->flags))
		TH_LOG("io_uring_setup: %s", strerror(errno));
	self->ep = ep_create(BY_READ, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_EQ(0, ep_add(BY_READ, self->ep, self->fd, EPOLLIN | EPOLLET));
}

FIXTURE_TEARDOWN(uring_read)
{
	uring_close(&self->u);
	close(self->ep);
	close(self->fd);
}

/* A read of the instance into its buffer */
static struct io_uring_sqe read_of(const FIXTURE_DATA(uring_read) *self)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = self->ep, .addr = (uintptr_t)self->ev,
		.len = sizeof(self->ev), .off = -1, .user_data = 1,
	};
}

/* Threads of this process, also those that io_uring has made for it */
static int nr_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int n = 0;

	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* An event, and the completion that it causes */
#define EXPECT_COMPLETION(result) do {						\
	ASSERT_TRUE(uring_wait(&self->u, &self->cqe, SOON));			\
	EXPECT_EQ((int)(result), self->cqe.res);				\
} while (0)

/* Nobody has the event yet. */
#define EXPECT_NOT_LOST() do {							\
	EXPECT_EQ(1, ep_wait(BY_READ, self->ep, self->ev, 4, 0));		\
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);				\
} while (0)

/* io_uring_enter(2): what is ready completes at once, and what is not when it becomes ready */
TEST_F(uring_read, read)
{
	struct io_uring_sqe sqe = read_of(self);

	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_COMPLETION(EVENT);
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
	for (int i = 0; i < 3; i++) {
		memset(self->ev, 0, sizeof(self->ev));
		ASSERT_EQ(0, uring_submit(&self->u, &sqe));
		EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		EXPECT_COMPLETION(EVENT);
		EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
	}
}

/* Pending reads need no worker thread, however many they are. Each event completes one */
TEST_F(uring_read, no_threads)
{
	struct io_uring_sqe sqe = read_of(self);
	int before = nr_threads();

	for (int i = 0; i < 32; i++)
		ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	ASSERT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	EXPECT_EQ(before, nr_threads());
	for (int i = 0; i < 32; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		EXPECT_COMPLETION(EVENT);
		EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	}
	EXPECT_EQ(before, nr_threads());
}

/*
 * Somebody else takes each event first. After 128 times io_uring polls no more for the read, and a
 * worker thread reads. It waits there, in spite of O_NONBLOCK and of the timeout of the instance.
 * Only with IORING_SETUP_DEFER_TASKRUN can this thread be faster than the ring
 */
TEST_F(uring_read, in_vain)
{
	struct evpoll_params params = { .read_timeout_ns = 1 };
	struct io_uring_sqe sqe = read_of(self);
	int before = nr_threads(), vain = 0;

	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &params));
	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	for (int i = 0; i < 127 + 1; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		if (read(self->ep, self->ev, EVENT) == (ssize_t)EVENT) {
			vain++;
			EXPECT_FALSE(uring_run(&self->u, &self->cqe));
		} else {
			EXPECT_COMPLETION(EVENT);
			ASSERT_EQ(0, uring_submit(&self->u, &sqe));
		}
	}
	if (variant->flags & IORING_SETUP_DEFER_TASKRUN) {
		EXPECT_LT(100, vain);
		EXPECT_EQ(before + 1, nr_threads());
	}
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_COMPLETION(EVENT);
}

/* IORING_OP_READV: events run over the ends of segments */
TEST_F(uring_read, readv)
{
	struct iovec iov[2] = {
		{ self->ev, 5 }, { (char *)self->ev + 5, sizeof(self->ev) - 5 },
	};
	struct io_uring_sqe sqe = read_of(self);

	sqe.opcode = IORING_OP_READV;
	sqe.addr = (uintptr_t)iov;
	sqe.len = 2;
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_COMPLETION(EVENT);
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
}

/* IORING_OP_READ_FIXED: the kernel keeps the buffer, also when it is unmapped meanwhile */
TEST_F(uring_read, read_fixed)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_sqe sqe = read_of(self);
	struct iovec iov = { page, 4096 };

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, syscall(SYS_io_uring_register, self->u.fd, IORING_REGISTER_BUFFERS, &iov, 1));
	sqe.opcode = IORING_OP_READ_FIXED;
	sqe.addr = (uintptr_t)page;
	sqe.len = 4096;
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_COMPLETION(EVENT);
	EXPECT_EVENT(EPOLLIN, self->fd, *(struct epoll_event *)page);
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	ASSERT_EQ(0, munmap(page, 4096));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_COMPLETION(EVENT);
}

/* A buffer that is unmapped when the event comes: EFAULT, and the event stays */
TEST_F(uring_read, unmapped)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_sqe sqe = read_of(self);

	ASSERT_NE(MAP_FAILED, page);
	sqe.addr = (uintptr_t)page;
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	ASSERT_EQ(0, munmap(page, 4096));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_COMPLETION(-EFAULT);
	EXPECT_NOT_LOST();
}

/* uapi: less than one event is EINVAL, and takes none away. The rest of a buffer is not written */
TEST_F(uring_read, whole_events)
{
	struct io_uring_sqe sqe = read_of(self);
	unsigned char *byte = (void *)self->ev;

	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	sqe.len = EVENT - 1;
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_COMPLETION(-EINVAL);
	memset(self->ev, 0x5a, sizeof(self->ev));
	sqe.len = 2 * EVENT - 1;
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_COMPLETION(EVENT);
	for (size_t i = EVENT; i < sizeof(self->ev); i++)
		EXPECT_EQ(0x5a, byte[i]);
}

/* As for an eventfd: a read waits in spite of O_NONBLOCK, and RWF_NOWAIT makes it fail */
TEST_F(uring_read, nonblock)
{
	struct io_uring_sqe sqe = read_of(self);
	int fds[2] = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), self->ep };

	ASSERT_EQ(0, fcntl(self->ep, F_SETFL, O_NONBLOCK));
	for (int i = 0; i < 2; i++) {
		sqe.fd = fds[i];
		sqe.rw_flags = RWF_NOWAIT;
		ASSERT_EQ(0, uring_submit(&self->u, &sqe));
		EXPECT_COMPLETION(-EAGAIN);
		sqe.rw_flags = 0;
		ASSERT_EQ(0, uring_submit(&self->u, &sqe));
		EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
		ASSERT_EQ(0, eventfd_write(i ? self->fd : fds[0], 1));
		EXPECT_COMPLETION(i ? EVENT : sizeof(uint64_t));
	}
	close(fds[0]);
}

#define GROUP 7
#define BUFFERS 16

/* Gives the ring @n buffers of @size bytes from @base on. */
static int provide(struct uring *u, void *base, int size, int n)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_PROVIDE_BUFFERS, .addr = (uintptr_t)base, .len = size, .fd = n,
		.buf_group = GROUP,
	};
	struct io_uring_cqe cqe;

	return uring_submit(u, &sqe) || !uring_wait(u, &cqe, SOON) || cqe.res < 0 ? -1 : 0;
}

/*
 * IORING_OP_READ_MULTISHOT: each completion is a batch of events in a buffer of the group. Events
 * that one buffer cannot hold are in the next one.
 */
TEST_F(uring_read, read_multishot)
{
	struct epoll_event buf[BUFFERS][2];
	struct io_uring_sqe sqe = {
		.opcode = OP_READ_MULTISHOT, .flags = IOSQE_BUFFER_SELECT, .fd = self->ep,
		.buf_group = GROUP, .off = -1,
	};
	int fds[3], before, seen = 0, got;

	for (int i = 0; i < 3; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
		ASSERT_EQ(0, ep_add(BY_READ, self->ep, fds[i], EPOLLIN | EPOLLET));
	}
	ASSERT_EQ(0, provide(&self->u, buf, sizeof(buf[0]), BUFFERS));
	before = nr_threads();
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	if (uring_wait(&self->u, &self->cqe, 0)) {
		ASSERT_EQ(-EINVAL, self->cqe.res);
		SKIP(return, "this kernel has no IORING_OP_READ_MULTISHOT");
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			ASSERT_EQ(0, eventfd_write(fds[i], 1));
		for (got = 0; got < 3; got += self->cqe.res / EVENT) {
			ASSERT_TRUE(uring_wait(&self->u, &self->cqe, SOON));
			ASSERT_LT(0, self->cqe.res) TH_LOG("%s", strerror(-self->cqe.res));
			ASSERT_TRUE(self->cqe.flags & IORING_CQE_F_MORE);
			ASSERT_TRUE(self->cqe.flags & IORING_CQE_F_BUFFER);
			ASSERT_EQ(seen++, self->cqe.flags >> IORING_CQE_BUFFER_SHIFT);
		}
		EXPECT_EQ(3, got);
		EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	}
	EXPECT_EQ(before, nr_threads());
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/*
 * A level-triggered event goes on, and a multishot read reports it until the buffers run out. The
 * documentation says to use EPOLLET.
 */
TEST_F(uring_read, read_multishot_level)
{
	struct epoll_event buf[BUFFERS];
	struct io_uring_sqe sqe = {
		.opcode = OP_READ_MULTISHOT, .flags = IOSQE_BUFFER_SELECT, .fd = self->ep,
		.buf_group = GROUP, .off = -1,
	};
	int n = 0;

	ASSERT_EQ(0, ep_mod(BY_READ, self->ep, self->fd, EPOLLIN));
	ASSERT_EQ(0, provide(&self->u, buf, EVENT, BUFFERS));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	do {
		ASSERT_TRUE(uring_wait(&self->u, &self->cqe, SOON));
		if (self->cqe.res == -EINVAL)
			SKIP(return, "this kernel has no IORING_OP_READ_MULTISHOT");
		n += self->cqe.res > 0;
	} while (self->cqe.flags & IORING_CQE_F_MORE);
	EXPECT_EQ(-ENOBUFS, self->cqe.res);
	EXPECT_EQ(BUFFERS, n);
	EXPECT_NOT_LOST();
}

/* IORING_OP_ASYNC_CANCEL and IORING_OP_LINK_TIMEOUT end a pending read. The event comes after */
TEST_F(uring_read, cancel)
{
	struct io_uring_sqe sqe = read_of(self);
	struct io_uring_sqe cancel = {
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = sqe.user_data, .user_data = 2,
	};
	int result[3] = {};

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, uring_submit(&self->u, &sqe));
		EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
		ASSERT_EQ(0, uring_submit(&self->u, &cancel));
		for (int k = 0; k < 2; k++) {
			ASSERT_TRUE(uring_wait(&self->u, &self->cqe, SOON));
			result[self->cqe.user_data] = self->cqe.res;
		}
		EXPECT_EQ(-ECANCELED, result[1]);
		EXPECT_EQ(0, result[2]);
	}
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	EXPECT_NOT_LOST();
}

TEST_F(uring_read, link_timeout)
{
	struct __kernel_timespec ts = { .tv_nsec = 1000000 };
	struct io_uring_sqe sqe = read_of(self), timeout = {
		.opcode = IORING_OP_LINK_TIMEOUT, .addr = (uintptr_t)&ts, .len = 1, .user_data = 2,
	};
	int result[3] = {};

	sqe.flags = IOSQE_IO_LINK;
	uring_queue(&self->u, &sqe);
	uring_queue(&self->u, &timeout);
	ASSERT_EQ(0, uring_enter(&self->u, 2));
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(uring_wait(&self->u, &self->cqe, SOON));
		result[self->cqe.user_data] = self->cqe.res;
	}
	EXPECT_EQ(-ECANCELED, result[1]);
	EXPECT_EQ(-ETIME, result[2]);
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_NOT_LOST();
}

/* The ring ends with a read pending, and so does a process with its ring: the event stays */
TEST_F(uring_read, ring_ends)
{
	struct io_uring_sqe sqe = read_of(self);
	struct uring u;
	pid_t pid;

	ASSERT_EQ(0, uring_setup(&u, 8, 0, variant->flags));
	ASSERT_EQ(0, uring_submit(&u, &sqe));
	EXPECT_FALSE(uring_wait(&u, &self->cqe, 0));
	uring_close(&u);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (uring_setup(&u, 8, 0, variant->flags) || uring_submit(&u, &sqe))
			_exit(1);
		_exit(uring_wait(&u, &self->cqe, 0));
	}
	ASSERT_EQ(0, reap(pid));
	/* The kernel takes a ring apart some time later, and its read may see the event first. */
	for (long long end = now_ms() + SOON; now_ms() < end; ) {
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		if (ep_wait(BY_READ, self->ep, self->ev, 4, 0) == 1)
			break;
	}
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
}

/* close(2) of the instance: the pending read has its file, and completes as any other */
TEST_F(uring_read, instance_closed)
{
	struct io_uring_sqe sqe = read_of(self);

	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	close(self->ep);
	self->ep = -1;
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_COMPLETION(EVENT);
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
}

/* The last reference on a watched file and on the instance goes with the ring */
TEST_F(uring_read, instance_left_to_ring)
{
	struct io_uring_sqe sqe = read_of(self);

	ASSERT_EQ(0, uring_submit(&self->u, &sqe));
	EXPECT_FALSE(uring_wait(&self->u, &self->cqe, 0));
	close(self->ep);
	self->ep = -1;
	uring_close(&self->u);
	ASSERT_EQ(0, uring_setup(&self->u, 8, 0, variant->flags));
}

/* The ring reads the instance, and the instance watches the ring: this ends, and loses nothing */
TEST_F(uring_read, instance_watches_ring)
{
	struct io_uring_sqe sqe = read_of(self), nop = { .opcode = IORING_OP_NOP, .user_data = 2 };
	int events = 0;

	ASSERT_EQ(0, ep_add(BY_READ, self->ep, self->u.fd, EPOLLIN | EPOLLET));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, uring_submit(&self->u, &sqe));
		ASSERT_EQ(0, uring_submit(&self->u, &nop));
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		/* The completion of a read is one more event of the ring. */
		for (int k = 0; k < 2; k++) {
			ASSERT_TRUE(uring_wait(&self->u, &self->cqe, SOON));
			events += self->cqe.user_data == 1 ? self->cqe.res / (int)EVENT : 0;
		}
	}
	EXPECT_LE(3, events);
}

/* Reads that are cancelled, and rings that are closed, in loops, while events come */
struct closer {
	atomic_bool stop;
	int fd;
};

static void *closer_main(void *arg)
{
	struct closer *c = arg;

	while (!c->stop)
		eventfd_write(c->fd, 1);
	return NULL;
}

TEST_F_TIMEOUT(uring_read, closed_in_loops, 300)
{
	struct io_uring_sqe sqe = read_of(self), cancel = {
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = sqe.user_data, .user_data = 2,
	};
	struct closer c = { .fd = self->fd };
	pthread_t thread;
	struct uring u;

	ASSERT_EQ(0, pthread_create(&thread, NULL, closer_main, &c));
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, uring_setup(&u, 64, 0, variant->flags));
		for (int k = 0; k < 16; k++) {
			ASSERT_EQ(0, uring_submit(&u, &sqe));
			ASSERT_EQ(0, uring_submit(&u, k & 1 ? &cancel : &sqe));
		}
		uring_close(&u);
	}
	c.stop = true;
	ASSERT_EQ(0, pthread_join(thread, NULL));
}

/* preadv2(2) with RWF_NOWAIT: EAGAIN in place of a wait */
TEST_F(uring_read, rwf_nowait)
{
	struct iovec iov = { self->ev, sizeof(self->ev) };

	EXPECT_ERRNO(EAGAIN, preadv2(self->ep, &iov, 1, -1, RWF_NOWAIT));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ((ssize_t)EVENT, preadv2(self->ep, &iov, 1, -1, RWF_NOWAIT));
	EXPECT_EVENT(EPOLLIN, self->fd, self->ev[0]);
}

TEST_HARNESS_MAIN
