// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile topologies: wakeup paths without number, cycles built from two sides at once, wake
 * storms, and all of it while instances and files are closed. fs/eventpoll.c bounds what one
 * event may wake (reverse_path_check); the same steps must be refused at the same place.
 */
#include "evpoll_fault.h"
#include "evpoll_threads.h"
#include "evpoll_uring.h"

#define STORM_MS 1500

FIXTURE(storm) {
	int e;	/* an eventfd, the file at the bottom */
};

FIXTURE_VARIANT(storm) {
	enum mechanism by;
};

/* read() brings nothing new here, and has no timeout on an instance just put in place */
FIXTURE_VARIANT_ADD(storm, epoll) { .by = BY_EPOLL };
FIXTURE_VARIANT_ADD(storm, wait) { .by = BY_WAIT };

FIXTURE_SETUP(storm)
{
	allow_files(8192);
	self->e = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, self->e);
}

FIXTURE_TEARDOWN(storm)
{
}

/* A chain of @links instances above @ep; returns the outermost, -1 on error. */
static int chain(enum mechanism by, int ep, int links)
{
	for (int outer; links > 0; links--, ep = outer) {
		outer = ep_create(by, O_CLOEXEC);
		if (outer < 0 || ep_add(by, outer, ep, EPOLLIN))
			return -1;
	}
	return ep;
}

/*
 * path_limits[] of fs/eventpoll.c: a file may have 500 wakeup paths of two instances, 100 of
 * three, 50 of four, 10 of five. One more watcher at the outer end is EINVAL.
 */
TEST_F(storm, path_limits)
{
	static const int limit[] = { 500, 100, 50, 10 };

	for (int links = 1; links <= 4; links++) {
		int inner = ep_create(variant->by, O_CLOEXEC), top, n;

		ASSERT_EQ(0, ep_add(variant->by, inner, self->e, EPOLLIN));
		top = chain(variant->by, inner, links - 1);
		ASSERT_LE(0, top);
		for (n = 0; n <= limit[links - 1]; n++) {
			int outer = ep_create(variant->by, O_CLOEXEC);

			errno = 0;
			if (ep_add(variant->by, outer, top, EPOLLIN))
				break;
		}
		EXPECT_EQ(limit[links - 1], n) TH_LOG("%d links", links);
		EXPECT_EQ(EINVAL, errno);
		/* the file has no other watcher for the next round */
		ASSERT_EQ(0, ep_del(variant->by, inner, self->e));
	}
}

/* The same bound met at the inner end, by the file: EINVAL, and it is not added */
TEST_F(storm, path_limit_met_by_the_file)
{
	int inner = ep_create(variant->by, O_CLOEXEC);
	int outer[501];

	/* without a file at the bottom there is no path to count */
	for (int i = 0; i < 501; i++) {
		outer[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(variant->by, outer[i], inner, EPOLLIN));
	}
	EXPECT_ERRNO(EINVAL, ep_add(variant->by, inner, self->e, EPOLLIN));
	EXPECT_EQ(0, ep_items(inner));
	/* 500 are allowed */
	ASSERT_EQ(0, ep_del(variant->by, outer[500], inner));
	EXPECT_EQ(0, ep_add(variant->by, inner, self->e, EPOLLIN));
	ASSERT_EQ(0, eventfd_write(self->e, 1));
	for (int i = 0; i < 500; i++) {
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, outer[i], inner, SOON));
	}
}

/* path_limits[]: paths of one instance have no limit (R24) */
TEST_F(storm, flat_watchers_are_free)
{
	int ep[1200];

	for (int i = 0; i < 1200; i++) {
		ep[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(variant->by, ep[i], self->e, EPOLLIN));
	}
	ASSERT_EQ(0, eventfd_write(self->e, 1));
	for (int i = 0; i < 1200; i++) {
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, ep[i], self->e, SOON));
	}
	close(self->e);
	for (int i = 0; i < 1200; i++) {
		EXPECT_EQ(0, ep_items(ep[i]));
	}
}

/* R24, R26: one file in 400 instances, all of them in one: an event makes all ready */
TEST_F(storm, fan_out_and_in)
{
	int outer = ep_create(variant->by, O_CLOEXEC), n = 0, got;
	struct epoll_event ev[64];
	int ep[400];

	for (int i = 0; i < 400; i++) {
		ep[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(variant->by, ep[i], self->e, EPOLLIN));
		ASSERT_EQ(0, ep_add(variant->by, outer, ep[i], EPOLLIN | EPOLLONESHOT));
	}
	EXPECT_EQ(0, ep_wait(variant->by, outer, ev, 64, 0));
	ASSERT_EQ(0, eventfd_write(self->e, 1));
	while ((got = ep_wait(variant->by, outer, ev, 64, 0)) > 0) {
		n += got;
	}
	EXPECT_EQ(0, got);
	EXPECT_EQ(400, n);
	close(self->e);
	EXPECT_EQ(400, ep_items(outer));
	EXPECT_EQ(0, ep_items(ep[399]));
}

