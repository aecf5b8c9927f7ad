// SPDX-License-Identifier: MIT
/*
 * libevpoll-preload for programs that change an epoll set through io_uring, as libuv does.
 *
 * The kernel accepts IORING_OP_EPOLL_CTL for epoll's own files only. So before the kernel takes the
 * entries of a submission queue, the library rewrites each IORING_OP_EPOLL_CTL for an instance of
 * evpoll into an IORING_OP_URING_CMD, which the kernel hands to the module. The result is in the
 * same completion, with the same values.
 *
 * To do so, the library must see three calls: io_uring_setup() and io_uring_enter() by syscall(),
 * and mmap() of the ring between the two. It does not see the system calls that liburing makes
 * without the C library.
 *
 * These rings are left alone, and the kernel answers EINVAL for their entries, or EOPNOTSUPP:
 * - IORING_SETUP_SQPOLL: a thread of the kernel may take an entry before io_uring_enter().
 * - IORING_SETUP_IOPOLL: it has no IORING_OP_EPOLL_CTL.
 * - IORING_SETUP_NO_MMAP: no call tells when the program frees the memory of the ring.
 * - those with a flag that the library does not know, because the flag may change the layout;
 * - rings that the program enters by a registered number, or by a copy of the descriptor.
 *
 * Threads and signal handlers may run all of this at the same time, so there is no lock. A record
 * is never freed, and always has the same descriptor. Its other fields change only when the program
 * sets up, maps or unmaps the ring, which it must not do while it enters that ring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/evpoll.h>
#include <linux/io_uring.h>

#include "preload.h"

/* Since 6.5, 6.6 and 6.18; older headers do not have them. */
#ifndef IORING_SETUP_REGISTERED_FD_ONLY
#define IORING_SETUP_REGISTERED_FD_ONLY (1U << 15)
#endif
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
#ifndef IORING_SETUP_CQE_MIXED
#define IORING_SETUP_CQE_MIXED (1U << 18)
#endif

#define KNOWN_FLAGS (IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_ATTACH_WQ |	\
		     IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |			\
		     IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |			\
		     IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_SINGLE_ISSUER |	\
		     IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_NO_SQARRAY | IORING_SETUP_CQE_MIXED)

struct ring {
	struct ring *next;
	int fd;
	struct io_uring_params p;
	_Atomic(char *) sq;		/* the mappings, NULL if there is none */
	_Atomic(char *) sqes;
};

static _Atomic(struct ring *) rings;

static struct ring *ring_of(int fd)
{
	struct ring *ring = atomic_load_explicit(&rings, memory_order_acquire);

	while (ring && ring->fd != fd)
		ring = ring->next;
	return ring;
}

/* A record for this descriptor, which io_uring_setup() has just returned. NULL: no memory. */
static struct ring *new_ring(int fd)
{
	struct ring *ring = ring_of(fd);

	/* A ring of this number was closed. */
	if (ring) {
		ring->sq = NULL;
		ring->sqes = NULL;
		return ring;
	}
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return NULL;
	ring->fd = fd;
	ring->next = rings;
	while (!atomic_compare_exchange_weak(&rings, &ring->next, ring))
		;
	return ring;
}

int uring_setup(unsigned int entries, struct io_uring_params *p)
{
	int fd = kernel(SYS_io_uring_setup, entries, (long)p, 0, 0, 0, 0);
	struct ring *ring;

	/* With this flag, the result is no descriptor. */
	if (fd < 0 || p->flags & IORING_SETUP_REGISTERED_FD_ONLY)
		return fd;
	ring = new_ring(fd);
	if (!ring) {
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	ring->p = *p;
	return fd;
}

/*
 * True if the descriptor is a ring now. The program may have closed the ring, and the number may be
 * that of another file. A ring that is still disabled fails with EBADFD.
 */
static bool is_ring(int fd)
{
	int saved = errno;
	bool yes = !kernel(SYS_io_uring_enter, fd, 0, 0, 0, 0, 0) || errno == EBADFD;

	errno = saved;
	return yes;
}

/* Forget mappings that begin in this range. */
static void unmapped(const char *from, size_t length)
{
	struct ring *ring = atomic_load_explicit(&rings, memory_order_acquire);

	for (; ring; ring = ring->next) {
		char *sq = ring->sq, *sqes = ring->sqes;

		if (sq && (uintptr_t)sq - (uintptr_t)from < length)
			atomic_compare_exchange_strong(&ring->sq, &sq, NULL);
		if (sqes && (uintptr_t)sqes - (uintptr_t)from < length)
			atomic_compare_exchange_strong(&ring->sqes, &sqes, NULL);
	}
}

static unsigned int sqe_shift(const struct ring *ring)
{
	return ring->p.flags & IORING_SETUP_SQE128 ? 7 : 6;
}

/* The program has mapped @length bytes of a file, which may be a ring. */
static void mapped(char *at, size_t length, int fd, uint64_t offset)
{
	struct ring *ring = ring_of(fd);
	size_t entries;

	if (!ring || ring->p.flags & ~KNOWN_FLAGS ||
	    (offset != IORING_OFF_SQ_RING && offset != IORING_OFF_SQES) || !is_ring(fd))
		return;
	entries = ring->p.sq_entries;
	/* The ring's other words are in its first page. */
	if (offset == IORING_OFF_SQ_RING &&
	    length >= ring->p.sq_off.array + entries * sizeof(uint32_t))
		ring->sq = at;
	if (offset == IORING_OFF_SQES && length >= entries << sqe_shift(ring))
		ring->sqes = at;
}

EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset)
{
	const int writable = PROT_READ | PROT_WRITE;
	void *at = LIBC(mmap64)(addr, length, prot, flags, fd, offset);

	if (at == MAP_FAILED || !atomic_load_explicit(&rings, memory_order_relaxed))
		return at;
	if (flags & MAP_FIXED)
		unmapped(at, length);
	if (!(flags & MAP_ANONYMOUS) && (prot & writable) == writable)
		mapped(at, length, fd, offset);
	return at;
}

