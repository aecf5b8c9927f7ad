/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of io_uring(7) that the tests need, by raw system calls. */
#ifndef EVPOLL_URING_H
#define EVPOLL_URING_H

#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/io_uring.h>

#ifndef IORING_SETUP_NO_SQARRAY		/* since 6.6 */
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

struct uring {
	int fd;
	struct io_uring_params p;
	char *rings;		/* both rings, by IORING_FEAT_SINGLE_MMAP (since 5.4) */
	size_t rings_size;
	struct io_uring_sqe *sqes;
};

static inline size_t uring_sqe_size(const struct uring *u)
{
	return sizeof(*u->sqes) << !!(u->p.flags & IORING_SETUP_SQE128);
}

/* @submissions, @completions: entries of the rings; 0 @completions: twice the submissions */
static inline int uring_setup(struct uring *u, __u32 submissions, __u32 completions, __u32 flags)
{
	memset(u, 0, sizeof(*u));
	u->p.flags = flags | (completions ? IORING_SETUP_CQSIZE : 0);
	u->p.cq_entries = completions;
	u->fd = syscall(SYS_io_uring_setup, submissions, &u->p);
	if (u->fd < 0)
		return -1;
	u->rings_size = u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe);
	if (u->rings_size < u->p.sq_off.array + u->p.sq_entries * sizeof(__u32))
		u->rings_size = u->p.sq_off.array + u->p.sq_entries * sizeof(__u32);
	u->rings = mmap(NULL, u->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			u->fd, IORING_OFF_SQ_RING);
	u->sqes = mmap(NULL, u->p.sq_entries * uring_sqe_size(u), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQES);
	return u->rings == MAP_FAILED || u->sqes == MAP_FAILED ? -1 : 0;
}

static inline int uring_open(struct uring *u)
{
	return uring_setup(u, 64, 0, 0);
}

/* The kernel frees the ring some time later. */
static inline void uring_close(struct uring *u)
{
	munmap(u->rings, u->rings_size);
	munmap(u->sqes, u->p.sq_entries * uring_sqe_size(u));
	close(u->fd);
}

static inline __u32 *uring_word(struct uring *u, __u32 offset)
{
	return (__u32 *)(u->rings + offset);
}

/* Puts an entry into the queue, for uring_enter(). */
static inline void uring_queue(struct uring *u, const struct io_uring_sqe *sqe)
{
	__u32 *tail = uring_word(u, u->p.sq_off.tail);
	__u32 i = *tail & *uring_word(u, u->p.sq_off.ring_mask);

	memcpy((char *)u->sqes + i * uring_sqe_size(u), sqe, sizeof(*sqe));
	if (!(u->p.flags & IORING_SETUP_NO_SQARRAY))
		uring_word(u, u->p.sq_off.array)[i] = i;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

/*
 * Submits @n entries. With IORING_SETUP_SQPOLL a thread of the kernel does that, so waits until it
 * has: all entries have begun then.
 */
static inline int uring_enter(struct uring *u, int n)
{
	bool thread = u->p.flags & IORING_SETUP_SQPOLL;
	__u32 *head = uring_word(u, u->p.sq_off.head), *tail = uring_word(u, u->p.sq_off.tail);

	if (syscall(SYS_io_uring_enter, u->fd, n, 0, thread ? IORING_ENTER_SQ_WAKEUP : 0,
		    NULL, 0) != n)
		return -1;
	while (thread && __atomic_load_n(head, __ATOMIC_ACQUIRE) != *tail)
		sched_yield();
	return 0;
}

static inline int uring_submit(struct uring *u, const struct io_uring_sqe *sqe)
{
	uring_queue(u, sqe);
	return uring_enter(u, 1);
}

/* @multi: the poll stays armed (IORING_POLL_ADD_MULTI). */
static inline int uring_poll(struct uring *u, int fd, __u32 events, bool multi, __u64 data)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_POLL_ADD,
		.fd = fd,
		.len = multi ? IORING_POLL_ADD_MULTI : 0,
		.poll32_events = events,
		.user_data = data,
	};

	return uring_submit(u, &sqe);
}

/* True if there was a completion. */
static inline bool uring_peek(struct uring *u, struct io_uring_cqe *cqe)
{
	__u32 *head = uring_word(u, u->p.cq_off.head);
	struct io_uring_cqe *cqes = (void *)(u->rings + u->p.cq_off.cqes);

	if (*head == __atomic_load_n(uring_word(u, u->p.cq_off.tail), __ATOMIC_ACQUIRE))
		return false;
	*cqe = cqes[*head & *uring_word(u, u->p.cq_off.ring_mask)];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

/* Runs task work of this task, which may post a completion. True if there was one. */
static inline bool uring_run(struct uring *u, struct io_uring_cqe *cqe)
{
	syscall(SYS_io_uring_enter, u->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	return uring_peek(u, cqe);
}

/* True if a completion came in time. Waits by polling the ring. */
static inline bool uring_wait(struct uring *u, struct io_uring_cqe *cqe, int timeout_ms)
{
	struct pollfd pfd = { .fd = u->fd, .events = POLLIN };

	while (!uring_run(u, cqe))
		/* With IORING_SETUP_DEFER_TASKRUN the ring is readable before it completes. */
		if (poll(&pfd, 1, timeout_ms) != 1)
			return uring_run(u, cqe);
	return true;
}

#endif /* EVPOLL_URING_H */
