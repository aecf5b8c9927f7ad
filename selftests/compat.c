// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit program on a 64-bit kernel (built with -m32): the layout of what it passes, and one
 * test of each call. epoll's own 32-bit entry points are the oracle, as everywhere.
 */
#include "evpoll_util.h"

#include "lib/evpoll_ring.h"

#include <stddef.h>
#include <sys/eventfd.h>

/*
 * Where the kernel looks for the fields, whatever the program's size of a long is. Structures
 * may grow at their end, by whole 64-bit words, or the sizes would differ.
 */
_Static_assert(sizeof(struct epoll_event) == 12, "epoll_event");
_Static_assert(sizeof(struct evpoll_ctl) == 24, "evpoll_ctl");
_Static_assert(offsetof(struct evpoll_ctl, data) == 16, "evpoll_ctl.data");
_Static_assert(offsetof(struct evpoll_wait, sigmask) == 16, "evpoll_wait.sigmask");
_Static_assert(offsetof(struct evpoll_wait, maxevents) == 28, "evpoll_wait.maxevents");
_Static_assert(sizeof(struct evpoll_wait) >= 40, "evpoll_wait");
_Static_assert(sizeof(struct evpoll_wait) % 8 == 0, "evpoll_wait");
_Static_assert(sizeof(struct evpoll_params) % 8 == 0, "evpoll_params");
_Static_assert(EVPOLL_IOC_CTL == 0x4018eb00, "EVPOLL_IOC_CTL");
_Static_assert((EVPOLL_IOC_WAIT & ~IOCSIZE_MASK) == 0xc000eb01, "EVPOLL_IOC_WAIT");
_Static_assert((EVPOLL_IOC_SET_PARAMS & ~IOCSIZE_MASK) == 0x4000eb02, "EVPOLL_IOC_SET_PARAMS");
_Static_assert((EVPOLL_IOC_GET_PARAMS & ~IOCSIZE_MASK) == 0x8000eb03, "EVPOLL_IOC_GET_PARAMS");
_Static_assert((EVPOLL_IOC_CTLV & ~IOCSIZE_MASK) == 0xc000eb05, "EVPOLL_IOC_CTLV");
_Static_assert((EVPOLL_IOC_RING & ~IOCSIZE_MASK) == 0xc000eb07, "EVPOLL_IOC_RING");
_Static_assert(offsetof(struct evpoll_ring_setup, size) == 8, "evpoll_ring_setup.size");
_Static_assert(offsetof(struct evpoll_ring_setup, slots_offset) == 28, "evpoll_ring_setup");
_Static_assert(sizeof(struct evpoll_ring_setup) % 8 == 0, "evpoll_ring_setup");
_Static_assert(offsetof(struct evpoll_ring_slot, data) == 8, "evpoll_ring_slot.data");
_Static_assert(sizeof(struct evpoll_ring_slot) == 16, "evpoll_ring_slot");

#define DATA 0xfedcba9876543210ULL

FIXTURE(compat) {
	int ep;
	int p[2];
};

FIXTURE_VARIANT(compat) {
	enum mechanism by;
};

EP_VARIANTS(compat);

FIXTURE_SETUP(compat)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_EQ(0, pipe(self->p));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->p[0], EPOLLIN, DATA));
}

FIXTURE_TEARDOWN(compat)
{
}

/* This program is what it claims to be */
TEST_F(compat, is_32_bit)
{
	EXPECT_EQ(4, sizeof(void *));
	EXPECT_EQ(4, sizeof(long));
}

/* R10, R12: ADD, MOD, DEL and all 64 bits of the data */
TEST_F(compat, ctl)
{
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	EXPECT_ERRNO(EEXIST, ep_add(variant->by, self->ep, self->p[0], EPOLLIN));
	EXPECT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->p[0], EPOLLIN, ~DATA));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, ~DATA, 0));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, self->p[0]));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, self->p[0]));
	EXPECT_ERRNO(EBADF, ep_del(variant->by, self->ep, -1));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, ~DATA, 0));
}

