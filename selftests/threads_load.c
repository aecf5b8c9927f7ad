// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that produce, consume, come, go and change the set, all at once: every event
 * is counted, so one that is lost or delivered twice shows.
 */
#include "evpoll_threads.h"

#define SOURCES 8
#define CONSUMERS 4
#define STOP UINT64_MAX		/* data of the item that tells consumers to end */

struct load {
	enum mechanism by;
	int ep;
	int stop;		/* an eventfd, level-triggered: all see it */
	int timeout_ms;		/* of each wait */
	int rd[SOURCES], wr[SOURCES];
	void (*consume)(struct load *load, int source);
	pthread_t consumer[CONSUMERS];
	atomic_int ending;
	atomic_int delivered;	/* events */
	atomic_int consumed;	/* what consume() took out of the files */
	atomic_int errors;
	atomic_int inside[SOURCES];
};

static void *consumer_main(void *arg)
{
	struct load *load = arg;
	struct epoll_event ev[2];
	int n;

	for (;;) {
		n = ep_wait(load->by, load->ep, ev, 2, load->timeout_ms);
		if (n < 0 && errno != EINTR)
			load->errors++;
		for (int i = 0; i < n; i++) {
			if (ev[i].data.u64 == STOP)
				return NULL;
			load->delivered++;
			if (load->consume)
				load->consume(load, ev[i].data.u64);
		}
	}
}

/* All sources of one kind, watched with @events; then the consumers. */
static bool load_start(struct load *load, enum source kind, uint32_t events)
{
	load->delivered = 0;
	load->consumed = 0;
	load->ep = ep_create(load->by, O_CLOEXEC);
	load->stop = eventfd(0, EFD_CLOEXEC);
	if (load->ep < 0 ||
	    ep_ctl(load->by, load->ep, EPOLL_CTL_ADD, load->stop, EPOLLIN, STOP))
		return false;
	for (int i = 0; i < SOURCES; i++)
		if (source_open(kind, &load->rd[i], &load->wr[i]) ||
		    ep_ctl(load->by, load->ep, EPOLL_CTL_ADD, load->rd[i], events, i))
			return false;
	for (int i = 0; i < CONSUMERS; i++)
		if (pthread_create(&load->consumer[i], NULL, consumer_main, load))
			return false;
	return true;
}

static void load_stop(struct load *load)
{
	load->ending = 1;
	eventfd_write(load->stop, 1);
	for (int i = 0; i < CONSUMERS; i++)
		pthread_join(load->consumer[i], NULL);
	for (int i = 0; i < SOURCES; i++) {
		close(load->rd[i]);
		close(load->wr[i]);
	}
	close(load->stop);
	close(load->ep);
	load->ending = 0;
}

FIXTURE(load) {
	struct load load;
};

FIXTURE_VARIANT(load) {
	enum mechanism by;
};

EP_VARIANTS(load);

FIXTURE_SETUP(load)
{
	self->load.by = variant->by;
	self->load.timeout_ms = -1;
}

FIXTURE_TEARDOWN(load)
{
}

/* @events edges of each kind of source, one at a time: each is delivered, and only once. */
static void each_delivered(struct __test_metadata *_metadata, struct load *load, int events)
{
	for (enum source kind = EVENTFD; kind <= UDP; kind++) {
		ASSERT_TRUE(load_start(load, kind, EPOLLIN | EPOLLET));
		for (int i = 0; i < events; i++) {
			ASSERT_EQ(0, poke(load->wr[i % SOURCES]));
			ASSERT_TRUE(becomes(&load->delivered, i + 1));
		}
		load_stop(load);
		EXPECT_EQ(events, load->delivered);
		EXPECT_EQ(0, load->errors);
	}
}

/* R17: with EPOLLET each event goes to one thread, and to no second one */
TEST_F(load, edge_exactly_once)
{
	each_delivered(_metadata, &self->load, 300);
}

/* R14: nothing is lost with waiters whose time ends all the time */
TEST_F(load, edge_with_timeouts)
{
	self->load.timeout_ms = 1;
	each_delivered(_metadata, &self->load, 200);
}

static void handler(int sig)
{
	(void)sig;
}

static void *annoyer_main(void *arg)
{
	struct load *load = arg;

	for (unsigned int i = 0; !load->ending; i++) {
		pthread_kill(load->consumer[i % CONSUMERS], SIGUSR1);
		usleep(200);
	}
	return NULL;
}

