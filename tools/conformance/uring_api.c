// SPDX-License-Identifier: GPL-2.0-only
/*
 * R49: changes of an epoll set through io_uring, by IORING_OP_EPOLL_CTL, as libuv makes them. The
 * ring is set up and entered by syscall(). The program does not know evpoll. Run alone, it shows
 * that epoll behaves as the tests expect. Run under libevpoll-preload, it shows that evpoll does
 * too.
 */
#include "../../selftests/evpoll_expect.h"
#include "../../selftests/evpoll_task.h"
#include "../../selftests/evpoll_uring.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH 64	/* entries of the submission queue */

FIXTURE(ring) {
	struct uring u;
	int ep;
	int fd;		/* an eventfd that is readable */
	struct epoll_event ev;
};

FIXTURE_VARIANT(ring) {
	__u32 flags;
};

FIXTURE_VARIANT_ADD(ring, plain) {};
FIXTURE_VARIANT_ADD(ring, sqe128) { .flags = IORING_SETUP_SQE128 };
FIXTURE_VARIANT_ADD(ring, no_sqarray) { .flags = IORING_SETUP_NO_SQARRAY };
FIXTURE_VARIANT_ADD(ring, deferred) {
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_SETUP(ring)
{
	if (uring_setup(&self->u, BATCH, 0, variant->flags)) {
		ASSERT_EQ(EINVAL, errno);
		SKIP(return, "this kernel has no ring of this kind");
	}
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_LE(0, self->fd);
	self->ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 42 };
}

FIXTURE_TEARDOWN(ring)
{
	close(self->fd);
	close(self->ep);
	uring_close(&self->u);
}

static struct io_uring_sqe change_of(int ep, int op, int fd, const void *event)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_EPOLL_CTL,
		.fd = ep,
		.off = fd,
		.len = op,
		.addr = (uintptr_t)event,
	};
}

static void queue(struct uring *u, struct io_uring_sqe sqe, __u64 number)
{
	sqe.user_data = number;
	uring_queue(u, &sqe);
}

/*
 * Submit @n entries, wait for their completions, and store each result under the number of its
 * entry, because completions may come in any order. Returns how many there were.
 */
static int enter(struct uring *u, unsigned int n, int *results)
{
	struct io_uring_cqe cqe;
	int got = 0;

	if (syscall(SYS_io_uring_enter, u->fd, n, n, IORING_ENTER_GETEVENTS, NULL, 0) != n)
		return -1;
	for (; uring_peek(u, &cqe) && cqe.user_data < BATCH; got++)
		results[cqe.user_data] = cqe.res;
	return got;
}

/* The result of one entry, or a number that no entry has */
static int submit(struct uring *u, struct io_uring_sqe sqe)
{
	int results[BATCH];

	queue(u, sqe, 0);
	return enter(u, 1, results) == 1 ? results[0] : 1000;
}

static int change(struct uring *u, int ep, int op, int fd, const void *event)
{
	return submit(u, change_of(ep, op, fd, event));
}

/* The data of the event that is ready, 0 if there is none */
static int data_of(int ep)
{
	struct epoll_event ev = {};

	return epoll_wait(ep, &ev, 1, 0) == 1 ? (int)ev.data.u64 : 0;
}

