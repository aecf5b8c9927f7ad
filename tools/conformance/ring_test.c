// SPDX-License-Identifier: GPL-2.0-only
/*
 * evpoll_ring.h, as 'make install' installs it: each function does what its comment says. Also
 * built as a 32-bit program.
 */
#include "../../selftests/evpoll_expect.h"
#include "../../selftests/evpoll_task.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <evpoll.h>
#include <evpoll_ring.h>

#define SLOTS 16	/* the slots follow the index without a gap */
#define FILES 6		/* of a test that needs more than one */
#define DATA ((1ULL << 63) + 42)

FIXTURE(ring) {
	struct evpoll_ring ring;
	int ep;
	int fd[FILES];	/* eventfds that are not readable, not watched */
	struct epoll_event ev[FILES];
};

FIXTURE_SETUP(ring)
{
	self->ep = evpoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_EQ(0, evpoll_ring_create(&self->ring, self->ep, SLOTS));
	for (int i = 0; i < FILES; i++) {
		self->fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_LE(0, self->fd[i]);
	}
}

FIXTURE_TEARDOWN(ring)
{
	evpoll_ring_close(&self->ring);
	close(self->ep);
	for (int i = 0; i < FILES; i++)
		close(self->fd[i]);
}

/* Watches @fd, with @data in its events. */
static int watch(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return evpoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

/* Watches the first @n files edge-triggered. The data is the index. */
static int watch_files(int ep, const int *fd, int n)
{
	for (int i = 0; i < n; i++)
		if (watch(ep, fd[i], EPOLLIN | EPOLLET, i))
			return -1;
	return 0;
}

/* Makes an eventfd unreadable. */
static int drain(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count);
}

/* How many scans did calls make? A wait that makes no call does not change this. */
static uint64_t scans(int ep)
{
	struct evpoll_stats stats = {};

	evpoll_get_stats(ep, &stats);
	return stats.reads;
}

