// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hostile program can do with its ring (Documentation/ring.rst, "A program that writes
 * anything"). In each test a child attacks its own ring, and another instance that watches the same
 * files must not notice.
 */
#include "evpoll_burst.h"

#include "lib/evpoll_ring.h"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* Files that both sides watch: eventfds, pipes, UDP sockets, and lines if there are any */
#define FILES 8
#define SLOTS 64

/* Threads of the child */
#define THREADS 4

/**
 * struct watched - a file that the attacker and the honest instance watch
 * @rd: it is readable after each poke
 * @wr: what makes it readable
 * @context: EVPOLL_SOURCE_* for a line, or -1
 */
struct watched {
	int rd, wr;
	int context;
};

/**
 * struct attack - memory that the child shares with the test
 * @done: by thread, how often it has attacked
 */
struct attack {
	atomic_ulong done[THREADS];
};

/* In the child: the ring, and what each thread does all the time. Never returns. */
typedef void attacker(struct evpoll_ring *ring, struct attack *attack, int thread);

FIXTURE(hostile_ring) {
	int ep;			/* of the program that must not notice */
	struct watched file[FILES];
	struct evpoll_ring ring;	/* of the other one */
	struct attack *attack;
	pid_t pid;
};

static int watched_open(struct watched *w, int i)
{
	int p[2];

	w->context = -1;
	switch (i % 4) {
	case 0:
		return source_open(EVENTFD, &w->rd, &w->wr);
	case 1:
		if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
			return -1;
		w->rd = p[0];
		w->wr = p[1];
		return 0;
	case 2:
		return source_open(UDP, &w->rd, &w->wr);
	default:
		w->context = i % EVPOLL_SOURCE_CONTEXTS;
		if (no_source(w->context)) {
			w->context = -1;
			return source_open(EVENTFD, &w->rd, &w->wr);
		}
		w->rd = open(SOURCE_DEV, O_RDONLY | O_CLOEXEC);
		w->wr = w->rd;
		return w->rd < 0 ? -1 : 0;
	}
}

static int make_readable(const struct watched *w)
{
	if (w->context >= 0)
		return burst(w->context, &w->rd, 1);
	return poke(w->wr);
}

static void drain(const struct watched *w)
{
	struct evpoll_source_event event;
	char buf[512];

	if (w->context >= 0)
		line_read(w->rd, &event);
	else if (read(w->rd, buf, sizeof(buf)) < 0)
		return;
}

/* The attacker watches the files in all ways, so that there are slots of each kind. */
static int attacker_add(int ep, const struct watched *file)
{
	static const uint32_t modes[] = { EPOLLET, 0, EPOLLONESHOT, EPOLLET | EPOLLONESHOT };

	for (int i = 0; i < FILES * 4; i++) {
		int fd = i < FILES ? file[i].rd : dup(file[i % FILES].rd);

		if (ep_add(BY_WAIT, ep, fd, EPOLLIN | EPOLLOUT | modes[(i + i / FILES) % 4]))
			return -1;
	}
	return 0;
}

FIXTURE_SETUP(hostile_ring)
{
	self->attack = mmap(NULL, sizeof(*self->attack), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->attack);
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	ASSERT_EQ(0, evpoll_ring_create(&self->ring, ep_create(BY_WAIT, O_CLOEXEC), SLOTS));
	for (int i = 0; i < FILES; i++) {
		ASSERT_EQ(0, watched_open(&self->file[i], i)) TH_LOG("file %d", i);
		ASSERT_EQ(0, ep_ctl(BY_WAIT, self->ep, EPOLL_CTL_ADD, self->file[i].rd,
				    EPOLLIN | EPOLLET, i));
	}
}

FIXTURE_TEARDOWN(hostile_ring)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	close(self->ep);
	evpoll_ring_close(&self->ring);
	close(self->ring.ep);
}

/* A random number, for one thread */
static uint32_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random >> 16;
}

struct thread_arg {
	struct evpoll_ring *ring;
	struct attack *attack;
	attacker *attacker;
	int thread;
};

