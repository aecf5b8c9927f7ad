// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations by io_uring. Each thread has an io_uring of its own. A read stays pending until an
 * event comes, until it is cancelled, or until the io_uring or the process ends.
 */
#include "stress.h"

#include "evpoll_uring.h"

#define PENDING 8

static _Thread_local struct {
	bool open;
	struct uring u;
	/* Reads write here while the thread does something else. */
	struct epoll_event events[PENDING][16];
} uring;

bool uring_end(void)
{
	if (!uring.open)
		return false;
	uring_close(&uring.u);
	uring.open = false;
	return true;
}

static bool uring_begin(uint64_t *rnd)
{
	static const uint32_t flags[] = {
		0, 0, IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};

	if (!uring.open && !shared->quiet)
		uring.open = !uring_setup(&uring.u, 16, 0, flags[random_below(rnd, 4)]);
	return uring.open;
}

/* Submits, and takes some completions, of whatever request. */
static bool uring_do(const struct io_uring_sqe *sqe)
{
	struct io_uring_cqe cqe;
	bool ok;

	ok = !uring_submit(&uring.u, sqe);
	for (int i = 0; i < 4 && uring_run(&uring.u, &cqe); i++)
		ok = ok && cqe.res >= 0;
	return ok;
}

static bool uring_read(uint64_t *rnd)
{
	unsigned int at = random_below(rnd, PENDING);
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ, .fd = random_instance(rnd), .off = -1,
		.flags = one_in(rnd, 16) ? IOSQE_ASYNC : 0,
		.addr = (uintptr_t)uring.events[at], .len = sizeof(uring.events[at]),
		.user_data = at,
	};

	return uring_do(&sqe);
}

static bool uring_cancel(uint64_t *rnd)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = random_below(rnd, PENDING),
		.user_data = PENDING,
	};

	return uring_do(&sqe);
}

/* The argument must stay while a worker thread of io_uring may read it. */
static bool uring_change(uint64_t *rnd)
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
	return uring_do(&sqe);
}

bool op_uring(uint64_t *rnd)
{
	if (!uring_begin(rnd))
		return false;
	switch (random_below(rnd, 32)) {
	case 0:
		return uring_end();
	case 1 ... 6:
		return uring_cancel(rnd);
	case 7 ... 14:
		return uring_change(rnd);
	default:
		return uring_read(rnd);
	}
}
