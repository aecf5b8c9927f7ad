// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several threads or processes that wait in one instance: an event wakes one, and none
 * is lost with a waiter that is killed, signalled or late. Sequences that can be forced; under load
 * in threads_load.c.
 */
#include "evpoll_threads.h"

#include <sys/timerfd.h>

#define THREADS 4

FIXTURE(threads) {
	int ep;
	int rd, wr;	/* a source, watched for EPOLLIN | EPOLLET with data 1 */
};

FIXTURE_VARIANT(threads) {
	enum mechanism by;
	enum source source;
};

FIXTURE_VARIANT_ADD(threads, epoll) { .by = BY_EPOLL, .source = EVENTFD };
FIXTURE_VARIANT_ADD(threads, wait) { .by = BY_WAIT, .source = EVENTFD };
FIXTURE_VARIANT_ADD(threads, read) { .by = BY_READ, .source = EVENTFD };
FIXTURE_VARIANT_ADD(threads, epoll_softirq) { .by = BY_EPOLL, .source = UDP };
FIXTURE_VARIANT_ADD(threads, wait_softirq) { .by = BY_WAIT, .source = UDP };
FIXTURE_VARIANT_ADD(threads, read_softirq) { .by = BY_READ, .source = UDP };

FIXTURE_SETUP(threads)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	ASSERT_EQ(0, source_open(variant->source, &self->rd, &self->wr));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->rd, EPOLLIN | EPOLLET, 1));
}

FIXTURE_TEARDOWN(threads)
{
	close(self->ep);
	close(self->rd);
	close(self->wr);
}

/* True when nothing is ready; does not touch the read timeout that other threads use. */
static bool nothing_ready(int ep)
{
	return poll(&(struct pollfd){ .fd = ep, .events = POLLIN }, 1, 0) == 0;
}

/* epoll(7), ep_poll(): of several waiters an edge wakes one, the others do not even stir */
TEST_F(threads, event_wakes_one)
{
	struct worker w[THREADS];
	long before[THREADS];
	atomic_int returned = 0;

	for (int i = 0; i < THREADS; i++) {
		ASSERT_TRUE(worker_start(&w[i], variant->by, self->ep, 4, SOON, &returned));
		before[i] = switches(w[i].tid);
	}
	for (int done = 1; done <= THREADS; done++) {
		int asleep_still = 0;

		ASSERT_EQ(0, poke(self->wr));
		ASSERT_TRUE(becomes(&returned, done));
		/* time for a second thread to return, if it was woken too */
		usleep(20000);
		EXPECT_EQ(done, returned);
		for (int i = 0; i < THREADS; i++)
			asleep_still += switches(w[i].tid) == before[i];
		EXPECT_EQ(THREADS - done, asleep_still);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(1, w[i].n);
		EXPECT_EVENT(EPOLLIN, 1, w[i].ev[0]);
	}
	EXPECT_TRUE(nothing_ready(self->ep));
}

/* ep_done_scan(): what is left after one waiter's small buffer wakes the next */
TEST_F(threads, small_buffers_share_a_batch)
{
	int timer[THREADS], seen = 0;
	struct worker w[THREADS];
	struct itimerspec at = {};
	atomic_int returned = 0;

	for (int i = 0; i < THREADS; i++) {
		timer[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, timer[i],
				    EPOLLIN | EPOLLET, i));
		ASSERT_TRUE(worker_start(&w[i], variant->by, self->ep, 1, SOON, &returned));
	}
	/* all at one time, and so in one batch */
	clock_gettime(CLOCK_MONOTONIC, &at.it_value);
	at.it_value.tv_sec++;
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(0, timerfd_settime(timer[i], TFD_TIMER_ABSTIME, &at, NULL));
	EXPECT_TRUE(becomes(&returned, THREADS));
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(1, w[i].n);
		seen |= 1 << w[i].ev[0].data.u64;
	}
	EXPECT_EQ((1 << THREADS) - 1, seen);
	for (int i = 0; i < THREADS; i++)
		close(timer[i]);
}

