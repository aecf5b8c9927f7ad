// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many threads use one instance. It is not determined which events each thread gets, but these
 * rules hold:
 *
 *   - no event is lost: after the last write, the threads soon read everything that was written
 *   - a wait that begins after EPOLL_CTL_DEL, EPOLL_CTL_MOD or EVPOLL_CTL_FORGET has returned
 *     reports no event of the registration before it
 *   - an EPOLLONESHOT registration reports once
 *
 * With a ready ring, some of the threads harvest it, and the others make calls on the same
 * instance. A harvest counts as a wait here.
 *
 * Each ADD and each MOD makes a new generation. The data of an event has its generation.
 */
#include "fuzzer.h"

#include <stdatomic.h>
#include <sys/eventfd.h>

#include "../modules/evpoll_source.h"

#define FILES 10
#define BRIEF FILES		/* a further one, which is closed as soon as it is watched */
#define CONSUMERS 3
#define PRODUCERS 2
#define ROUND 16		/* writes, then all is quiet until everything is read */
#define GENERATIONS 4096	/* more than can be under way at a time */
#define STOP UINT64_MAX

/**
 * struct watch - a watched file
 * @kind: kind of the file
 * @rd: descriptor that is watched and read
 * @wr: descriptor whose writes make @rd ready
 * @lock: protects the registration
 * @gen: the generation that is registered; under @lock
 * @events: mask of the registration; under @lock
 * @over: generations up to this one cannot be reported by a wait that begins now
 * @once: by generation: 0, or with EPOLLONESHOT 1 and how often it was reported
 * @written: how much was written
 * @read: how much was read
 */
struct watch {
	enum kind kind;
	int rd, wr;
	pthread_mutex_t lock;
	uint64_t gen;
	uint32_t events;
	atomic_ullong over;
	atomic_uchar once[GENERATIONS];
	atomic_ullong written, read;
};

struct arena {
	enum mechanism by;
	int ep;
	bool ringed;		/* @ep has @ring */
	struct evpoll_ring ring;
	int outer;		/* watches @ep, or -1 */
	int stop;
	pthread_barrier_t round;
	struct watch watch[FILES + 1];
	bool ending;
	atomic_int writing;
	atomic_int consuming;
	atomic_ulong steps;
	atomic_int broken;
	char why[128];
};

static struct arena arena;

static void broken(struct arena *a, const char *what, uint64_t data)
{
	if (!a->broken++)
		snprintf(a->why, sizeof(a->why), "%s: file %u (%s), generation %llu", what,
			 (unsigned int)data & 0xff, kind_ops[a->watch[data & 0xff].kind].name,
			 (unsigned long long)data >> 8);
}

static uint32_t random_mode(enum mechanism by, uint64_t *random)
{
	static const uint32_t modes[] = {
		0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT, EPOLLEXCLUSIVE | EVPOLLROTATE,
		EPOLLEXCLUSIVE | EVPOLLROTATE | EPOLLET,
	};
	uint32_t mode = modes[random_next(random) % 6];

	return EPOLLIN | (by == BY_EPOLL ? mode & ~EVPOLLROTATE : mode);
}

/* A new generation, by ADD or MOD. Caller holds the lock. */
static void arm(struct arena *a, int i, int op, uint32_t events)
{
	struct watch *w = &a->watch[i];
	uint64_t before = w->gen++;

	w->once[w->gen % GENERATIONS] = !!(events & EPOLLONESHOT);
	w->events = events;
	if (ep_ctl(a->by, a->ep, op, w->rd, events, w->gen << 8 | i))
		broken(a, strerror(errno), w->gen << 8 | i);
	w->over = before;
	a->steps++;
}

static void disarm(struct arena *a, int i)
{
	struct watch *w = &a->watch[i];
	bool forget = a->by != BY_EPOLL && w->gen % 2;

	if (ep_ctl(a->by, a->ep, forget ? EVPOLL_CTL_FORGET : EPOLL_CTL_DEL, w->rd, 0, 0))
		broken(a, strerror(errno), w->gen << 8 | i);
	w->over = w->gen;
	a->steps++;
}

/* The writers and the main thread meet here at the beginning and at the end of a round. */
static bool round_begins(struct arena *a)
{
	pthread_barrier_wait(&a->round);
	return !a->ending;
}

static void round_ends(struct arena *a)
{
	pthread_barrier_wait(&a->round);
}

/* The close races with the threads that wait, and with the event that comes just before it. */
static void watch_briefly(struct arena *a, uint64_t *random)
{
	struct watch *w = &a->watch[BRIEF];

	w->rd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	arm(a, BRIEF, EPOLL_CTL_ADD, random_mode(a->by, random));
	eventfd_write(w->rd, 1);
	close(w->rd);
}