static void *attacker_main(void *arg)
{
	struct thread_arg *a = arg;

	a->attacker(a->ring, a->attack, a->thread);
	return NULL;
}

/* Starts a child whose threads attack @ring. */
static pid_t attack_start(struct evpoll_ring *ring, struct attack *attack, attacker *attacker)
{
	static struct thread_arg arg[THREADS];
	pid_t parent = getpid(), pid = fork();
	pthread_t thread;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (int i = 0; i < THREADS; i++) {
		arg[i] = (struct thread_arg){ ring, attack, attacker, i };
		if (pthread_create(&thread, NULL, attacker_main, &arg[i]))
			_exit(1);
	}
	for (;;)
		pause();
}

/* True once each thread has attacked @n times more. */
static bool attacked(struct attack *attack, unsigned long n)
{
	long long end = now_ms() + 6 * SOON;
	unsigned long from[THREADS];

	for (int i = 0; i < THREADS; i++)
		from[i] = attack->done[i];
	for (int i = 0; i < THREADS; i++)
		while (attack->done[i] < from[i] + n) {
			if (now_ms() > end)
				return false;
			sched_yield();
		}
	return true;
}

/* Makes each file readable. Returns which of them the honest instance reports, one bit for each. */
static unsigned int round_of_events(int ep, const struct watched *file)
{
	long long end = now_ms() + SOON;
	struct epoll_event ev[FILES];
	unsigned int seen = 0;
	int n;

	for (int i = 0; i < FILES; i++)
		if (make_readable(&file[i]))
			return 0;
	while (seen != (1U << FILES) - 1 && now_ms() < end) {
		n = ep_wait(BY_WAIT, ep, ev, FILES, SOON);
		for (int i = 0; i < n; i++)
			if (ev[i].events & EPOLLIN)
				seen |= 1U << ev[i].data.u64;
	}
	for (int i = 0; i < FILES; i++)
		drain(&file[i]);
	return seen;
}

/* The child dies at once, whatever its threads do in the kernel. */
#define EXPECT_KILLED(pid) do {							\
	EXPECT_EQ(0, kill(pid, SIGKILL));					\
	EXPECT_EQ(-1, reap(pid));						\
	(pid) = 0;								\
} while (0)

static void scribble_words(struct evpoll_ring *ring, uint64_t *random)
{
	volatile uint32_t *word = (uint32_t *)ring->map;

	for (int i = 0; i < 1000; i++) {
		uint32_t at = random_next(random) % (ring->size / 4), value = random_next(random);

		/* Half of the time a value that looks right: a small offset, a bit, a position */
		word[at] = value & 1 ? value : value % (2 * ring->size);
	}
}

static void call_anything(struct evpoll_ring *ring, uint64_t *random)
{
	struct pollfd pfd = { .fd = ring->ep, .events = POLLIN };
	struct epoll_event ev[16];
	int fd = random_next(random) % 256;

	switch (random_next(random) % 8) {
	case 0:
		poll(&pfd, 1, 0);
		break;
	case 1:
		ep_mod(BY_WAIT, ring->ep, fd, EPOLLIN | (random_next(random) % 2 ? EPOLLET : 0));
		break;
	case 2:
		ep_del(BY_WAIT, ring->ep, fd);
		break;
	case 3:
		ep_add(BY_WAIT, ring->ep, fd, EPOLLIN | EPOLLET);
		break;
	default:
		ep_wait(BY_WAIT, ring->ep, ev, 16, random_next(random) % 3);
	}
}

/* Three threads write random words over the whole mapping, and one makes calls. */
static void scribble(struct evpoll_ring *ring, struct attack *attack, int thread)
{
	uint64_t random = 0x9e3779b97f4a7c15 * (thread + 1);

	for (;;) {
		if (thread)
			scribble_words(ring, &random);
		else
			call_anything(ring, &random);
		attack->done[thread]++;
	}
}