/* R16: a level that holds wakes one after the other, until all have seen it */
TEST_F(threads, level_wakes_all_in_turn)
{
	struct worker w[THREADS];
	atomic_int returned = 0;

	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->rd, EPOLLIN, 1));
	for (int i = 0; i < THREADS; i++)
		ASSERT_TRUE(worker_start(&w[i], variant->by, self->ep, 4, SOON, &returned));
	ASSERT_EQ(0, poke(self->wr));
	EXPECT_TRUE(becomes(&returned, THREADS));
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(1, w[i].n);
		EXPECT_EVENT(EPOLLIN, 1, w[i].ev[0]);
	}
}

/* R19: ONESHOT comes to one of several, however long it holds and however often it happens */
TEST_F(threads, oneshot_to_one)
{
	struct worker w[THREADS];
	atomic_int returned = 0;

	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->rd,
			    EPOLLIN | EPOLLONESHOT, 1));
	for (int i = 0; i < THREADS; i++)
		ASSERT_TRUE(worker_start(&w[i], variant->by, self->ep, 4, SOON, &returned));
	for (int done = 1; done <= THREADS; done++) {
		ASSERT_EQ(0, poke(self->wr));
		ASSERT_TRUE(becomes(&returned, done));
		ASSERT_EQ(0, poke(self->wr));
		usleep(20000);
		EXPECT_EQ(done, returned);
		if (done++ == THREADS)
			break;
		/* MOD finds it readable (R30) */
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->rd,
				    EPOLLIN | EPOLLONESHOT, 1));
		ASSERT_TRUE(becomes(&returned, done));
		while (read(self->rd, &(uint64_t){0}, sizeof(uint64_t)) > 0)
			;
		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_MOD, self->rd,
				    EPOLLIN | EPOLLONESHOT, 1));
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(1, w[i].n);
		EXPECT_EVENT(EPOLLIN, 1, w[i].ev[0]);
	}
}

/* A child that waits like a worker; its exit code is the events, or 100 + errno. */
static pid_t child_start(enum mechanism by, int ep)
{
	pid_t pid = fork();

	if (!pid) {
		struct epoll_event ev;
		int n = ep_wait(by, ep, &ev, 1, SOON);

		_exit(n < 0 ? 100 + errno : n);
	}
	return pid > 0 && asleep(pid) && switches(pid) >= 0 ? pid : -1;
}

/* A child and a worker that wait for one event, in that order if @child_first; -1 on error. */
static pid_t child_and_worker(enum mechanism by, int ep, bool child_first, struct worker *w,
			      atomic_int *returned)
{
	pid_t pid = child_first ? child_start(by, ep) : 0;

	if (!worker_start(w, by, ep, 1, SOON, returned))
		return -1;
	return child_first ? pid : child_start(by, ep);
}

/* A waiter that was killed takes no event, whether it came before the other or after */
TEST_F(threads, killed_before_the_event)
{
	for (int child_first = 0; child_first <= 1; child_first++) {
		atomic_int returned = 0;
		struct worker w;
		pid_t pid;

		pid = child_and_worker(variant->by, self->ep, child_first, &w, &returned);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(-1, reap(pid));
		ASSERT_EQ(0, poke(self->wr));
		EXPECT_TRUE(becomes(&returned, 1));
		pthread_join(w.thread, NULL);
		EXPECT_EQ(1, w.n);
	}
}

/* SCHED_FIFO keeps other tasks from this CPU, so a task that is woken does not run yet. */
static int freeze_cpu(void)
{
	return sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });
}

static int thaw_cpu(void)
{
	return sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){});
}

/*
 * A waiter that the event woke and a SIGKILL hit before it ran hands the event on.
 * epoll does not: ep_send_events() returns for the fatal signal and wakes no one else, the event
 * is there for the next wait.
 */