/* evpoll_ring_create(): errors of the ioctl() and of mmap() */
TEST(create)
{
	struct evpoll_ring ring;
	int ep = evpoll_create1(0), fd = eventfd(0, EFD_NONBLOCK), p[2];

	ASSERT_LE(0, ep);
	EXPECT_ERRNO(EINVAL, evpoll_ring_create(&ring, ep, 0));
	EXPECT_ERRNO(EINVAL, evpoll_ring_create(&ring, ep, 3));
	EXPECT_ERRNO(EINVAL, evpoll_ring_create(&ring, ep, 2 * EVPOLL_RING_MAX_SLOTS));
	EXPECT_ERRNO(EBADF, evpoll_ring_create(&ring, -1, SLOTS));
	ASSERT_EQ(0, pipe(p));
	EXPECT_ERRNO(ENOTTY, evpoll_ring_create(&ring, p[0], SLOTS));
	ASSERT_EQ(0, watch(ep, fd, EPOLLIN, DATA));
	EXPECT_ERRNO(EBUSY, evpoll_ring_create(&ring, ep, SLOTS));
	ASSERT_EQ(0, evpoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	ASSERT_EQ(0, evpoll_ring_create(&ring, ep, 1));
	EXPECT_ERRNO(EEXIST, evpoll_ring_create(&ring, ep, 1));
	evpoll_ring_close(&ring);
	close(ep);
}

/* Without the right to write, there is a ring but no mapping, and events come by calls. */
TEST(create_without_a_mapping)
{
	int ep = open("/dev/evpoll", O_RDONLY | O_CLOEXEC), fd = eventfd(0, EFD_NONBLOCK);
	struct evpoll_ring ring;
	struct epoll_event ev;

	ASSERT_LE(0, ep);
	EXPECT_ERRNO(EACCES, evpoll_ring_create(&ring, ep, SLOTS));
	ASSERT_EQ(0, watch(ep, fd, EPOLLIN | EPOLLET, DATA));
	ASSERT_EQ(0, eventfd_write(fd, 1));
	EXPECT_EQ(1, evpoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(DATA, ev.data.u64);
	EXPECT_EQ(0, evpoll_wait(ep, &ev, 1, 0));
	close(ep);
}

/* evpoll_ring_harvest(): each edge once, without a call, with all 64 bits of the data */
TEST_F(ring, harvest_edge)
{
	uint64_t before;

	ASSERT_EQ(0, watch(self->ep, self->fd[0], EPOLLIN | EPOLLET, DATA));
	before = scans(self->ep);
	EXPECT_EQ(0, evpoll_ring_harvest(&self->ring, self->ev, FILES));
	for (int i = 0; i < 3 * SLOTS; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
		ASSERT_EQ(1, evpoll_ring_harvest(&self->ring, self->ev, FILES));
		EXPECT_EQ(EPOLLIN, self->ev[0].events);
		EXPECT_EQ(DATA, self->ev[0].data.u64);
		EXPECT_EQ(0, evpoll_ring_harvest(&self->ring, self->ev, FILES));
	}
	EXPECT_EQ(before, scans(self->ep));
}

/* Several events are in the order of the wakeups. No registration is in an array twice. */
TEST_F(ring, harvest_many)
{
	ASSERT_EQ(0, watch_files(self->ep, self->fd, FILES));
	/* The index ends within some of these harvests. */
	for (int round = 0; round < 3 * SLOTS; round++) {
		int n, got = 0;

		for (int i = 0; i < 3 * FILES; i++)
			ASSERT_EQ(0, eventfd_write(self->fd[(i + round) % FILES], 1));
		do {
			n = evpoll_ring_harvest(&self->ring, self->ev, FILES);
			for (int i = 0; i < n; i++, got++) {
				EXPECT_EQ(EPOLLIN, self->ev[i].events);
				EXPECT_EQ((got + round) % FILES, self->ev[i].data.u64);
			}
		} while (n);
		ASSERT_EQ(FILES, got);
	}
}

/* Neither a harvest nor a call returns more than @maxevents, or writes behind the array. */
TEST_F(ring, maxevents)
{
	ASSERT_EQ(0, watch_files(self->ep, self->fd, 4));
	for (int round = 0; round < 2 * SLOTS; round++) {
		int harvested = 0, n;

		for (int i = 0; i < 4; i++)
			ASSERT_EQ(0, eventfd_write(self->fd[i], 1));
		memset(self->ev, 0x55, sizeof(self->ev));
		do {
			n = round % 2 ? evpoll_ring_wait(&self->ring, self->ev, 3, 0) :
					evpoll_ring_harvest(&self->ring, self->ev, 3);
			EXPECT_GE(3, n);
			harvested += n;
		} while (n > 0);
		EXPECT_EQ(4, harvested);
		EXPECT_EQ(0x55555555, self->ev[3].events);
	}
	/* As epoll_wait(2), also if the ring has an event */
	EXPECT_ERRNO(EINVAL, evpoll_ring_wait(&self->ring, self->ev, 0, 0));
	ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
	EXPECT_ERRNO(EINVAL, evpoll_ring_wait(&self->ring, self->ev, 0, -1));
	EXPECT_ERRNO(EINVAL, evpoll_ring_wait(&self->ring, self->ev, -1, -1));
	EXPECT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, 1, -1));
}

/* After DEL the entry has no event. A harvest skips it, and finds what is behind it. */
TEST_F(ring, removed_meanwhile)
{
	for (int round = 0; round < 2 * SLOTS; round++) {
		ASSERT_EQ(0, watch_files(self->ep, self->fd, 3));
		for (int i = 0; i < 3; i++)
			ASSERT_EQ(0, eventfd_write(self->fd[i], 1));
		ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd[0], NULL));
		/* With room for one event, the first harvest finds the empty entry only. */
		ASSERT_EQ(1, evpoll_ring_harvest(&self->ring, self->ev, 1));
		EXPECT_EQ(1, self->ev[0].data.u64);
		ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd[2], NULL));
		EXPECT_EQ(0, evpoll_ring_harvest(&self->ring, self->ev, FILES));
		ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_DEL, self->fd[1], NULL));
		for (int i = 0; i < 3; i++)
			ASSERT_EQ(0, drain(self->fd[i]));
	}
}

