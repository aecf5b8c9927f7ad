// SPDX-License-Identifier: GPL-2.0-only
/*
 * evpoll, read by io_uring: one IORING_OP_READ_MULTISHOT for all events. Each completion is a batch
 * of events in a buffer, which goes back to the kernel through a ring of buffers.
 */
#include "bench.h"

#include <sys/mman.h>

/* Newer than the headers of some machines */
#define OP_READ_MULTISHOT 49

#define BUFFERS 8	/* a power of two */
#define EVENTS 64	/* in a buffer */
#define GROUP 1

static struct {
	struct io_uring_buf_ring *ring;
	uint16_t tail;
	struct epoll_event events[BUFFERS][EVENTS];
} buffers;

static void give_buffer(int id)
{
	buffers.ring->bufs[buffers.tail++ & (BUFFERS - 1)] = (struct io_uring_buf){
		.addr = (uintptr_t)buffers.events[id], .len = sizeof(buffers.events[id]), .bid = id,
	};
	__atomic_store_n(&buffers.ring->tail, buffers.tail, __ATOMIC_RELEASE);
}

static int give_all_buffers(struct uring *u)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = GROUP };

	buffers.ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffers.ring == MAP_FAILED)
		return -1;
	reg.ring_addr = (uintptr_t)buffers.ring;
	buffers.tail = 0;
	if (syscall(SYS_io_uring_register, u->fd, IORING_REGISTER_PBUF_RING, &reg, 1))
		return -1;
	for (int i = 0; i < BUFFERS; i++)
		give_buffer(i);
	return 0;
}

static int start_read(struct set *set)
{
	struct io_uring_sqe sqe = {
		.opcode = OP_READ_MULTISHOT, .flags = IOSQE_BUFFER_SELECT, .fd = set->ep,
		.buf_group = GROUP, .off = -1,
	};

	return uring_submit(&set->ring, &sqe);
}

static int ring_open(struct set *set)
{
	set->ep = open("/dev/evpoll", O_RDWR | O_CLOEXEC);
	if (set->ep < 0 || uring_setup(&set->ring, 8, 2 * BUFFERS, IORING_SETUP_SINGLE_ISSUER |
				       IORING_SETUP_DEFER_TASKRUN))
		return -1;
	return give_all_buffers(&set->ring) || start_read(set) ? -1 : 0;
}

static void ring_close(struct set *set)
{
	uring_close(&set->ring);
	munmap(buffers.ring, 4096);
	close(set->ep);
}

static int ring_reap(struct set *set)
{
	struct io_uring_cqe cqe;
	int n = 0, got, id;

	while (n < set->max && uring_peek(&set->ring, &cqe)) {
		if (cqe.res < 0 || !(cqe.flags & IORING_CQE_F_MORE))
			return cqe.res < 0 ? cqe.res : -EIO;
		got = cqe.res / sizeof(struct epoll_event);
		id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
		memcpy(set->got + n, buffers.events[id], cqe.res);
		give_buffer(id);
		n += got;
	}
	return n;
}

static int ring_wait(struct set *set)
{
	return ring_wait_by(set, ring_reap);
}

const struct mechanism mech_evpoll_uring = {
	.name = "evpoll-uring", .bit = EVPOLL_URING,
	.open = ring_open, .close = ring_close, .ctl = evpoll_change, .wait = ring_wait,
};