TEST_F(threads, killed_with_the_event)
{
	for (int child_first = 0; child_first <= 1; child_first++) {
		atomic_int returned = 0;
		struct worker w;
		pid_t pid;

		ASSERT_EQ(0, on_cpu(0));
		pid = child_and_worker(variant->by, self->ep, child_first, &w, &returned);
		ASSERT_LT(0, pid);

		ASSERT_EQ(0, freeze_cpu());
		ASSERT_EQ(0, poke(self->wr));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(0, thaw_cpu());

		EXPECT_EQ(-1, reap(pid));
		if (variant->by == BY_EPOLL) {
			usleep(50000);
			EXPECT_TRUE(returned || !nothing_ready(self->ep));
			ASSERT_EQ(0, poke(self->wr));
		}
		EXPECT_TRUE(becomes(&returned, 1));
		pthread_join(w.thread, NULL);
		EXPECT_EQ(1, w.n);
		if (variant->by == BY_EPOLL)
			ep_wait(variant->by, self->ep, w.ev, 1, 0);
		EXPECT_TRUE(nothing_ready(self->ep));
	}
}

static void handler(int sig)
{
	(void)sig;
}

/* With a signal that has a handler, one of the two has the event, and only one */
TEST_F(threads, signalled_with_the_event)
{
	struct sigaction action = { .sa_handler = handler };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, on_cpu(0));
	for (int target = 0; target <= 1; target++) {
		atomic_int returned = 0;
		struct worker w[2];
		int events = 0;

		for (int i = 0; i < 2; i++)
			ASSERT_TRUE(worker_start(&w[i], variant->by, self->ep, 1, SOON, &returned));
		ASSERT_EQ(0, freeze_cpu());
		ASSERT_EQ(0, poke(self->wr));
		ASSERT_EQ(0, pthread_kill(w[target].thread, SIGUSR1));
		ASSERT_EQ(0, thaw_cpu());
		pthread_join(w[target].thread, NULL);
		if (w[target].n < 0) {
			EXPECT_EQ(EINTR, w[target].err);
			EXPECT_TRUE(becomes(&returned, 2));
		} else {
			/* the other sleeps on */
			EXPECT_EQ(1, returned);
			ASSERT_EQ(0, pthread_kill(w[!target].thread, SIGUSR1));
		}
		pthread_join(w[!target].thread, NULL);
		for (int i = 0; i < 2; i++)
			events += w[i].n > 0;
		EXPECT_EQ(1, events);
		EXPECT_TRUE(nothing_ready(self->ep));
	}
}

/*
 * ep_poll(): an event as a waiter's time ends goes to it or to the other. A round in which a slow
 * machine needs this time to start the waiters is done again, with more time
 */
TEST_F(threads, late_with_the_event)
{
	int timeout = 300;

	for (int round = 0; round < 4; round++) {
		bool event_first = round & 1, in_time = true;
		int late = round >> 1, pokes = 1;
		long long end = now_ms() + timeout + 50;
		atomic_int returned = 0;
		struct worker w[2];

		ASSERT_EQ(0, on_cpu(0));
		for (int i = 0; i < 2; i++)
			in_time &= worker_start(&w[i], variant->by, self->ep, 1,
						i == late ? timeout : SOON, &returned);
		ASSERT_EQ(0, freeze_cpu());
		if (event_first)
			ASSERT_EQ(0, poke(self->wr));
		while (now_ms() < end)
			;
		if (!event_first)
			ASSERT_EQ(0, poke(self->wr));
		ASSERT_EQ(0, thaw_cpu());
		if (!in_time) {
			round--;
			timeout *= 2;
			ASSERT_GT(SOON, timeout);
		}
		pthread_join(w[late].thread, NULL);
		if (w[late].n) {
			pokes++;
			ASSERT_EQ(0, poke(self->wr));
		}
		pthread_join(w[!late].thread, NULL);
		EXPECT_EQ(1, w[!late].n);
		EXPECT_EQ(pokes, w[0].n + w[1].n);
		EXPECT_TRUE(nothing_ready(self->ep));
	}
}