TEST_F(hostile_ring, random_words)
{
	struct evpoll_stats before, after;

	ASSERT_EQ(0, attacker_add(self->ring.ep, self->file));
	self->pid = attack_start(&self->ring, self->attack, scribble);
	ASSERT_TRUE(attacked(self->attack, 1));
	before = stats_of(self->ring.ep);
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ((1U << FILES) - 1, round_of_events(self->ep, self->file))
			TH_LOG("round %d", i);
	}
	/* The attack went on all the time, and the events went to the attacker as well. */
	EXPECT_TRUE(attacked(self->attack, 1));
	after = stats_of(self->ring.ep);
	EXPECT_LT(before.callbacks, after.callbacks);
	EXPECT_KILLED(self->pid);
}

/*
 * Index, head and states are what the waker uses. Each thread writes one of them, with values that
 * make the waker or a call begin again as often as possible.
 */
static void hammer(struct evpoll_ring *ring, struct attack *attack, int thread)
{
	uint32_t first = (char *)ring->index - ring->map + (ring->mask + 1) * sizeof(uint32_t);
	struct evpoll_ring_slot *slot = (struct evpoll_ring_slot *)(ring->map + first);
	struct epoll_event ev;

	for (;;) {
		for (uint32_t i = 0; i < 100 * SLOTS; i++)
			switch (thread) {
			case 0:
				__atomic_store_n(&slot[i % SLOTS].state,
						 i / SLOTS % 2 ? EVPOLL_RING_LISTED : 0,
						 __ATOMIC_RELAXED);
				break;
			case 1:
				__atomic_store_n(ring->head, i, __ATOMIC_RELAXED);
				break;
			case 2:
				__atomic_store_n(&ring->index[i % SLOTS],
						 i / SLOTS % 2 ? first + 16 * (i % SLOTS) + 3 : 0,
						 __ATOMIC_RELAXED);
				break;
			default:
				if (i % SLOTS == 0)
					ep_wait(BY_WAIT, ring->ep, &ev, 1, 1);
			}
		attack->done[thread]++;
	}
}

/* The waker makes progress: each write returns, whatever the attacker writes meanwhile. */
TEST_F(hostile_ring, waker_makes_progress)
{
	struct evpoll_stats before, after;

	ASSERT_EQ(0, attacker_add(self->ring.ep, self->file));
	self->pid = attack_start(&self->ring, self->attack, hammer);
	ASSERT_TRUE(attacked(self->attack, 1));
	before = stats_of(self->ring.ep);
	for (int i = 0; i < 2000; i++) {
		const struct watched *w = &self->file[i % FILES];

		ASSERT_EQ(0, make_readable(w));
		if (w->context < 0)
			drain(w);
		else
			while (line_read(w->rd, &(struct evpoll_source_event){}))
				sched_yield();
	}
	EXPECT_TRUE(attacked(self->attack, 1));
	after = stats_of(self->ring.ep);
	/* Many of the 2000 were events for the attacker. */
	EXPECT_LT(before.callbacks + 1000, after.callbacks);
	EXPECT_EQ((1U << FILES) - 1, round_of_events(self->ep, self->file));
	EXPECT_KILLED(self->pid);
}

/* All entries are there at all times, and none has an event. */
static void fill_index(struct evpoll_ring *ring, struct attack *attack, int thread)
{
	uint32_t first = (char *)ring->index - ring->map + (ring->mask + 1) * sizeof(uint32_t);
	struct epoll_event ev;

	for (;;) {
		for (uint32_t i = 0; thread && i <= ring->mask; i++)
			__atomic_store_n(&ring->index[i], first + 3, __ATOMIC_RELAXED);
		if (thread == 1)
			__atomic_fetch_add(ring->head, 1, __ATOMIC_RELAXED);
		if (thread == 0 && ep_wait(BY_WAIT, ring->ep, &ev, 1, 20) < 0)
			_exit(2);
		attack->done[thread]++;
	}
}