/* Two threads, one instance each, that add the other's at the same time. */
struct rivals {
	enum mechanism by;
	int ep[2];
	_Atomic int round;
	_Atomic int done;
	int ret;
	int err;
};

static void *rival_main(void *arg)
{
	struct rivals *r = arg;
	int round;

	for (int seen = 0; ; seen = round) {
		while ((round = r->round) == seen)
			;
		if (round < 0)
			return NULL;
		r->ret = ep_add(r->by, r->ep[1], r->ep[0], EPOLLIN);
		r->err = errno;
		r->done = round;
	}
}

/* R26, epnested_mutex: A in B and B in A at once: one of them gets ELOOP, always */
TEST_F(storm, cycle_from_both_sides)
{
	struct rivals r = { .by = variant->by };
	long long end = now_ms() + STORM_MS;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, rival_main, &r));
	for (int round = 1; now_ms() < end; round++) {
		int ret, err, spin = rand() % 1000;

		r.ep[0] = ep_create(variant->by, O_CLOEXEC);
		r.ep[1] = ep_create(variant->by, O_CLOEXEC);
		r.round = round;
		while (spin--)
			__asm__ volatile("" ::: "memory");
		ret = ep_add(variant->by, r.ep[0], r.ep[1], EPOLLIN);
		err = errno;
		while (r.done != round)
			sched_yield();
		ASSERT_EQ(-1, ret + r.ret) TH_LOG("round %d: %d and %d", round, ret, r.ret);
		ASSERT_EQ(ELOOP, ret ? err : r.err);
		close(r.ep[0]);
		close(r.ep[1]);
	}
	r.round = -1;
	pthread_join(thread, NULL);
}

/*
 * ep_loop_check(): an instance whose last reference is gone is a link until it is off the wait
 * queues. A ring has that reference: its exit work drops it, and a worker closes the file a
 * tick later, so that there is time to close a cycle through it.
 */
TEST_F(storm, cycle_through_a_closing_instance)
{
	for (int round = 0; round < 20; round++) {
		long long end = now_ms() + SOON;
		int ep[3], ret;
		struct uring u;

		if (uring_open(&u))
			SKIP(return, "io_uring_setup: %s", strerror(errno));
		for (int i = 0; i < 3; i++)
			ep[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(variant->by, ep[0], ep[1], EPOLLIN));
		ASSERT_EQ(0, ep_add(variant->by, ep[1], ep[2], EPOLLIN));
		ASSERT_EQ(0, ep_add(variant->by, ep[2], self->e, EPOLLIN));
		ASSERT_EQ(0, syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_FILES, &ep[1],
				     1));
		close(ep[1]);
		uring_close(&u);
		do {
			ret = ep_add(variant->by, ep[2], ep[0], EPOLLIN);
		} while (ret && errno == ELOOP && now_ms() < end);
		/* the old link must be gone now, or the event would circulate without end */
		ASSERT_EQ(0, ret) TH_LOG("round %d: %s", round, strerror(errno));
		ASSERT_EQ(0, ep_items(ep[0])) TH_LOG("round %d", round);
		ASSERT_EQ(0, eventfd_write(self->e, 1));
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, ep[2], self->e, SOON));
		close(ep[0]);
		close(ep[2]);
	}
}

/* Six instances and three files, which the threads link, unlink, fire, close at random. */
#define NODES 6

struct web {
	enum mechanism by;
	int ep[NODES];
	int e[3];
	_Atomic bool stop;
	_Atomic int faults;
};

static void *linking(void *arg)
{
	unsigned int seed = (uintptr_t)&seed >> 8;
	struct web *w = arg;

	while (!w->stop) {
		int from = w->ep[rand_r(&seed) % NODES];
		int to = rand_r(&seed) % 2 ? w->ep[rand_r(&seed) % NODES]
					   : w->e[rand_r(&seed) % 3];
		int ret = rand_r(&seed) % 3 ? ep_add(w->by, from, to, EPOLLIN)
					    : ep_del(w->by, from, to);

		if (ret && errno != EEXIST && errno != ENOENT && errno != ELOOP &&
		    errno != EINVAL)
			w->faults++;
	}
	return NULL;
}