/* R15: nothing is lost with waiters that signals interrupt all the time */
TEST_F(load, edge_with_signals)
{
	struct sigaction action = { .sa_handler = handler };
	struct load *load = &self->load;
	pthread_t annoyer;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	for (enum source kind = EVENTFD; kind <= UDP; kind++) {
		ASSERT_TRUE(load_start(load, kind, EPOLLIN | EPOLLET));
		ASSERT_EQ(0, pthread_create(&annoyer, NULL, annoyer_main, load));
		for (int i = 0; i < 200; i++) {
			ASSERT_EQ(0, poke(load->wr[i % SOURCES]));
			ASSERT_TRUE(becomes(&load->delivered, i + 1));
		}
		load->ending = 1;
		pthread_join(annoyer, NULL);
		load_stop(load);
		EXPECT_EQ(200, load->delivered);
		EXPECT_EQ(0, load->errors);
	}
}

/* Take all that is there. */
static void drain(struct load *load, int source)
{
	uint64_t value;

	while (read(load->rd[source], &value, sizeof(value)) == sizeof(value))
		load->consumed += value;
	if (errno != EAGAIN)
		load->errors++;
}

struct producer {
	struct load *load;
	int source;
	int count;
	pthread_t thread;
};

static void *producer_main(void *arg)
{
	struct producer *p = arg;

	for (int i = 0; i < p->count; i++) {
		if (poke(p->load->wr[p->source]))
			p->load->errors++;
		if (i % 16 == 15)
			sched_yield();
	}
	return NULL;
}

/* R18: N producers, N consumers, EPOLLET, read to EAGAIN: all that was written is read */
TEST_F(load, edge_producers_and_consumers)
{
	struct load *load = &self->load;
	struct producer p[SOURCES];

	load->consume = drain;
	ASSERT_TRUE(load_start(load, EVENTFD, EPOLLIN | EPOLLET));
	for (int i = 0; i < SOURCES; i++) {
		p[i] = (struct producer){ .load = load, .source = i, .count = 1000 };
		ASSERT_EQ(0, pthread_create(&p[i].thread, NULL, producer_main, &p[i]));
	}
	for (int i = 0; i < SOURCES; i++)
		pthread_join(p[i].thread, NULL);
	EXPECT_TRUE(becomes(&load->consumed, SOURCES * 1000));
	load_stop(load);
	EXPECT_EQ(0, load->errors);
}

/* One at a time in here, or ONESHOT was not. */
static void alone(struct load *load, int source)
{
	uint64_t value;

	if (load->inside[source]++)
		load->errors++;
	while (read(load->rd[source], &value, sizeof(value)) == sizeof(value))
		load->consumed += value;
	sched_yield();
	load->inside[source]--;
	if (ep_ctl(load->by, load->ep, EPOLL_CTL_MOD, load->rd[source], EPOLLIN | EPOLLONESHOT,
		   source))
		load->errors++;
}