/* A call on a ring that never seems empty ends in time, and a signal ends one without a limit. */
TEST_F(hostile_ring, calls_end)
{
	struct epoll_event ev;
	pid_t pid;

	self->pid = attack_start(&self->ring, self->attack, fill_index);
	EXPECT_TRUE(attacked(self->attack, 10));
	pid = fork();
	if (!pid) {
		ep_wait(BY_WAIT, self->ring.ep, &ev, 1, -1);
		_exit(1);
	}
	EXPECT_TRUE(attacked(self->attack, 10));
	EXPECT_KILLED(pid);
	EXPECT_KILLED(self->pid);
	ASSERT_EQ((1U << FILES) - 1, round_of_events(self->ep, self->file));
}

/* Adds, makes events, changes and removes, and never harvests. */
static int never_harvest(int ep, int n)
{
	for (int i = 0; i < n; i++) {
		int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		if (ep_add(BY_WAIT, ep, fd, EPOLLIN | (i % 2 ? EPOLLET : 0)) || poke(fd) ||
		    ep_mod(BY_WAIT, ep, fd, EPOLLIN | EPOLLET) || poke(fd))
			return -1;
		/* Half of them end with their file. */
		if (i % 4 < 2 && ep_del(BY_WAIT, ep, fd))
			return -1;
		close(fd);
	}
	return 0;
}

/* The number behind @key in a "key value" file, -1 if it is not there */
static long long stat_in(const char *path, const char *key)
{
	long long value, found = -1;
	char name[64];
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (fscanf(f, "%63s %lld", name, &value) == 2)
		if (!strcmp(name, key))
			found = value;
	fclose(f);
	return found;
}

/* What @group has in use, once the kernel has added up the counters of all processors */
static long long memory_of(const char *group)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/memory.stat", group);
	stat_in(path, "slab");
	snprintf(path, sizeof(path), "%s/memory.current", group);
	return number_in(path);
}

/* In a child: does memory grow without a limit? Returns 0 if not. */
static int bounded(int ep, const char *group)
{
	enum { WARM = 500, NR = 20000, GROWTH = 600000 };
	long long before, end;
	char procs[96];

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", group);
	if (write_file(procs, "0"))
		return 1;
	if (never_harvest(ep, WARM))
		return 2;
	before = memory_of(group);
	if (never_harvest(ep, NR))
		return 3;
	/* RCU frees the files and items of the last moment a little later. */
	end = now_ms() + SOON;
	while (memory_of(group) - before > GROWTH)
		if (now_ms() > end)
			return 4;
	return 0;
}

/* The index is full of entries of registrations that have gone, and no slot is free any more. */
TEST_F_TIMEOUT(hostile_ring, never_harvests, 800)
{
	struct epoll_event ev[2 * FILES];
	char group[64];
	pid_t pid;
	int n;

	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	snprintf(group, sizeof(group), "/sys/fs/cgroup/evpoll-hostile-%d", getpid());
	if (mkdir(group, 0700))
		SKIP(return, "%s: %s", group, strerror(errno));
	if (memory_of(group) < 0) {
		rmdir(group);
		SKIP(return, "%s: no memory.current", group);
	}
	pid = fork();
	if (!pid)
		_exit(bounded(self->ring.ep, group));
	/* Meanwhile, and afterwards, others lose nothing. */
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ((1U << FILES) - 1, round_of_events(self->ep, self->file));
	}
	EXPECT_EQ(0, reap(pid));
	rmdir(group);
	EXPECT_EQ((1U << FILES) - 1, round_of_events(self->ep, self->file));
	/* It loses nothing either, as soon as it asks. */
	EXPECT_EQ(0, ep_items(self->ring.ep));
	for (int i = 0; i < FILES; i++)
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ring.ep, self->file[i].rd, EPOLLIN | EPOLLET));
	for (int i = 0; i < FILES; i++)
		ASSERT_EQ(0, make_readable(&self->file[i]));
	for (n = 0; n < FILES; ) {
		int got = ep_wait(BY_WAIT, self->ring.ep, ev, 2 * FILES, SOON);

		ASSERT_LT(0, got);
		n += got;
	}
	EXPECT_EQ(FILES, n);
}

TEST_HARNESS_MAIN