/*
 * A harvester that stops before it has cleared its entry disturbs no other one. When these come to
 * the same place of the index, one round later, they do not take the old entry for a new one.
 */
TEST_F(ring, slow_harvester)
{
	uint32_t head = evpoll_ring_head(&self->ring);
	uint32_t *at = evpoll_ring_at(&self->ring, head);

	ASSERT_EQ(0, watch_files(self->ep, self->fd, 2));
	ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
	ASSERT_TRUE(evpoll_ring_claim(&self->ring, head, 1));
	for (int i = 1; i < SLOTS; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd[1], 1));
		ASSERT_EQ(1, evpoll_ring_harvest(&self->ring, self->ev, FILES));
		ASSERT_EQ(1, self->ev[0].data.u64);
	}
	ASSERT_TRUE(at == evpoll_ring_at(&self->ring, evpoll_ring_head(&self->ring)));
	EXPECT_EQ(0, evpoll_ring_harvest(&self->ring, self->ev, FILES));
	/* There is no place in the ring, so this comes by a call. */
	ASSERT_EQ(0, eventfd_write(self->fd[1], 1));
	EXPECT_EQ(0, evpoll_ring_harvest(&self->ring, self->ev, FILES));
	ASSERT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, -1));
	EXPECT_EQ(1, self->ev[0].data.u64);
	/* It goes on, and has its event. */
	EXPECT_TRUE(evpoll_ring_take(self->ring.map, *at & ~3U, at, self->ev) == self->ev + 1);
	EXPECT_EQ(0, self->ev[0].data.u64);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, eventfd_write(self->fd[i], 1));
	EXPECT_EQ(2, evpoll_ring_harvest(&self->ring, self->ev, FILES) +
		     evpoll_ring_harvest(&self->ring, self->ev, FILES));
}

/* A level-triggered file that stays ready is reported by each wait that could sleep. */
TEST_F(ring, level_again)
{
	uint64_t before;

	ASSERT_EQ(0, watch(self->ep, self->fd[0], EPOLLIN, DATA));
	ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
	before = scans(self->ep);
	EXPECT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, -1));
	EXPECT_EQ(before, scans(self->ep));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, i % 2 ? 0 : -1));
		EXPECT_EQ(EPOLLIN, self->ev[0].events);
		EXPECT_EQ(DATA, self->ev[0].data.u64);
	}
	EXPECT_LT(before, scans(self->ep));
	ASSERT_EQ(0, drain(self->fd[0]));
	EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
	EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 1));
}

/* If each harvest finds events, the wait after 16 of them calls, and reports the other file. */
TEST_F(ring, due_call)
{
	uint64_t before;

	ASSERT_EQ(0, watch(self->ep, self->fd[0], EPOLLIN, 0));
	ASSERT_EQ(0, watch(self->ep, self->fd[1], EPOLLIN | EPOLLET, 1));
	ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
	ASSERT_EQ(1, evpoll_ring_harvest(&self->ring, self->ev, FILES));
	for (int round = 0; round < 3; round++) {
		before = scans(self->ep);
		for (int i = 0; i < EVPOLL_RING_TURNS; i++) {
			ASSERT_EQ(0, eventfd_write(self->fd[1], 1));
			ASSERT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, -1));
			ASSERT_EQ(1, self->ev[0].data.u64);
		}
		EXPECT_EQ(before, scans(self->ep));
		ASSERT_EQ(0, eventfd_write(self->fd[1], 1));
		ASSERT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
		EXPECT_EQ(0, self->ev[0].data.u64);
		ASSERT_EQ(1, evpoll_ring_harvest(&self->ring, self->ev, FILES));
		EXPECT_EQ(1, self->ev[0].data.u64);
	}
}

/* One-shot: once by the ring, then nothing until MOD. */
TEST_F(ring, oneshot)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = DATA };

	ASSERT_EQ(0, watch(self->ep, self->fd[0], ev.events, DATA));
	for (int i = 0; i < 2 * SLOTS; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
		ASSERT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, -1));
		EXPECT_EQ(EPOLLIN, self->ev[0].events);
		ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
		EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
		ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_MOD, self->fd[0], &ev));
		/* The file is ready, so MOD reports it, which takes a call. */
		ASSERT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
		EXPECT_EQ(DATA, self->ev[0].data.u64);
		ASSERT_EQ(0, drain(self->fd[0]));
		ASSERT_EQ(0, evpoll_ctl(self->ep, EPOLL_CTL_MOD, self->fd[0], &ev));
		EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
	}
}