/* epoll_wait(2): several events lie 12 bytes apart */
TEST_F(compat, array)
{
	struct epoll_event ev[6];
	int e[5];

	for (int i = 0; i < 5; i++) {
		e[i] = eventfd(1, 0);
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, e[i],
				    EPOLLIN | EPOLLOUT, DATA + 1 + i));
	}
	memset(ev, 0xee, sizeof(ev));
	ASSERT_EQ(5, ep_wait(variant->by, self->ep, ev, 6, SOON));
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(EPOLLIN | EPOLLOUT, ev[i].events);
		EXPECT_EQ(DATA + 1 + i, ev[i].data.u64);
	}
	EXPECT_EQ(0xeeeeeeee, ev[5].events);
}

/* R16, R17, R19: level, edge, once */
TEST_F(compat, triggers)
{
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, 0));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->p[0], EPOLLIN | EPOLLET));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, self->p[0], 0));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, self->p[0], 0));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, self->p[0], SOON));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->p[0], EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, self->p[0], 0));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, self->p[0], 0));
}

/* R28, R34: close removes */
TEST_F(compat, close)
{
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(1, ep_items(self->ep));
	close(self->p[0]);
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
}

/* R14: the time of a wait that brings nothing */
TEST_F(compat, timeout)
{
	long long start = now_ms();
	struct epoll_event ev;

	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 50));
	EXPECT_LE(49, now_ms() - start);
}

/* R2: a process that sleeps in the wait is woken */
TEST_F(compat, sleeps)
{
	struct epoll_event ev;
	/* no thread: a kernel without COMPAT_32BIT_TIME has no futex for this libc */
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, SOON));
		EXPECT_EQ(DATA, ev.data.u64);
		_exit(0);
	}
	ASSERT_TRUE(asleep(pid));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(0, reap(pid));
}

/* R25, R26 */
TEST_F(compat, nested)
{
	int outer = ep_create(variant->by, 0);

	ASSERT_EQ(0, ep_ctl(variant->by, outer, EPOLL_CTL_ADD, self->ep, EPOLLIN, ~DATA));
	EXPECT_ERRNO(ELOOP, ep_add(variant->by, self->ep, outer, EPOLLIN));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer, ~DATA, SOON));
}

FIXTURE(compat_wait) {
	int ep;
	int e;	/* an eventfd, ready */
};

FIXTURE_VARIANT(compat_wait) {
	enum mechanism by;
};

FIXTURE_VARIANT_ADD(compat_wait, epoll) { .by = BY_EPOLL };
FIXTURE_VARIANT_ADD(compat_wait, wait) { .by = BY_WAIT };

FIXTURE_SETUP(compat_wait)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->e = eventfd(0, 0);
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->e, EPOLLIN));
}

FIXTURE_TEARDOWN(compat_wait)
{
}

/* The call itself, with 64-bit times, which a 32-bit struct timespec is not */
static int wait64(enum mechanism by, int ep, struct epoll_event *ev, int max,
		  const void *ts, const void *mask, size_t size)
{
	struct evpoll_wait w = {
		.events = (uintptr_t)ev, .timeout = (uintptr_t)ts, .sigmask = (uintptr_t)mask,
		.sigsetsize = size, .maxevents = max,
	};

	if (by == BY_EPOLL)
		return syscall(SYS_epoll_pwait2, ep, ev, max, ts, mask, size);
	return ioctl(ep, EVPOLL_IOC_WAIT, &w);
}