TEST_F(ring, changes)
{
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(42, data_of(self->ep));
	EXPECT_EQ(-EEXIST, change(&self->u, self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	self->ev.data.u64 = 43;
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_MOD, self->fd, &self->ev));
	EXPECT_EQ(43, data_of(self->ep));
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(0, data_of(self->ep));
	EXPECT_EQ(-ENOENT, change(&self->u, self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(-ENOENT, change(&self->u, self->ep, EPOLL_CTL_MOD, self->fd, &self->ev));
}

/* A change by a system call and one through the ring are of the same kind. */
TEST_F(ring, both_ways)
{
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_ERRNO(EEXIST, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(-ENOENT, change(&self->u, self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	EXPECT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_DEL, self->fd, NULL));
}

TEST_F(ring, errors)
{
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int other = eventfd(0, EFD_CLOEXEC);

	ASSERT_TRUE(bad != MAP_FAILED);
	ASSERT_LE(0, file);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EBADF, change(&self->u, -1, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(-EBADF, change(&self->u, 1000, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(-EBADF, change(&self->u, self->ep, EPOLL_CTL_ADD, -1, &self->ev));
	EXPECT_EQ(-EBADF, change(&self->u, self->ep, EPOLL_CTL_DEL, 1000, NULL));
	EXPECT_EQ(-EPERM, change(&self->u, self->ep, EPOLL_CTL_ADD, file, &self->ev));
	EXPECT_EQ(-EFAULT, change(&self->u, self->ep, EPOLL_CTL_ADD, self->fd, NULL));
	EXPECT_EQ(-EFAULT, change(&self->u, self->ep, EPOLL_CTL_ADD, self->fd, bad));
	EXPECT_EQ(-EFAULT, change(&self->u, self->ep, EPOLL_CTL_MOD, self->fd, bad));
	EXPECT_EQ(-EINVAL, change(&self->u, other, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(-EINVAL, change(&self->u, self->ep, EPOLL_CTL_ADD, self->ep, &self->ev));
	EXPECT_EQ(-EINVAL, change(&self->u, self->ep, 0, self->fd, &self->ev));
	EXPECT_EQ(-EINVAL, change(&self->u, self->ep, 16, self->fd, &self->ev));
	EXPECT_EQ(0, data_of(self->ep));
	/* DEL does not read the event. */
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_DEL, self->fd, bad));
	munmap(bad, 4096);
	close(file);
	close(other);
}

/* Fields of the entry that the operation does not have */
TEST_F(ring, other_fields)
{
	struct io_uring_sqe add = change_of(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev);
	struct io_uring_sqe sqe;

	sqe = add;
	sqe.buf_index = 1;
	EXPECT_EQ(-EINVAL, submit(&self->u, sqe));
	sqe = add;
	sqe.splice_fd_in = 1;
	EXPECT_EQ(-EINVAL, submit(&self->u, sqe));
	sqe = add;
	sqe.ioprio = 1;
	EXPECT_EQ(-EINVAL, submit(&self->u, sqe));
	sqe = add;
	sqe.flags = IOSQE_BUFFER_SELECT;
	EXPECT_EQ(-EOPNOTSUPP, submit(&self->u, sqe));
	EXPECT_EQ(0, data_of(self->ep));
	/* Ignored */
	sqe = add;
	sqe.flags = IOSQE_FIXED_FILE;
	sqe.rw_flags = -1;
	sqe.off |= 1ULL << 40;
	memset((char *)&sqe + 48, -1, 16);
	EXPECT_EQ(0, submit(&self->u, sqe));
	EXPECT_EQ(42, data_of(self->ep));
}

/* Unknown bits of the mask are ignored. */
TEST_F(ring, unknown_bits)
{
	for (int bit = 13; bit < 28; bit++) {
		self->ev.events = EPOLLIN | 1U << bit;
		EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_ADD, self->fd, &self->ev));
		EXPECT_EQ(42, data_of(self->ep));
		EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_DEL, self->fd, NULL));
	}
}

/* A queue full of changes in one call. The second round wraps. */
TEST_F(ring, batch)
{
	struct epoll_event events[BATCH];
	int results[BATCH], fds[BATCH];

	for (int i = 0; i < BATCH; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		events[i] = (struct epoll_event){ .events = EPOLLIN, .data.fd = fds[i] };
	}
	EXPECT_EQ(0, change(&self->u, self->ep, EPOLL_CTL_ADD, fds[3], &events[3]));
	for (int round = 0; round < 2; round++) {
		int op = round ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

		for (int i = 0; i < BATCH; i++)
			queue(&self->u, change_of(self->ep, op, fds[i], &events[i]), i);
		EXPECT_EQ(BATCH, enter(&self->u, BATCH, results));
		for (int i = 0; i < BATCH; i++)
			EXPECT_EQ(!round && i == 3 ? -EEXIST : 0, results[i]);
		EXPECT_EQ(BATCH, epoll_wait(self->ep, events, BATCH, 0));
	}
	for (int i = 0; i < BATCH; i++)
		close(fds[i]);
}

/* A call may submit a part of the queue, and the next call submits the rest. */
TEST_F(ring, part_of_the_queue)
{
	int results[BATCH];

	queue(&self->u, change_of(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev), 0);
	queue(&self->u, change_of(self->ep, EPOLL_CTL_DEL, self->fd, NULL), 1);
	EXPECT_EQ(0, enter(&self->u, 0, results));
	EXPECT_EQ(0, data_of(self->ep));
	ASSERT_EQ(1, enter(&self->u, 1, results));
	EXPECT_EQ(0, results[0]);
	EXPECT_EQ(42, data_of(self->ep));
	ASSERT_EQ(1, enter(&self->u, 1, results));
	EXPECT_EQ(0, results[1]);
	EXPECT_EQ(0, data_of(self->ep));
}

/* Other operations, before and after changes, do what they did. */
TEST_F(ring, among_others)
{
	char out[] = "text", in[8] = "";
	struct io_uring_sqe nop = { .opcode = IORING_OP_NOP };
	struct io_uring_sqe write = { .opcode = IORING_OP_WRITE, .off = -1, .len = 4,
				      .addr = (uintptr_t)out };
	struct io_uring_sqe poll = { .opcode = IORING_OP_POLL_ADD, .fd = self->fd,
				     .poll32_events = POLLIN };
	int results[BATCH], p[2];

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	write.fd = p[1];
	queue(&self->u, nop, 0);
	queue(&self->u, change_of(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev), 1);
	queue(&self->u, write, 2);
	queue(&self->u, change_of(self->ep, EPOLL_CTL_DEL, self->fd, NULL), 3);
	queue(&self->u, poll, 4);
	ASSERT_EQ(5, enter(&self->u, 5, results));
	EXPECT_EQ(0, results[0]);
	EXPECT_EQ(0, results[1]);
	EXPECT_EQ(4, results[2]);
	EXPECT_EQ(0, results[3]);
	EXPECT_EQ(POLLIN, results[4]);
	EXPECT_EQ(4, read(p[0], in, sizeof(in)));
	EXPECT_STREQ("text", in);
	close(p[0]);
	close(p[1]);
}

/* A change that fails ends its chain. */
TEST_F(ring, chain)
{
	struct io_uring_sqe add = change_of(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev);
	struct io_uring_sqe nop = { .opcode = IORING_OP_NOP };
	int results[BATCH];

	add.flags = IOSQE_IO_LINK;
	for (int again = 0; again < 2; again++) {
		queue(&self->u, add, 0);
		queue(&self->u, nop, 1);
		ASSERT_EQ(2, enter(&self->u, 2, results));
		EXPECT_EQ(again ? -EEXIST : 0, results[0]);
		EXPECT_EQ(again ? -ECANCELED : 0, results[1]);
	}
}

/* A worker of io_uring makes the change. */
TEST_F(ring, by_worker)
{
	struct io_uring_sqe add = change_of(self->ep, EPOLL_CTL_ADD, self->fd, &self->ev);

	add.flags = IOSQE_ASYNC;
	EXPECT_EQ(0, submit(&self->u, add));
	EXPECT_EQ(42, data_of(self->ep));
	EXPECT_EQ(-EEXIST, submit(&self->u, add));
}

/* A child may use the ring and the instance of its parent. */
TEST(in_child)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int fd = eventfd(1, EFD_CLOEXEC);
	struct uring u;
	pid_t pid;

	ASSERT_LE(0, ep);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, uring_open(&u));
	pid = fork();
	if (!pid) {
		struct uring own;

		if (change(&u, ep, EPOLL_CTL_ADD, fd, &ev))
			_exit(1);
		if (uring_open(&own) || change(&own, ep, EPOLL_CTL_ADD, fd, &ev) != -EEXIST)
			_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(42, data_of(ep));
	EXPECT_EQ(0, change(&u, ep, EPOLL_CTL_DEL, fd, NULL));
	uring_close(&u);
	close(fd);
	close(ep);
}

/* The number of a ring becomes that of another file, and then that of another ring. */
TEST(number_again)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 };
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int fd = eventfd(1, EFD_CLOEXEC);
	struct uring u, next;
	int unused;
	char *map;

	ASSERT_LE(0, file);
	ASSERT_LE(0, ep);
	ASSERT_LE(0, fd);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, uring_open(&u));
		EXPECT_EQ(0, change(&u, ep, EPOLL_CTL_ADD, fd, &ev));
		if (i == 2)	/* the ring is closed, and its memory stays */
			close(u.fd);
		else
			uring_close(&u);
		ASSERT_EQ(u.fd, fcntl(file, F_DUPFD_CLOEXEC, u.fd));
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, u.fd, 0);
		ASSERT_TRUE(map != MAP_FAILED);
		EXPECT_EQ(-1, enter(&u, 1, &unused));
		EXPECT_EQ(0, memcmp(map, "\177ELF", 4));
		munmap(map, 4096);
		close(u.fd);

		ASSERT_EQ(0, uring_open(&next));
		ASSERT_EQ(u.fd, next.fd);
		EXPECT_EQ(0, change(&next, ep, EPOLL_CTL_DEL, fd, NULL));
		uring_close(&next);
	}
	close(fd);
	close(ep);
	close(file);
}

#define THREADS 4
#define ROUNDS 300

/* 0 if a ring and an instance of this thread did what they should */
static void *thread(void *unused)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int fd = eventfd(1, EFD_CLOEXEC);
	struct uring u;
	long wrong = 0;

	for (int i = 0; i < ROUNDS && !wrong; i++) {
		if (i % 10 == 0 && uring_open(&u))
			return (void *)1L;
		wrong |= change(&u, ep, EPOLL_CTL_ADD, fd, &ev) != 0;
		wrong |= data_of(ep) != 42;
		wrong |= change(&u, ep, EPOLL_CTL_DEL, fd, NULL) != 0;
		if (i % 10 == 9)
			uring_close(&u);
	}
	close(fd);
	close(ep);
	return (void *)wrong;
}

/* Several threads, each with rings of its own */
TEST(threads)
{
	pthread_t threads[THREADS];
	void *wrong;

	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, thread, NULL));
	for (int i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &wrong));
		EXPECT_TRUE(!wrong);
	}
}

TEST_HARNESS_MAIN