static void *looking(void *arg)
{
	struct web *w = arg;
	struct epoll_event ev[4];
	struct pollfd pfd;
	uint64_t one = 1;

	for (unsigned int i = 0; !w->stop; i++) {
		pfd.fd = w->ep[i % NODES];
		pfd.events = POLLIN;
		if (poll(&pfd, 1, 0) < 0 || ep_wait(w->by, w->ep[i % NODES], ev, 4, i % 3) < 0)
			w->faults++;
		if (write(w->e[i % 3], &one, sizeof(one)) < 0 && errno != EAGAIN)
			w->faults++;
		if (i % 2 && read(w->e[i % 3], &one, sizeof(one)) < 0 && errno != EAGAIN)
			w->faults++;
		one = 1;
	}
	return NULL;
}

/* Put a new instance or a new file in the place of an old one, which that closes. */
static void *closing(void *arg)
{
	struct web *w = arg;

	for (unsigned int i = 0; !w->stop; i++) {
		bool file = i % 4 == 0;
		int fd = file ? eventfd(0, EFD_NONBLOCK) : ep_create(w->by, O_CLOEXEC);

		if (fd < 0 || dup2(fd, file ? w->e[i / 4 % 3] : w->ep[i % NODES]) < 0)
			w->faults++;
		close(fd);
	}
	return NULL;
}

static int web_open(struct web *w, enum mechanism by)
{
	w->by = by;
	for (int i = 0; i < NODES; i++) {
		w->ep[i] = ep_create(by, O_CLOEXEC);
		if (w->ep[i] < 0)
			return -1;
	}
	for (int i = 0; i < 3; i++) {
		w->e[i] = eventfd(0, EFD_NONBLOCK);
		if (w->e[i] < 0)
			return -1;
	}
	return 0;
}

/* A link as soon as what was closed is gone: until then it may close a cycle. */
static int add_soon(struct web *w, int from, int to)
{
	long long end = now_ms() + SOON;
	int ret;

	do {
		ret = ep_add(w->by, from, to, EPOLLIN);
	} while (ret && errno == ELOOP && now_ms() < end);
	return ret;
}

/*
 * After the storm: a chain of the same instances works. A wait that had a file when it was closed
 * leaves the end of it to a worker (see evpoll_fput()), so there may be more to come.
 */
static bool web_in_order(struct web *w)
{
	for (int i = 0; i < NODES; i++) {
		for (int j = 0; j < NODES; j++)
			ep_del(w->by, w->ep[i], w->ep[j]);
		for (int j = 0; j < 3; j++)
			ep_del(w->by, w->ep[i], w->e[j]);
		if (!ep_items_become(w->ep[i], 0))
			return false;
	}
	for (int i = 0; i < 4; i++)
		if (add_soon(w, w->ep[i], w->ep[i + 1]))
			return false;
	if (ep_add(w->by, w->ep[4], w->e[0], EPOLLIN) || eventfd_write(w->e[0], 1))
		return false;
	return ep_mask(w->by, w->ep[0], w->ep[1], SOON) == EPOLLIN;
}

/* R26: links made and removed at random by two threads, while others wait and fire */
TEST_F(storm, links_at_random)
{
	void *(*job[])(void *) = { linking, linking, looking };
	struct web w = { 0 };

	ASSERT_EQ(0, web_open(&w, variant->by));
	EXPECT_EQ(0, run_threads(3, job, &w, &w.stop, STORM_MS));
	EXPECT_EQ(0, w.faults);
	EXPECT_TRUE(web_in_order(&w));
}

/* R26, R28: the same while instances and files close at any moment */
TEST_F(storm, links_and_closes_at_random)
{
	void *(*job[])(void *) = { linking, linking, looking, closing };
	struct web w = { 0 };

	ASSERT_EQ(0, web_open(&w, variant->by));
	EXPECT_EQ(0, run_threads(4, job, &w, &w.stop, STORM_MS));
	EXPECT_EQ(0, w.faults);
	EXPECT_TRUE(web_in_order(&w));
}

struct waves {
	enum mechanism by;
	int top[64];
	int e;
	_Atomic bool stop;
	_Atomic int seen;
};

static void *wave_reader(void *arg)
{
	struct waves *w = arg;
	struct epoll_event ev[4];

	while (!w->stop)
		for (int i = 0; i < 64 && !w->stop; i++)
			w->seen += ep_wait(w->by, w->top[i], ev, 4, 0) > 0;
	return NULL;
}

