// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring(7): a multishot poll for each file. It posts a completion for each wakeup, so it is
 * edge-triggered. The ring is set up for a single thread that submits and waits, because this is
 * its fastest mode.
 */
#include "bench.h"

static int ring_open(struct set *set)
{
	return uring_setup(&set->ring, 64, 2 * set->files + 64,
			   IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
}

static void ring_close(struct set *set)
{
	uring_close(&set->ring);
}

static int ring_ctl(struct set *set, int op, int index, uint32_t events)
{
	if (op != EPOLL_CTL_ADD)
		return -EINVAL;
	return uring_poll(&set->ring, set->fd[index], events & ~EPOLLET, true, index);
}

static int ring_reap(struct set *set)
{
	struct io_uring_cqe cqe;
	int n = 0;

	while (n < set->max && uring_peek(&set->ring, &cqe)) {
		set->got[n].events = cqe.res;
		set->got[n++].data.u64 = cqe.user_data;
	}
	return n;
}

/* Looks for completions in the ring before it makes a system call. */
int ring_wait_by(struct set *set, int (*reap)(struct set *set))
{
	int n = reap(set);

	if (n)
		return n;
	sys6(SYS_io_uring_enter, set->ring.fd, 0, set->block, IORING_ENTER_GETEVENTS, 0, 0);
	return reap(set);
}

static int ring_wait(struct set *set)
{
	return ring_wait_by(set, ring_reap);
}

const struct mechanism mech_uring = {
	.name = "io_uring", .bit = IO_URING,
	.open = ring_open, .close = ring_close, .ctl = ring_ctl, .wait = ring_wait,
};