static void change_any(struct arena *a, uint64_t *random)
{
	int i = random_next(random) % FILES;
	uint32_t events = random_mode(a->by, random);
	struct watch *w = &a->watch[i];

	pthread_mutex_lock(&w->lock);
	/* MOD refuses EPOLLEXCLUSIVE, before and after. */
	if (random_next(random) % 2 && !((w->events | events) & EPOLLEXCLUSIVE)) {
		arm(a, i, EPOLL_CTL_MOD, events);
	} else {
		disarm(a, i);
		arm(a, i, EPOLL_CTL_ADD, events);
	}
	pthread_mutex_unlock(&w->lock);
}

static void *changer_main(void *arg)
{
	struct arena *a = arg;
	uint64_t random = a->watch[0].gen + 99;

	while (round_begins(a)) {
		for (int n = random_next(&random) % ROUND; n; n--)
			if (random_next(&random) % 8)
				change_any(a, &random);
			else
				watch_briefly(a, &random);
		round_ends(a);
	}
	return NULL;
}

static void take_all(struct watch *w)
{
	uint64_t buf[512];
	ssize_t n;

	for (;;) {
		n = read(w->rd, buf, sizeof(buf));
		if (n <= 0)
			return;
		w->read += w->kind == EVENTFD || w->kind == LINE ? buf[0] : n;
	}
}

static void consume(struct arena *a, uint64_t data)
{
	struct watch *w = &a->watch[data & 0xff];
	uint64_t gen = data >> 8;

	if ((data & 0xff) == BRIEF)
		return;
	take_all(w);
	pthread_mutex_lock(&w->lock);
	if (w->gen == gen && (w->events & EPOLLONESHOT))
		arm(a, data & 0xff, EPOLL_CTL_MOD, w->events);
	pthread_mutex_unlock(&w->lock);
}

static void check(struct arena *a, uint64_t data, const uint64_t *over)
{
	struct watch *w = &a->watch[data & 0xff];
	uint64_t gen = data >> 8;
	atomic_uchar *once = &w->once[gen % GENERATIONS];

	if (gen <= over[data & 0xff])
		broken(a, "an event of a registration that had ended", data);
	if (*once && (*once)++ != 1)
		broken(a, "EPOLLONESHOT twice", data);
}

static int wait_inner(struct arena *a, bool harvest, struct epoll_event *ev, int max)
{
	int timeout = a->outer >= 0 ? 0 : -1;

	if (harvest)
		return evpoll_ring_wait(&a->ring, ev, max, timeout);
	return ep_wait(a->by, a->ep, ev, max, timeout);
}

/* Waits in the outer instance, if there is one, and empties the inner. */
static bool consume_some(struct arena *a, bool harvest, int max)
{
	struct epoll_event ev[8];
	/* 0 for BRIEF: another thread's wait may hold its file for a moment after the close. */
	uint64_t over[FILES + 1] = {};
	bool stop = false;
	int n;

	if (a->outer >= 0 && ep_wait(a->by, a->outer, ev, 1, -1) < 0)
		return true;
	do {
		for (int i = 0; i < FILES; i++)
			over[i] = a->watch[i].over;
		n = wait_inner(a, harvest, ev, max);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.u64 == STOP) {
				stop = true;
				continue;
			}
			check(a, ev[i].data.u64, over);
			consume(a, ev[i].data.u64);
			a->steps++;
		}
	} while (a->outer >= 0 && n > 0 && !stop);
	return !stop;
}

static void *consumer_main(void *arg)
{
	static atomic_uint turn;
	struct arena *a = arg;
	unsigned int n = turn++;

	while (consume_some(a, a->ringed && n % 2, 1 + n % CONSUMERS * 3))
		;
	a->consuming--;
	return NULL;
}

static bool put_news(struct watch *w, uint64_t *random)
{
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)&w->rd, .nr = 1, .repeat = 1,
		.context = random_next(random) % EVPOLL_SOURCE_CONTEXTS, .cpu = -1,
	};

	switch (w->kind) {
	case LINE:
		return !ioctl(w->wr, EVPOLL_SOURCE_IOC_BURST, &b);
	case EVENTFD:
		return !eventfd_write(w->wr, 1);
	default:
		return write(w->wr, "x", 1) == 1;
	}
}

static void write_any(struct arena *a, uint64_t *random)
{
	struct watch *w = &a->watch[random_next(random) % FILES];

	/* Before, as the reader may be faster */
	w->written++;
	if (!put_news(w, random))
		w->written--;
	a->steps++;
}

static void *producer_main(void *arg)
{
	static atomic_uint turn;
	struct arena *a = arg;
	uint64_t random = turn++;

	while (round_begins(a)) {
		while (a->writing-- > 0)
			write_any(a, &random);
		round_ends(a);
	}
	return NULL;
}