/* R19, R30: with ONESHOT no two threads have the same file, and MOD misses nothing in between */
TEST_F(load, oneshot_is_alone)
{
	struct load *load = &self->load;
	struct producer p[2];

	load->consume = alone;
	ASSERT_TRUE(load_start(load, EVENTFD, EPOLLIN | EPOLLONESHOT));
	for (int i = 0; i < 2; i++) {
		p[i] = (struct producer){ .load = load, .source = i, .count = 2000 };
		ASSERT_EQ(0, pthread_create(&p[i].thread, NULL, producer_main, &p[i]));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(p[i].thread, NULL);
	EXPECT_TRUE(becomes(&load->consumed, 2 * 2000));
	load_stop(load);
	EXPECT_EQ(0, load->errors);
}

/* Take one of what is there. */
static void take_one(struct load *load, int source)
{
	uint64_t value;

	if (recv(load->rd[source], &value, sizeof(value), 0) == sizeof(value))
		load->consumed++;
}

/* R16: with levels and many threads each takes one at a time, and all is taken */
TEST_F(load, level_take_one)
{
	struct load *load = &self->load;

	load->consume = take_one;
	ASSERT_TRUE(load_start(load, UDP, EPOLLIN));
	for (int i = 0; i < 400; i++) {
		ASSERT_EQ(0, poke(load->wr[i % SOURCES]));
		/* bursts of 20, which the sockets hold */
		if (i % 20 == 19)
			ASSERT_TRUE(becomes(&load->consumed, i + 1));
	}
	load_stop(load);
	EXPECT_EQ(400, load->consumed);
	EXPECT_EQ(0, load->errors);
}

static void *changer_main(void *arg)
{
	struct load *load = arg;
	unsigned int seed = syscall(SYS_gettid);

	while (!load->ending) {
		int source = rand_r(&seed) % SOURCES, op = 1 + rand_r(&seed) % 3;
		uint32_t events = rand_r(&seed) % 2 ? EPOLLIN : EPOLLIN | EPOLLET;

		if (ep_ctl(load->by, load->ep, op, load->rd[source], events, source) &&
		    errno != EEXIST && errno != ENOENT)
			load->errors++;
	}
	return NULL;
}

static void *stirrer_main(void *arg)
{
	struct load *load = arg;

	for (unsigned int i = 0; !load->ending; i++) {
		poke(load->wr[i % SOURCES]);
		if (i % 64 == 63)
			sched_yield();
	}
	return NULL;
}

/* R10, R31: ADD, MOD and DEL from several threads against events and waits */
TEST_F(load, changes_against_waits)
{
	struct load *load = &self->load;
	pthread_t changer[2], stirrer;
	struct epoll_event ev;

	load->consume = drain;
	ASSERT_TRUE(load_start(load, EVENTFD, EPOLLIN));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&changer[i], NULL, changer_main, load));
	ASSERT_EQ(0, pthread_create(&stirrer, NULL, stirrer_main, load));
	usleep(1500000);
	load->ending = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(changer[i], NULL);
	pthread_join(stirrer, NULL);
	eventfd_write(load->stop, 1);
	for (int i = 0; i < CONSUMERS; i++)
		pthread_join(load->consumer[i], NULL);
	EXPECT_EQ(0, load->errors);

	/* the instance is whole: all out, nothing ready, and it works */
	ASSERT_EQ(0, ep_del(load->by, load->ep, load->stop));
	for (int i = 0; i < SOURCES; i++)
		ep_del(load->by, load->ep, load->rd[i]);
	EXPECT_EQ(0, ep_items(load->ep));
	EXPECT_EQ(0, ep_wait(load->by, load->ep, &ev, 1, 0));
	ASSERT_EQ(0, ep_add(load->by, load->ep, load->rd[0], EPOLLIN));
	ASSERT_EQ(0, poke(load->wr[0]));
	EXPECT_EQ(1, ep_wait(load->by, load->ep, &ev, 1, SOON));
	EXPECT_EVENT(EPOLLIN, load->rd[0], ev);
}

/* Join a worker whose wait has ended, and free its place. */
static struct worker *worker_over(struct worker *w, int n)
{
	for (;;) {
		for (int i = 0; i < n; i++)
			if (!pthread_tryjoin_np(w[i].thread, NULL))
				return &w[i];
		sched_yield();
	}
}

/* Threads that come, wait once and go; each gets one of the events */
TEST_F(load, threads_come_and_go)
{
	int ep = ep_create(variant->by, O_CLOEXEC), rd, wr;
	struct worker w[CONSUMERS], *over;
	atomic_int returned = 0;

	ASSERT_LE(0, ep);
	ASSERT_EQ(0, source_open(EVENTFD, &rd, &wr));
	ASSERT_EQ(0, ep_ctl(variant->by, ep, EPOLL_CTL_ADD, rd, EPOLLIN | EPOLLET, 1));
	for (int i = 0; i < CONSUMERS; i++)
		ASSERT_TRUE(worker_start(&w[i], variant->by, ep, 1, SOON, &returned));
	for (int i = 1; i <= 60; i++) {
		ASSERT_EQ(0, poke(wr));
		ASSERT_TRUE(becomes(&returned, i));
		over = worker_over(w, CONSUMERS);
		EXPECT_EQ(1, over->n);
		EXPECT_EVENT(EPOLLIN, 1, over->ev[0]);
		ASSERT_TRUE(worker_start(over, variant->by, ep, 1, SOON, &returned));
	}
	for (int i = 1; i <= CONSUMERS; i++) {
		ASSERT_EQ(0, poke(wr));
		ASSERT_TRUE(becomes(&returned, 60 + i));
	}
	for (int i = 0; i < CONSUMERS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(1, w[i].n);
	}
}

TEST_HARNESS_MAIN
