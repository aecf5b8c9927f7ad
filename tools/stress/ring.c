// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations by io_uring. Each thread has a ring. A read stays pending until an event comes,
 * until it is cancelled, or until the ring or the process ends.
 */
#include "stress.h"

#include "evpoll_uring.h"

#define PENDING 8

static _Thread_local struct {
	bool open;
	struct uring u;
	/* Reads write here while the thread does something else. */
	struct epoll_event events[PENDING][16];
} ring;

bool ring_close(void)
{
	if (!ring.open)
		return false;
	uring_close(&ring.u);
	ring.open = false;
	return true;
}

static bool ring_open(uint64_t *rnd)
{
	static const uint32_t flags[] = {
		0, 0, IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};

	if (!ring.open && !shared->quiet)
		ring.open = !uring_setup(&ring.u, 16, 0, flags[random_below(rnd, 4)]);
	return ring.open;
}

/* Submits, and takes some completions, of whatever request. */
static bool ring_do(const struct io_uring_sqe *sqe)
{
	struct io_uring_cqe cqe;
	bool ok;

	ok = !uring_submit(&ring.u, sqe);
	for (int i = 0; i < 4 && uring_run(&ring.u, &cqe); i++)
		ok = ok && cqe.res >= 0;
	return ok;
}

static bool ring_read(uint64_t *rnd)
{
	unsigned int at = random_below(rnd, PENDING);
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ, .fd = random_instance(rnd), .off = -1,
		.flags = one_in(rnd, 16) ? IOSQE_ASYNC : 0,
		.addr = (uintptr_t)ring.events[at], .len = sizeof(ring.events[at]),
		.user_data = at,
	};

	return ring_do(&sqe);
}

static bool ring_cancel(uint64_t *rnd)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = random_below(rnd, PENDING),
		.user_data = PENDING,
	};

	return ring_do(&sqe);
}

/* The argument must stay while a worker thread of io_uring may read it. */
static bool ring_change(uint64_t *rnd)
{
	static _Thread_local struct evpoll_ctl changes[PENDING];
	static _Thread_local struct evpoll_ctlv ctlv;
	struct evpoll_uring_ioctl words = { .arg = (uintptr_t)&changes[0] };
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_URING_CMD, .fd = random_instance(rnd),
		.flags = one_in(rnd, 16) ? IOSQE_ASYNC : 0, .user_data = PENDING,
	};

	for (int i = 0; i < PENDING; i++)
		changes[i] = random_change(rnd);
	ctlv = (struct evpoll_ctlv){ .changes = (uintptr_t)changes, .nr = PENDING };
	sqe.cmd_op = EVPOLL_IOC_CTL;
	if (one_in(rnd, 4)) {
		sqe.cmd_op = EVPOLL_IOC_CTLV;
		words.arg = (uintptr_t)&ctlv;
	}
	memcpy(sqe.cmd, &words, sizeof(words));
	return ring_do(&sqe);
}

bool op_ring(uint64_t *rnd)
{
	if (!ring_open(rnd))
		return false;
	switch (random_below(rnd, 32)) {
	case 0:
		return ring_close();
	case 1 ... 6:
		return ring_cancel(rnd);
	case 7 ... 14:
		return ring_change(rnd);
	default:
		return ring_read(rnd);
	}
}