/* epoll_pwait2(2): seconds beyond 32 bits, a zero timeout, and invalid times */
TEST_F(compat_wait, time64)
{
	const int64_t far[] = { 0x100000000LL, 0 }, zero[2] = { 0 }, bad[] = { 0, 1000000000 };
	const int64_t negative[] = { -1, 0 }, high[] = { 0, 0x100000000LL };
	struct epoll_event ev;

	EXPECT_EQ(0, wait64(variant->by, self->ep, &ev, 1, zero, NULL, 0));
	EXPECT_ERRNO(EINVAL, wait64(variant->by, self->ep, &ev, 1, bad, NULL, 0));
	EXPECT_ERRNO(EINVAL, wait64(variant->by, self->ep, &ev, 1, negative, NULL, 0));
	EXPECT_ERRNO(EFAULT, wait64(variant->by, self->ep, &ev, 1, (void *)8, NULL, 0));
	ASSERT_EQ(0, eventfd_write(self->e, 1));
	EXPECT_EQ(1, wait64(variant->by, self->ep, &ev, 1, far, NULL, 0));
	/*
	 * get_timespec64() drops the upper half of a 32-bit program's nanoseconds, for what
	 * its libc may have left there
	 */
	EXPECT_EQ(1, wait64(variant->by, self->ep, &ev, 1, high, NULL, 0));
}

static _Atomic int caught;

static void catch(int sig)
{
	caught = sig;
}

/* R15: a mask of 64 signals in two words of 32 bits: each half is where it belongs */
TEST_F(compat_wait, sigmask)
{
	const int64_t soon[] = { SOON / 1000, 0 }, zero[2] = { 0 };
	const int sig[] = { SIGUSR1, SIGRTMIN + 5 };
	struct epoll_event ev;

	for (int i = 0; i < 2; i++) {
		uint32_t none[2] = { 0, 0 }, it[2] = { 0, 0 };
		sigset_t set;

		sigemptyset(&set);
		sigaddset(&set, sig[i]);
		ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
		signal(sig[i], catch);
		caught = 0;
		ASSERT_EQ(0, raise(sig[i]));
		/* blocked in the wait too */
		it[(sig[i] - 1) / 32] = 1U << (sig[i] - 1) % 32;
		EXPECT_EQ(0, wait64(variant->by, self->ep, &ev, 1, zero, it, 8));
		EXPECT_EQ(0, caught);
		/* the other half only: it is not blocked, and pending ends the wait */
		it[0] = ~it[0];
		it[1] = ~it[1];
		EXPECT_ERRNO(EINTR, wait64(variant->by, self->ep, &ev, 1, soon, it, 8));
		EXPECT_EQ(sig[i], caught);
		caught = 0;
		ASSERT_EQ(0, raise(sig[i]));
		EXPECT_ERRNO(EINTR, wait64(variant->by, self->ep, &ev, 1, soon, none, 8));
		EXPECT_EQ(sig[i], caught);
	}
	EXPECT_ERRNO(EINVAL, wait64(variant->by, self->ep, &ev, 1, zero, &caught, 4));
	EXPECT_ERRNO(EFAULT, wait64(variant->by, self->ep, &ev, 1, zero, (void *)8, 8));
}

/* epoll_wait(2): bad buffers and counts */
TEST_F(compat_wait, bad_arguments)
{
	const int64_t zero[2] = { 0 };
	struct epoll_event ev;

	ASSERT_EQ(0, eventfd_write(self->e, 1));
	EXPECT_ERRNO(EINVAL, wait64(variant->by, self->ep, &ev, 0, zero, NULL, 0));
	EXPECT_ERRNO(EFAULT, wait64(variant->by, self->ep, (void *)8, 1, zero, NULL, 0));
	EXPECT_EQ(1, wait64(variant->by, self->ep, &ev, 1, zero, NULL, 0));
}

/* The address of a buffer above 2 GB is not taken for a negative number */
TEST_F(compat_wait, high_pointers)
{
	const int64_t zero[2] = { 0 };
	char *page = mmap((void *)0xc0000000, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct epoll_event *ev = (void *)page;
	struct evpoll_ctl *ctl = (void *)(page + 1024);

	ASSERT_LT(0x80000000U, (uintptr_t)page);
	ASSERT_EQ(0, eventfd_write(self->e, 1));
	EXPECT_EQ(1, wait64(variant->by, self->ep, ev, 1, zero, NULL, 0));
	if (variant->by == BY_EPOLL)
		return;
	*ctl = (struct evpoll_ctl){ .op = EPOLL_CTL_MOD, .fd = self->e, .data = DATA };
	EXPECT_EQ(0, ioctl(self->ep, EVPOLL_IOC_CTL, ctl));
	EXPECT_EQ(0, wait64(variant->by, self->ep, ev, 1, zero, NULL, 0));
}

FIXTURE(compat_evpoll) {
	int ep;
	int e;
};

FIXTURE_SETUP(compat_evpoll)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->e = eventfd(1, 0);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->e, EPOLLIN));
}