/* Pipes, unix and TCP sockets, eventfds and lines */
static bool watch_open(struct world *world, struct watch *w, int i)
{
	static const enum kind kinds[] = { PIPE, UNIX_STREAM, EVENTFD, TCP, LINE };
	struct slot slot[2] = {}, *s[2] = { &slot[0], &slot[1] };

	*w = (struct watch){ .kind = kinds[i % 5], .lock = PTHREAD_MUTEX_INITIALIZER };
	if (w->kind == LINE && access("/dev/evpoll_source", F_OK))
		w->kind = EVENTFD;
	if (!kind_ops[w->kind].open(world, s))
		return false;
	w->rd = slot[0].fd[0];
	w->wr = w->kind == EVENTFD ? w->rd : slot[1].fd[0];
	if (w->kind == LINE)
		w->wr = open("/dev/evpoll_source", O_RDWR | O_CLOEXEC);
	fcntl(w->rd, F_SETFL, O_NONBLOCK);
	return true;
}

/* Whom to wake, and when. read() sets its timeout with other parameters, so this is not for it. */
static bool set_params(int ep, uint64_t *random)
{
	uint64_t n = random_next(random);
	struct evpoll_params params = {
		.flags = n & (EVPOLL_EAGER | EVPOLL_FIFO),
		.coalesce_usecs = n & 1 ? 200 : 0,
	};

	return !ioctl(ep, EVPOLL_IOC_SET_PARAMS, &params);
}

static bool arena_open(struct arena *a, struct world *world, enum mechanism by, bool ring,
		       uint64_t *random)
{
	*a = (struct arena){ .by = by, .outer = -1, .ringed = ring };
	a->ep = ep_create(by, O_CLOEXEC);
	/* Also too small for all items */
	if (ring && evpoll_ring_create(&a->ring, a->ep, 1U << random_next(random) % 7))
		return false;
	a->stop = eventfd(0, EFD_CLOEXEC);
	if (a->ep < 0 || a->stop < 0 ||
	    ep_ctl(by, a->ep, EPOLL_CTL_ADD, a->stop, EPOLLIN, STOP))
		return false;
	if (by == BY_WAIT && !set_params(a->ep, random))
		return false;
	if (random_next(random) % 3 == 0) {
		a->outer = ep_create(by, O_CLOEXEC);
		if (ep_add(by, a->outer, a->ep, EPOLLIN))
			return false;
	}
	a->watch[BRIEF] = (struct watch){ .kind = EVENTFD };
	for (int i = 0; i < FILES; i++) {
		if (!watch_open(world, &a->watch[i], i))
			return false;
		arm(a, i, EPOLL_CTL_ADD, random_mode(by, random));
	}
	return true;
}

/* All that was written is read, soon: nothing else happens that might wake a consumer. */
static bool nothing_is_lost(struct arena *a)
{
	long long end = now_ms() + SOON;

	for (int i = 0; i < FILES; i++) {
		struct watch *w = &a->watch[i];

		while (w->read != w->written) {
			if (now_ms() > end) {
				broken(a, "a lost event", w->gen << 8 | i);
				return false;
			}
			sched_yield();
		}
	}
	return true;
}

/* End all consumers. The event that ends them is level-triggered, so each of them gets it. */
static bool consumers_end(struct arena *a)
{
	long long end = now_ms() + SOON;

	eventfd_write(a->stop, 1);
	while (a->consuming) {
		if (now_ms() > end) {
			a->broken++;
			strcpy(a->why, "a consumer sleeps on an event");
			return false;
		}
		sched_yield();
	}
	return true;
}

static bool rounds(struct arena *a, int writes)
{
	for (; writes > 0; writes -= ROUND) {
		a->writing = ROUND;
		round_begins(a);
		round_ends(a);
		if (!nothing_is_lost(a))
			return false;
	}
	a->ending = true;
	round_begins(a);
	return true;
}

/*
 * Do @writes writes while threads use one instance. w->why says what went wrong. If an event is
 * lost, the threads do not end. @ring: the instance has a ready ring
 */
bool threads_agree(struct world *w, enum mechanism by, bool ring, uint64_t seed, int writes)
{
	pthread_t consumer[CONSUMERS], producer[PRODUCERS], changer;
	struct arena *a = &arena;

	world_clear(w);
	if (!arena_open(a, w, by, ring, &seed)) {
		snprintf(w->why, sizeof(w->why), "cannot open files: %s", strerror(errno));
		return false;
	}
	pthread_barrier_init(&a->round, NULL, PRODUCERS + 2);
	a->consuming = CONSUMERS;
	for (int i = 0; i < CONSUMERS; i++)
		pthread_create(&consumer[i], NULL, consumer_main, a);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_create(&producer[i], NULL, producer_main, a);
	pthread_create(&changer, NULL, changer_main, a);
	if (rounds(a, writes) && consumers_end(a)) {
		for (int i = 0; i < PRODUCERS; i++)
			pthread_join(producer[i], NULL);
		pthread_join(changer, NULL);
		for (int i = 0; i < CONSUMERS; i++)
			pthread_join(consumer[i], NULL);
		if (a->ringed)
			evpoll_ring_close(&a->ring);
	}
	w->steps += a->steps;
	strcpy(w->why, a->why);
	return !a->broken;
}