static void *wave_writer(void *arg)
{
	struct waves *w = arg;
	uint64_t n = 1;

	while (!w->stop) {
		if (write(w->e, &n, sizeof(n)) < 0)
			return NULL;
		if (read(w->e, &n, sizeof(n)) < 0 && errno != EAGAIN)
			return NULL;
		n = 1;
	}
	return NULL;
}

/* Wake storm: each write wakes 64 paths of three instances, edge-triggered, from two threads */
TEST_F(storm, waves_through_many_paths)
{
	int mid = ep_create(variant->by, O_CLOEXEC), inner = ep_create(variant->by, O_CLOEXEC);
	struct waves w = { .by = variant->by, .e = self->e };
	pthread_t thread[3];

	ASSERT_EQ(0, ep_add(variant->by, inner, self->e, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(variant->by, mid, inner, EPOLLIN | EPOLLET));
	for (int i = 0; i < 64; i++) {
		w.top[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_add(variant->by, w.top[i], mid, EPOLLIN | EPOLLET));
	}
	ASSERT_EQ(0, pthread_create(&thread[0], NULL, wave_writer, &w));
	ASSERT_EQ(0, pthread_create(&thread[1], NULL, wave_writer, &w));
	ASSERT_EQ(0, pthread_create(&thread[2], NULL, wave_reader, &w));
	usleep(STORM_MS * 1000);	/* the length of the stress: nothing to wait for */
	w.stop = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
	}
	EXPECT_LT(0, w.seen);
	for (int i = 0; i < 64; i++)
		ep_mask(variant->by, w.top[i], mid, 0);
	/* a last event reaches each top */
	ASSERT_EQ(0, eventfd_write(self->e, 1));
	for (int i = 0; i < 64; i++) {
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, w.top[i], mid, SOON));
	}
}

struct stuck {
	int inner;
	int outer;
	void *page;
	_Atomic pid_t tid;
	_Atomic int failed;
};

/* Holds the mutex of the inner instance, until the page is there that its event goes to. */
static void *stuck_reader(void *arg)
{
	struct stuck *stuck = arg;

	if (ep_wait(BY_WAIT, stuck->inner, stuck->page, 1, SOON) != 1)
		stuck->failed++;
	return NULL;
}

/* Polls the inner instance, and so waits for its mutex. */
static void *stuck_adder(void *arg)
{
	struct stuck *stuck = arg;

	stuck->tid = syscall(SYS_gettid);
	if (ep_add(BY_WAIT, stuck->outer, stuck->inner, EPOLLIN))
		stuck->failed++;
	return NULL;
}

/*
 * All users share the lock of an ADD that nests. The ADD of one must not keep it while his file
 * does not answer. epoll does that, so the test is for evpoll alone.
 */
TEST(nest_beside_a_file_that_does_not_answer)
{
	int inner, outer, e = eventfd(1, 0);
	struct stuck stuck = {};
	pthread_t reader, adder;
	int uffd;

	uffd = waiting_page(&stuck.page);
	if (uffd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	stuck.inner = ep_create(BY_WAIT, O_CLOEXEC);
	stuck.outer = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, ep_add(BY_WAIT, stuck.inner, e, EPOLLIN));
	ASSERT_EQ(0, pthread_create(&reader, NULL, stuck_reader, &stuck));
	ASSERT_EQ(0, page_is_wanted(uffd));
	ASSERT_EQ(0, pthread_create(&adder, NULL, stuck_adder, &stuck));
	while (!stuck.tid)
		sched_yield();
	/* in mutex_lock() */
	ASSERT_TRUE(is_in(stuck.tid, 'D'));

	inner = ep_create(BY_WAIT, O_CLOEXEC);
	outer = ep_create(BY_WAIT, O_CLOEXEC);
	EXPECT_EQ(0, ep_add(BY_WAIT, outer, inner, EPOLLIN));
	EXPECT_EQ(0, ep_add(BY_WAIT, inner, e, EPOLLIN));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, outer, inner, SOON));

	ASSERT_EQ(0, fill_page(uffd, stuck.page));
	pthread_join(reader, NULL);
	pthread_join(adder, NULL);
	EXPECT_EQ(0, stuck.failed);
	/* the graph has what was added without the lock held to the end */
	EXPECT_ERRNO(ELOOP, ep_add(BY_WAIT, stuck.inner, stuck.outer, EPOLLIN));
	close(uffd);
}

TEST_HARNESS_MAIN