FIXTURE_TEARDOWN(compat_evpoll)
{
}

/* uapi/linux/evpoll.h: pointers are 64 bits, and none of them is cut off */
TEST_F(compat_evpoll, pointers_of_64_bits)
{
	struct epoll_event ev;
	int64_t ts[2] = { 0 };
	struct evpoll_wait w = {
		.events = (uintptr_t)&ev, .timeout = (uintptr_t)ts, .maxevents = 1,
	};

	ASSERT_EQ(1, ioctl(self->ep, EVPOLL_IOC_WAIT, &w));
	w.events |= 1ULL << 32;
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_WAIT, &w));
	w.events = (uintptr_t)&ev;
	w.timeout |= 1ULL << 32;
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_WAIT, &w));
	w.timeout = (uintptr_t)ts;
	w.sigmask = 1ULL << 32 | (uintptr_t)ts;
	w.sigsetsize = 8;
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_WAIT, &w));
}

/* uapi/linux/evpoll.h: times of 64 bits in the parameters; the read timeout works */
TEST_F(compat_evpoll, params)
{
	struct evpoll_params set = { .read_timeout_ns = 0x123456789abcdefULL }, get = { 0 };
	struct epoll_event ev;
	eventfd_t n;

	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &set));
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &get));
	EXPECT_EQ(set.read_timeout_ns, get.read_timeout_ns);
	EXPECT_EQ(12, read(self->ep, &ev, sizeof(ev)));
	ASSERT_EQ(0, eventfd_read(self->e, &n));
	set.read_timeout_ns = 1000000;
	ASSERT_EQ(0, ioctl(self->ep, EVPOLL_IOC_SET_PARAMS, &set));
	EXPECT_ERRNO(EAGAIN, read(self->ep, &ev, sizeof(ev)));
}

/* uapi/linux/evpoll.h: a buffer that holds no event of 12 bytes is EINVAL */
TEST_F(compat_evpoll, read_sizes)
{
	char buf[25];

	EXPECT_ERRNO(EINVAL, read(self->ep, buf, 11));
	EXPECT_EQ(12, read(self->ep, buf, 12));
	EXPECT_EQ(12, read(self->ep, buf, 25));
}

/* Documentation/ring.rst: the memory of a ring is the same for a 32-bit program */
TEST_F(compat_evpoll, ring)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC);
	struct evpoll_ring ring;
	struct epoll_event ev[2];

	ASSERT_EQ(0, evpoll_ring_create(&ring, ep, 64));
	for (int i = 0; i < 200; i++) {
		ASSERT_EQ(0, ep_ctl(BY_WAIT, ep, EPOLL_CTL_ADD, self->e, EPOLLIN | EPOLLET,
				    DATA + i));
		/* The call has the event that was there. */
		ASSERT_EQ(1, ep_wait(BY_WAIT, ep, ev, 2, 0));
		ASSERT_EQ(0, eventfd_write(self->e, 1));
		ASSERT_EQ(1, evpoll_ring_harvest(&ring, ev, 2));
		EXPECT_EVENT(EPOLLIN, DATA + i, ev[0]);
		ASSERT_EQ(0, evpoll_ring_harvest(&ring, ev, 2));
		ASSERT_EQ(0, ep_del(BY_WAIT, ep, self->e));
	}
	evpoll_ring_close(&ring);
	close(ep);
}

TEST_HARNESS_MAIN