/* The C library takes the offset as unsigned, where off_t has 32 bits. */
EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return mmap64(addr, length, prot, flags, fd, (unsigned long)offset);
}

EXPORT int munmap(void *addr, size_t length)
{
	/* Before the call, because another thread may map something there after it. */
	if (atomic_load_explicit(&rings, memory_order_relaxed))
		unmapped(addr, length);
	return LIBC(munmap)(addr, length);
}

/* True if the descriptor is an instance of evpoll. */
static bool is_instance(int fd)
{
	struct evpoll_params params;
	int saved = errno;
	bool yes = !ioctl(fd, EVPOLL_IOC_GET_PARAMS, &params);

	errno = saved;
	return yes;
}

/*
 * @later: the kernel may issue the entry after the program has reused its place, because it waits
 * for others. IORING_OP_EPOLL_CTL is copied when it is submitted. With IOSQE_ASYNC an
 * IORING_OP_URING_CMD is copied as well.
 */
static void rewrite(struct io_uring_sqe *sqe, bool later)
{
	struct evpoll_uring_epoll_ctl ctl = {
		.event = sqe->addr,
		.fd = sqe->off,
		.op = sqe->len,
	};

	sqe->off = 0;		/* shares its place with cmd_op and a field that must be 0 */
	sqe->cmd_op = EVPOLL_URING_EPOLL_CTL;
	sqe->rw_flags = 0;	/* shares its place with uring_cmd_flags */
	sqe->flags &= ~IOSQE_FIXED_FILE;	/* IORING_OP_EPOLL_CTL ignores it */
	memcpy(sqe->cmd, &ctl, sizeof(ctl));
	if (later)
		sqe->flags |= IOSQE_ASYNC;
	sqe->opcode = IORING_OP_URING_CMD;
}

/* Entry @i of the queue. NULL if the program's array names none, so that the kernel drops it. */
static struct io_uring_sqe *sqe_of(const struct ring *ring, char *sq, char *sqes, uint32_t i)
{
	if (!(ring->p.flags & IORING_SETUP_NO_SQARRAY))
		i = ((uint32_t *)(sq + ring->p.sq_off.array))[i];
	if (i >= ring->p.sq_entries)
		return NULL;
	return (void *)(sqes + ((size_t)i << sqe_shift(ring)));
}

/*
 * Rewrite all entries that the kernel has not taken. The program can write to all that this reads,
 * and a wrong value must not crash it here.
 */
static void rewrite_queue(const struct ring *ring, char *sq, char *sqes)
{
	const struct io_sqring_offsets *off = &ring->p.sq_off;
	uint32_t head = __atomic_load_n((uint32_t *)(sq + off->head), __ATOMIC_ACQUIRE);
	uint32_t tail = __atomic_load_n((uint32_t *)(sq + off->tail), __ATOMIC_ACQUIRE);
	uint32_t mask = *(uint32_t *)(sq + off->ring_mask);
	bool ours = false, linked = false;
	int ep = -1;

	if (mask >= ring->p.sq_entries || tail - head > ring->p.sq_entries)
		return;
	for (; head != tail; head++) {
		struct io_uring_sqe *sqe = sqe_of(ring, sq, sqes, head & mask);
		bool later;

		if (!sqe)
			continue;
		later = linked || sqe->flags & IOSQE_IO_DRAIN;
		linked = sqe->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
		if (sqe->opcode != IORING_OP_EPOLL_CTL)
			continue;
		/* The kernel fails such an entry, on epoll too. */
		if (sqe->buf_index || sqe->splice_fd_in || sqe->flags & IOSQE_BUFFER_SELECT)
			continue;
		if (sqe->fd != ep) {
			ep = sqe->fd;
			ours = is_instance(ep);
		}
		if (ours)
			rewrite(sqe, later);
	}
}

/*
 * The program calls io_uring_enter(). The entries beyond @to_submit are rewritten too, because a
 * call of another thread may submit these at the same time.
 */
void uring_before_enter(int fd, unsigned int to_submit, unsigned int flags)
{
	struct ring *ring;
	char *sq, *sqes;

	if (!to_submit || flags & IORING_ENTER_REGISTERED_RING)
		return;
	ring = ring_of(fd);
	if (!ring)
		return;
	sq = ring->sq;
	sqes = ring->sqes;
	if (sq && sqes)
		rewrite_queue(ring, sq, sqes);
}