/* A registration that found no slot comes by calls, also if the wait may not sleep. */
TEST_F(ring, without_a_slot)
{
	int fd[SLOTS + 1];

	for (int i = 0; i <= SLOTS; i++) {
		fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_EQ(0, watch(self->ep, fd[i], EPOLLIN | EPOLLET, i));
	}
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, eventfd_write(fd[SLOTS], 1));
		EXPECT_EQ(0, evpoll_ring_harvest(&self->ring, self->ev, FILES));
		ASSERT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, i ? -1 : 0));
		EXPECT_EQ(SLOTS, self->ev[0].data.u64);
	}
}

/* A timeout of 0 makes no call if a call would bring nothing. Others do not end too early. */
TEST_F(ring, timeouts)
{
	long long start, took;
	uint64_t before;

	ASSERT_EQ(0, watch_files(self->ep, self->fd, 1));
	before = scans(self->ep);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
	EXPECT_EQ(before, scans(self->ep));
	start = now_ms();
	EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 1020));
	EXPECT_LE(1020, now_ms() - start);
	/* The wait spins for as long as it may, and not longer. */
	self->ring.spin_ns = UINT64_MAX;
	start = now_ms();
	EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 20));
	EXPECT_LE(20, now_ms() - start);
	/* It spins, and sleeps for the rest. A busy machine may need another try. */
	self->ring.spin_ns = 190000000;
	for (int i = 0; i < 5; i++) {
		start = now_ms();
		EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 200));
		took = now_ms() - start;
		EXPECT_LE(200, took);
		if (took < 390)
			break;
	}
	EXPECT_GT(390, took);
	EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
}

/* A call that fails takes nothing away. */
TEST_F(ring, bad_buffer)
{
	ASSERT_EQ(0, watch(self->ep, self->fd[0], EPOLLIN, DATA));
	ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
	ASSERT_EQ(1, evpoll_ring_harvest(&self->ring, self->ev, FILES));
	EXPECT_ERRNO(EFAULT, evpoll_ring_wait(&self->ring, NULL, FILES, -1));
	EXPECT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, -1));
}

/* After evpoll_ring_close() the instance still has what was in the ring. */
TEST_F(ring, close_keeps_events)
{
	struct evpoll_ring ring = self->ring;

	ASSERT_EQ(0, watch_files(self->ep, self->fd, 2));
	ASSERT_EQ(0, eventfd_write(self->fd[1], 1));
	/* Another mapping, so that the teardown finds one. */
	self->ring.map = mmap(NULL, ring.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->ep, 0);
	ASSERT_TRUE(self->ring.map != MAP_FAILED);
	evpoll_ring_close(&ring);
	ASSERT_EQ(1, evpoll_wait(self->ep, self->ev, FILES, 0));
	EXPECT_EQ(1, self->ev[0].data.u64);
	EXPECT_EQ(0, evpoll_wait(self->ep, self->ev, FILES, 0));
}

/* A thread that waits once, and how often it slept in the wait */
struct waiter {
	struct evpoll_ring *ring;
	int timeout;
	pthread_t thread;
	_Atomic pid_t tid;
	long sleeps;
	struct epoll_event ev;
	int ret;
	int err;
};

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;
	long before = own_switches();

	w->tid = gettid();
	w->ret = evpoll_ring_wait(w->ring, &w->ev, 1, w->timeout);
	w->err = errno;
	w->sleeps = own_switches() - before;
	return NULL;
}

/* True once the thread is in @state. */
static bool waiter_start(struct waiter *w, struct evpoll_ring *ring, int timeout, char state)
{
	*w = (struct waiter){ .ring = ring, .timeout = timeout };
	if (pthread_create(&w->thread, NULL, waiter_main, w))
		return false;
	while (!w->tid)
		sched_yield();
	return is_in(w->tid, state);
}