/* R1: a process whose threads wait can end */
TEST_F(threads, exit_while_waiting)
{
	pid_t pid = fork();
	struct epoll_event ev;

	ASSERT_LE(0, pid);
	if (!pid) {
		struct worker w[THREADS];
		atomic_int returned = 0;

		for (int i = 0; i < THREADS; i++)
			if (!worker_start(&w[i], variant->by, self->ep, 1, SOON, &returned))
				_exit(1);
		_exit(returned);
	}
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, poke(self->wr));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, SOON));
	EXPECT_EVENT(EPOLLIN, 1, ev);
}

/* epoll(7): instances that watch one file all report, each to one of its waiters */
TEST_F(threads, every_instance_wakes)
{
	struct worker w[THREADS];
	atomic_int returned = 0;
	int ep[THREADS];

	for (int i = 0; i < THREADS; i++) {
		ep[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(variant->by, ep[i], self->rd, EPOLLIN | EPOLLET));
		ASSERT_TRUE(worker_start(&w[i], variant->by, ep[i], 1, SOON, &returned));
	}
	ASSERT_EQ(0, poke(self->wr));
	EXPECT_TRUE(becomes(&returned, THREADS));
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(1, w[i].n);
		close(ep[i]);
	}
}

/* epoll_ctl(2), EPOLLEXCLUSIVE: one or more, but not all, of the instances wake for an event */
TEST_F(threads, exclusive_wakes_not_all)
{
	struct worker w[2 * THREADS];
	int ep[2 * THREADS];
	atomic_int returned = 0;

	/* without the item of the fixture */
	ASSERT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	for (int i = 0; i < 2 * THREADS; i++) {
		ep[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_ctl(variant->by, ep[i], EPOLL_CTL_ADD, self->rd,
				    EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, i));
		ASSERT_TRUE(worker_start(&w[i], variant->by, ep[i], 1, SOON, &returned));
	}
	/* "one or more" is one where the source wakes one, as these two do */
	for (int done = 1; done <= 2 * THREADS; done++) {
		ASSERT_EQ(0, poke(self->wr));
		ASSERT_TRUE(becomes(&returned, done));
		usleep(20000);
		EXPECT_EQ(done, returned);
	}
	for (int i = 0; i < 2 * THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(1, w[i].n);
		EXPECT_EVENT(EPOLLIN, i, w[i].ev[0]);
		close(ep[i]);
	}
}

/* ep_poll_callback(): an exclusive instance that nobody waits in leaves the event to the others */
TEST_F(threads, exclusive_without_waiter)
{
	ASSERT_EQ(0, ep_del(variant->by, self->ep, self->rd));
	for (int waited_in = 0; waited_in < 3; waited_in++) {
		atomic_int returned = 0;
		struct worker w;
		int ep[3];

		for (int i = 0; i < 3; i++) {
			ep[i] = ep_create(variant->by, O_CLOEXEC);
			ASSERT_EQ(0, ep_ctl(variant->by, ep[i], EPOLL_CTL_ADD, self->rd,
					    EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, i));
		}
		/* what ADD found */
		for (int i = 0; i < 3; i++)
			while (!nothing_ready(ep[i]))
				ep_wait(variant->by, ep[i], w.ev, 1, 0);
		ASSERT_TRUE(worker_start(&w, variant->by, ep[waited_in], 1, SOON, &returned));
		ASSERT_EQ(0, poke(self->wr));
		EXPECT_TRUE(becomes(&returned, 1));
		pthread_join(w.thread, NULL);
		EXPECT_EQ(1, w.n);
		EXPECT_EVENT(EPOLLIN, waited_in, w.ev[0]);
		for (int i = 0; i < 3; i++)
			close(ep[i]);
	}
}

TEST_HARNESS_MAIN
