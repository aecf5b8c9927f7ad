// SPDX-License-Identifier: GPL-2.0-only
/* Changes and reads by io_uring. Each is complete when the submission returns. */
#include "twins.h"

#include "../evpoll_uring.h"

static struct uring uring;

bool uring_start(void)
{
	if (uring_open(&uring))
		return false;
	uring.fd = out_of_the_way(uring.fd);
	return uring.fd >= 0;
}

/* Returns the result of @sqe, or -1 with errno. */
static int uring_do(const struct io_uring_sqe *sqe)
{
	struct io_uring_cqe cqe;

	if (uring_submit(&uring, sqe))
		return -1;
	/* A worker has it if a mutex is taken: a child that was killed may still be at work. */
	if (!uring_wait(&uring, &cqe, SOON)) {
		errno = ETIME;
		return -1;
	}
	if (cqe.res >= 0)
		return cqe.res;
	errno = -cqe.res;
	return -1;
}

int uring_change(enum mechanism by, int ep, const struct evpoll_ctl *c)
{
	struct epoll_event ev = { .events = c->events, .data.u64 = c->data };
	struct evpoll_uring_epoll_ctl words = { (uintptr_t)&ev, c->fd, c->op };
	struct io_uring_sqe sqe = { .fd = ep };

	if (by == BY_EPOLL) {
		sqe.opcode = IORING_OP_EPOLL_CTL;
		sqe.off = (uint32_t)c->fd;
		sqe.len = c->op;
		sqe.addr = (uintptr_t)&ev;
	} else {
		sqe.opcode = IORING_OP_URING_CMD;
		sqe.cmd_op = EVPOLL_URING_EPOLL_CTL;
		memcpy(sqe.cmd, &words, sizeof(words));
	}
	return uring_do(&sqe);
}

/* Returns the number of bytes. Does not wait for an event. */
ssize_t uring_read(int ep, struct epoll_event *to, int max)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ, .fd = ep, .addr = (uintptr_t)to,
		.len = max * sizeof(*to), .off = -1, .rw_flags = RWF_NOWAIT,
	};

	return uring_do(&sqe);
}