/* An event in the ring and one that only a call can bring wake a thread that sleeps. */
TEST_F(ring, sleep)
{
	struct waiter w;

	ASSERT_EQ(0, watch_files(self->ep, self->fd, 1));
	ASSERT_EQ(0, watch(self->ep, self->fd[1], EPOLLIN | EPOLLEXCLUSIVE, 1));
	for (int i = 0; i < 20; i++) {
		ASSERT_TRUE(waiter_start(&w, &self->ring, i % 4 < 2 ? -1 : INT_MAX, 'S'));
		ASSERT_EQ(0, eventfd_write(self->fd[i % 2], 1));
		ASSERT_EQ(0, pthread_join(w.thread, NULL));
		ASSERT_EQ(1, w.ret);
		EXPECT_EQ(i % 2, w.ev.data.u64);
		if (i % 2)
			ASSERT_EQ(0, drain(self->fd[1]));
	}
}

static int interrupt(pthread_t thread)
{
	struct sigaction action = { .sa_handler = no_action, .sa_flags = SA_RESTART };

	return sigaction(SIGUSR1, &action, NULL) ? -1 : pthread_kill(thread, SIGUSR1);
}

/* As epoll_wait(2), the wait does not restart after a handler with SA_RESTART. */
TEST_F(ring, signal)
{
	struct waiter w;

	ASSERT_TRUE(waiter_start(&w, &self->ring, -1, 'S'));
	ASSERT_EQ(0, interrupt(w.thread));
	ASSERT_EQ(0, pthread_join(w.thread, NULL));
	EXPECT_EQ(-1, w.ret);
	EXPECT_EQ(EINTR, w.err);
}

/* A thread that spins gets an event without sleeping, by the ring or by a call. */
TEST_F(ring, spin)
{
	struct waiter w;

	ASSERT_EQ(0, watch_files(self->ep, self->fd, 1));
	ASSERT_EQ(0, watch(self->ep, self->fd[1], EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 1));
	self->ring.spin_ns = UINT64_MAX;
	for (int i = 0; i < 20; i++) {
		ASSERT_TRUE(waiter_start(&w, &self->ring, i % 4 < 2 ? -1 : INT_MAX, 'R'));
		ASSERT_EQ(0, eventfd_write(self->fd[i % 2], 1));
		ASSERT_EQ(0, pthread_join(w.thread, NULL));
		ASSERT_EQ(1, w.ret);
		EXPECT_EQ(i % 2, w.ev.data.u64);
		EXPECT_EQ(0, w.sleeps);
	}
}

/* Threads that wait at the same time: what they read is what was written. */
#define WRITES 20000

struct reader {
	struct evpoll_ring *ring;
	const int *fd;
	int timeout;
	pthread_t thread;
	uint64_t sum;
	int errors;
};

/*
 * Reads the files, until the last one is readable and no other one is. The last one is
 * level-triggered and stays readable, so each thread sees it.
 */
static void *reader_main(void *arg)
{
	struct epoll_event ev[FILES];
	struct reader *r = arg;
	unsigned int nr, seen;
	bool end = false;
	eventfd_t count;
	int n;

	do {
		n = evpoll_ring_wait(r->ring, ev, FILES, r->timeout);
		r->errors += n < 0;
		seen = 0;
		for (int i = 0; i < n; i++) {
			nr = ev[i].data.u64;
			/* A registration is in the array once at most. */
			r->errors += nr >= FILES || (seen & 1U << nr);
			seen |= 1U << nr;
			if (nr == FILES - 1)
				end = true;
			else if (!eventfd_read(r->fd[nr], &count))
				r->sum += count;
		}
	} while (!end || (seen & ~(1U << (FILES - 1))));
	return NULL;
}

FIXTURE(ring_threads) {
	struct evpoll_ring ring;
	int ep;
	int fd[FILES];
};

FIXTURE_VARIANT(ring_threads) {
	int timeout;
	uint64_t spin_ns;
	uint32_t events;
};

FIXTURE_VARIANT_ADD(ring_threads, edge) { -1, 0, EPOLLIN | EPOLLET };
FIXTURE_VARIANT_ADD(ring_threads, edge_spins) { -1, 20000, EPOLLIN | EPOLLET };
FIXTURE_VARIANT_ADD(ring_threads, edge_polls) { 0, 0, EPOLLIN | EPOLLET };
FIXTURE_VARIANT_ADD(ring_threads, level) { -1, 0, EPOLLIN };

FIXTURE_SETUP(ring_threads)
{
	self->ep = evpoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_EQ(0, evpoll_ring_create(&self->ring, self->ep, SLOTS));
	self->ring.spin_ns = variant->spin_ns;
	for (int i = 0; i < FILES; i++) {
		self->fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_EQ(0, watch(self->ep, self->fd[i],
				   i < FILES - 1 ? variant->events : EPOLLIN, i));
	}
}

FIXTURE_TEARDOWN(ring_threads)
{
	evpoll_ring_close(&self->ring);
	close(self->ep);
	for (int i = 0; i < FILES; i++)
		close(self->fd[i]);
}

/* The events of all files reach one of the threads. */
TEST_F(ring_threads, share)
{
	struct reader readers[2];
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		readers[i] = (struct reader){ .ring = &self->ring, .fd = self->fd,
					      .timeout = variant->timeout };
		ASSERT_EQ(0, pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]));
	}
	for (int i = 0; i < WRITES; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd[i % (FILES - 1)], 1));
		if (i % 64 == 0)
			sched_yield();
	}
	ASSERT_EQ(0, eventfd_write(self->fd[FILES - 1], 1));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(readers[i].thread, NULL));
		EXPECT_EQ(0, readers[i].errors);
		sum += readers[i].sum;
	}
	EXPECT_EQ(WRITES, sum);
}

/* A child that inherits instance and mapping is one more user of the ring. */
TEST_F(ring, fork)
{
	int back = eventfd(0, EFD_CLOEXEC);
	eventfd_t got;
	pid_t pid;

	ASSERT_EQ(0, watch_files(self->ep, self->fd, 2));
	ASSERT_EQ(0, eventfd_write(self->fd[0], 1));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct epoll_event ev;

		/* One event by a harvest. The parent writes the other when it knows. */
		if (evpoll_ring_harvest(&self->ring, &ev, 1) != 1 || ev.data.u64 != 0)
			_exit(1);
		eventfd_write(back, 1);
		if (evpoll_ring_wait(&self->ring, &ev, 1, -1) != 1 || ev.data.u64 != 1)
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(0, eventfd_read(back, &got));
	EXPECT_EQ(0, evpoll_ring_harvest(&self->ring, self->ev, FILES));
	EXPECT_TRUE(asleep(pid));
	ASSERT_EQ(0, eventfd_write(self->fd[1], 1));
	EXPECT_EQ(0, reap(pid));
	/* The child has taken its event, and the parent may go on. */
	EXPECT_EQ(0, evpoll_ring_wait(&self->ring, self->ev, FILES, 0));
	ASSERT_EQ(0, eventfd_write(self->fd[1], 1));
	EXPECT_EQ(1, evpoll_ring_wait(&self->ring, self->ev, FILES, -1));
}

/* The registrations end with the descriptor. The memory stays, and nothing comes into it. */
TEST(closed_instance)
{
	int ep = evpoll_create1(EPOLL_CLOEXEC), fd = eventfd(0, EFD_NONBLOCK);
	struct evpoll_ring ring;
	struct epoll_event ev;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, evpoll_ring_create(&ring, ep, SLOTS));
	ASSERT_EQ(0, watch(ep, fd, EPOLLIN | EPOLLET, DATA));
	close(ep);
	ASSERT_EQ(0, eventfd_write(fd, 1));
	EXPECT_EQ(0, evpoll_ring_harvest(&ring, &ev, 1));
	EXPECT_EQ(0, evpoll_ring_wait(&ring, &ev, 1, 0));
	EXPECT_ERRNO(EBADF, evpoll_ring_wait(&ring, &ev, 1, -1));
	evpoll_ring_close(&ring);
}

TEST_HARNESS_MAIN
