// SPDX-License-Identifier: GPL-2.0-only
/*
 * lifetime.c under fire: the last close of watched files (R28) against everything
 * that may happen at the same moment. Each test runs for a time and then checks whether the
 * instance is in order; what it must not do is on the console (KASAN, lockdep, stalls).
 */
#include "evpoll_threads.h"

#define RACE_MS 1000

FIXTURE(race) {
	int ep;
};

FIXTURE_VARIANT(race) {
	enum mechanism by;
};

EP_VARIANTS(race);

FIXTURE_SETUP(race)
{
	allow_files(8192);
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
}

FIXTURE_TEARDOWN(race)
{
}

/* One file in one instance: a thread closes the file, the other does one of these. */
enum rival {
	RIVAL_ADD,
	RIVAL_MOD,
	RIVAL_DEL,
	RIVAL_WAIT,
	RIVAL_FIRE,
	RIVAL_CLOSE_INSTANCE,
};

struct duel {
	enum mechanism by;
	enum rival rival;
	int ep;
	int fd;
	int peer;
	_Atomic int round;	/* raised by the closer, -1 ends */
	_Atomic int done;	/* the round that the rival has finished */
	int ret;
	int err;
};

static void *rival_main(void *arg)
{
	struct duel *d = arg;
	struct epoll_event ev;
	int round;

	for (int seen = 0; ; seen = round) {
		while ((round = d->round) == seen)
			;
		if (round < 0)
			return NULL;
		switch (d->rival) {
		case RIVAL_ADD:
			d->ret = ep_add(d->by, d->ep, d->fd, EPOLLIN);
			break;
		case RIVAL_MOD:
			d->ret = ep_mod(d->by, d->ep, d->fd, EPOLLIN | EPOLLOUT);
			break;
		case RIVAL_DEL:
			d->ret = ep_del(d->by, d->ep, d->fd);
			break;
		case RIVAL_WAIT:
			d->ret = ep_wait(d->by, d->ep, &ev, 1, 0) < 0 ? -1 : 0;
			break;
		case RIVAL_FIRE:
			d->ret = 0;
			put_byte(d->peer);
			break;
		case RIVAL_CLOSE_INSTANCE:
			d->ret = close(d->ep);
			break;
		}
		d->err = errno;
		d->done = round;
	}
}

/* What the last round left that should not be there, or NULL. */
static const char *duel(enum mechanism by, enum rival rival, int ep)
{
	struct duel d = { .by = by, .rival = rival, .ep = ep };
	long long end = now_ms() + RACE_MS;
	const char *fault = NULL;
	pthread_t thread;
	int s[2], spin;
	char c;

	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&thread, NULL, rival_main, &d))
		return "no thread";
	for (int round = 1; !fault && now_ms() < end; round++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s))
			fault = "no sockets";
		if (rival == RIVAL_CLOSE_INSTANCE)
			d.ep = ep_create(by, O_CLOEXEC);
		d.fd = s[0];
		d.peer = s[1];
		if (rival != RIVAL_ADD && ep_add(by, d.ep, s[0], EPOLLIN))
			fault = "ADD failed";
		if (put_byte(s[1]))
			fault = "no byte";
		d.round = round;
		/* a random delay, so that either of them can win */
		for (spin = rand() % 2000; spin; spin--)
			atomic_signal_fence(memory_order_seq_cst);
		close(s[0]);
		while (d.done != round)
			sched_yield();

		/* EBADF: the close came first, and then there is no item to work on */
		if (d.ret && d.err != EBADF)
			fault = "the rival's errno is not EBADF";
		if (rival != RIVAL_CLOSE_INSTANCE && ep_items(d.ep))
			fault = "the item outlived its file";
		/* unread data at close: ECONNRESET first, EOF afterwards */
		if (read(s[1], &c, 1) > 0 || (errno != ECONNRESET && read(s[1], &c, 1)))
			fault = "the peer sees no EOF";
		close(s[1]);
	}
	d.round = -1;
	pthread_join(thread, NULL);
	return fault;
}

#define EXPECT_FAIR(rival) do {							\
	const char *__fault = duel(variant->by, rival, self->ep);		\
	EXPECT_EQ(NULL, __fault) TH_LOG("%s", __fault);				\
} while (0)

/* R28: close against ADD: an added item does not outlive the file */
TEST_F(race, close_and_add)
{
	EXPECT_FAIR(RIVAL_ADD);
}

/* R28: close against MOD */
TEST_F(race, close_and_mod)
{
	EXPECT_FAIR(RIVAL_MOD);
}

/* R28: close against DEL, of which just one removes the item */
TEST_F(race, close_and_del)
{
	EXPECT_FAIR(RIVAL_DEL);
}

/* R28: close against a wait that looks at the ready file */
TEST_F(race, close_and_wait)
{
	EXPECT_FAIR(RIVAL_WAIT);
}

/* R28: close against an event of the file */
TEST_F(race, close_and_event)
{
	EXPECT_FAIR(RIVAL_FIRE);
}

/* fs/eventpoll.c, "Removal paths" B and C: file and instance close at once */
TEST_F(race, close_and_close_of_instance)
{
	EXPECT_FAIR(RIVAL_CLOSE_INSTANCE);
}

/* Many files, kept under their numbers while they are replaced (dup2 closes the old one). */
#define FILES 1500

struct crew {
	enum mechanism by;
	int ep;
	int n;
	int fd[FILES];
	_Atomic bool stop;
	_Atomic int faults;
};

/* Of every context that wakes: eventfd (task), UDP to itself (softirq), timerfd (hardirq). */
static int new_file(int i)
{
	switch (i % 4) {
	case 0:
		return udp_to_itself();
	case 1:
		return timer_every(50000000);
	default:
		return eventfd(0, EFD_NONBLOCK);
	}
}

static int crew_open(struct crew *c, enum mechanism by, int ep, int n)
{
	c->by = by;
	c->ep = ep;
	c->n = n;
	for (int i = 0; i < n; i++) {
		c->fd[i] = new_file(i);
		if (c->fd[i] < 0)
			return -1;
	}
	return 0;
}

static void *firing(void *arg)
{
	struct crew *c = arg;
	unsigned int seed = 1;
	uint64_t one = 1;

	while (!c->stop) {
		int fd = c->fd[rand_r(&seed) % c->n];

		/* a timerfd takes no write, and what is full needs none */
		if (write(fd, &one, sizeof(one)) < 0 && errno == EBADF)
			c->faults++;
		if (rand_r(&seed) % 4 == 0 && read(fd, &one, sizeof(one)) < 0 && errno == EBADF)
			c->faults++;
		one = 1;
	}
	return NULL;
}

static void *replacing(void *arg)
{
	struct crew *c = arg;
	unsigned int seed = 2;

	while (!c->stop) {
		int i = rand_r(&seed) % c->n;
		int fd = new_file(i);

		if (fd < 0 || dup2(fd, c->fd[i]) < 0)
			c->faults++;
		close(fd);
	}
	return NULL;
}

/* Open an instance, watch everything, close it. */
static void *watching(void *arg)
{
	struct crew *c = arg;
	struct epoll_event ev[64];

	while (!c->stop) {
		int ep = ep_create(c->by, O_CLOEXEC);

		for (int i = 0; i < c->n && !c->stop; i++)
			if (ep_add(c->by, ep, c->fd[i], EPOLLIN | (i & 1 ? EPOLLET : 0)) &&
			    errno != EEXIST)
				c->faults++;
		if (ep_wait(c->by, ep, ev, 64, 0) < 0)
			c->faults++;
		close(ep);
	}
	return NULL;
}

/* ADD, MOD and DEL in the common instance, whatever each answers. */
static void *editing(void *arg)
{
	struct crew *c = arg;
	unsigned int seed = 3;

	while (!c->stop) {
		int fd = c->fd[rand_r(&seed) % c->n], ret = 0;

		switch (rand_r(&seed) % 3) {
		case 0:
			ret = ep_add(c->by, c->ep, fd, EPOLLIN);
			break;
		case 1:
			ret = ep_mod(c->by, c->ep, fd, EPOLLIN | EPOLLET);
			break;
		case 2:
			ret = ep_del(c->by, c->ep, fd);
			break;
		}
		if (ret && errno != EEXIST && errno != ENOENT)
			c->faults++;
	}
	return NULL;
}

static void *waiting(void *arg)
{
	struct crew *c = arg;
	struct epoll_event ev[16];

	while (!c->stop)
		if (ep_wait(c->by, c->ep, ev, 16, 5) < 0)
			c->faults++;
	return NULL;
}

/* After the storm: the instance takes every file, reports it, and loses it at its close. */
static const char *in_order(struct crew *c)
{
	struct epoll_event ev[64];
	uint64_t one = 1;

	for (int i = 0; i < c->n; i++) {
		ep_del(c->by, c->ep, c->fd[i]);
		if (ep_add(c->by, c->ep, c->fd[i], EPOLLIN))
			return "ADD failed";
	}
	if (ep_items(c->ep) != c->n)
		return "items too many or too few";
	/* ONESHOT by hand: each file reports until it is removed */
	for (int i = 0; i < c->n; i++)
		if (i % 4 > 1 && write(c->fd[i], &one, 8) < 0 && errno != EAGAIN)
			return "no event to send";
	for (int left = c->n; left; ) {
		int n = ep_wait(c->by, c->ep, ev, 64, SOON);

		if (n <= 0 && left > c->n / 2)
			return "events missing";
		for (int i = 0; i < n; i++, left--)
			if (ep_del(c->by, c->ep, ev[i].data.u64))
				return "reported twice";
		/* the UDP sockets may have been read empty */
		if (n < 64 && left <= (c->n + 3) / 4)
			break;
	}
	for (int i = 0; i < c->n; i++)
		close(c->fd[i]);
	return ep_items(c->ep) ? "items outlived their files" : NULL;
}

/* R28: close of instances that watch thousands of files in use elsewhere */
TEST_F(race, instance_close_in_a_storm)
{
	void *(*job[])(void *) = { watching, watching, firing, replacing };
	struct crew *c = calloc(1, sizeof(*c));
	const char *fault;

	ASSERT_EQ(0, crew_open(c, variant->by, self->ep, FILES));
	EXPECT_EQ(0, run_threads(4, job, c, &c->stop, RACE_MS));
	EXPECT_EQ(0, c->faults);
	fault = in_order(c);
	EXPECT_EQ(NULL, fault) TH_LOG("%s", fault);
}

/* R4, R28: wait, ADD, MOD, DEL, events and closes of few files in one instance */
TEST_F(race, all_calls_in_a_storm)
{
	void *(*job[])(void *) = { waiting, waiting, editing, firing, replacing };
	struct crew *c = calloc(1, sizeof(*c));
	const char *fault;

	ASSERT_EQ(0, crew_open(c, variant->by, self->ep, 48));
	EXPECT_EQ(0, run_threads(5, job, c, &c->stop, RACE_MS));
	EXPECT_EQ(0, c->faults);
	fault = in_order(c);
	EXPECT_EQ(NULL, fault) TH_LOG("%s", fault);
}

/* R28, exit(2): processes that share instance and files are killed wherever they are */
TEST_F(race, processes_killed_in_a_storm)
{
	struct crew *c = calloc(1, sizeof(*c));
	long long end = now_ms() + RACE_MS;
	struct epoll_event ev[16];
	unsigned int seed = 4;
	const char *fault;
	pthread_t thread;

	ASSERT_EQ(0, crew_open(c, variant->by, self->ep, 48));
	for (int i = 0; i < c->n; i++) {
		ASSERT_EQ(0, ep_add(variant->by, self->ep, c->fd[i], EPOLLIN));
	}
	ASSERT_EQ(0, pthread_create(&thread, NULL, firing, c));
	while (now_ms() < end) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			int ep = ep_create(variant->by, 0);

			for (int i = 0; i < c->n; i++)
				ep_add(variant->by, ep, c->fd[i], EPOLLIN | EPOLLET);
			for (;;) {
				ep_wait(variant->by, self->ep, ev, 16, -1);
				ep_wait(variant->by, ep, ev, 16, -1);
			}
		}
		usleep(rand_r(&seed) % 20000);	/* a random moment */
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(-1, reap(pid));
	}
	c->stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, c->faults);
	fault = in_order(c);
	EXPECT_EQ(NULL, fault) TH_LOG("%s", fault);
}

struct relay {
	struct crew *c;
	int sock;
};

static void *receiving(void *arg)
{
	struct relay *r = arg;
	int fd;

	while ((fd = recv_fd(r->sock)) >= 0)
		close(fd);
	return NULL;
}

/* R28: the last reference is one in flight, dropped by another thread */
TEST_F(race, closed_by_the_receiver)
{
	struct crew *c = calloc(1, sizeof(*c));
	long long end = now_ms() + RACE_MS;
	struct relay r = { .c = c };
	pthread_t fire, receive;
	int s[2];

	ASSERT_EQ(0, crew_open(c, variant->by, self->ep, 16));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	r.sock = s[1];
	ASSERT_EQ(0, pthread_create(&fire, NULL, firing, c));
	ASSERT_EQ(0, pthread_create(&receive, NULL, receiving, &r));
	for (int i = 0; now_ms() < end; i = (i + 1) % c->n) {
		int fd = new_file(i);
		uint64_t one = 1;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ep_add(variant->by, self->ep, fd, EPOLLIN));
		ASSERT_EQ(0, send_fd(s[0], fd));
		/* an event for the receiver's close to meet */
		EXPECT_TRUE(write(fd, &one, sizeof(one)) > 0 || errno == EINVAL);
		close(fd);
	}
	c->stop = true;
	pthread_join(fire, NULL);
	close(s[0]);
	pthread_join(receive, NULL);
	EXPECT_EQ(0, c->faults);
	EXPECT_TRUE(ep_items_become(self->ep, 0));
}

/*
 * The memory of an item becomes another item at once. Files move between two instances, so that
 * each time a new item of theirs takes the place of the old one among the watched files; what is
 * between has been an item of yet another file.
 */
#define MOVERS 8

struct movers {
	enum mechanism by;
	int ep[2];
	int fd[MOVERS];
	int other[MOVERS];
	_Atomic bool stop;
	bool failed;
};

static void *moving(void *arg)
{
	struct movers *m = arg;

	for (unsigned int i = 0; !m->stop && !m->failed; i++) {
		int at = i % MOVERS, to = ~i / MOVERS & 1;

		m->failed = ep_add(m->by, m->ep[to], m->other[at], EPOLLIN) ||
			    ep_del(m->by, m->ep[to], m->other[at]) ||
			    ep_add(m->by, m->ep[to], m->fd[at], EPOLLIN) ||
			    ep_del(m->by, m->ep[!to], m->fd[at]);
	}
	return NULL;
}

static bool movers_start(struct movers *m, pthread_t *thread)
{
	for (int i = 0; i < 2; i++)
		m->ep[i] = ep_create(m->by, O_CLOEXEC);
	for (int i = 0; i < MOVERS; i++) {
		m->fd[i] = eventfd(0, EFD_CLOEXEC);
		m->other[i] = eventfd(0, EFD_CLOEXEC);
		if (ep_add(m->by, m->ep[0], m->fd[i], EPOLLIN))
			return false;
	}
	return !pthread_create(thread, NULL, moving, m);
}

/* Each closed file is found among the watched ones, whatever moves there. */
TEST_F(race, close_beside_moving_items)
{
	struct movers m = { .by = variant->by };
	long long end = now_ms() + RACE_MS;
	int fd[MOVERS];
	pthread_t thread;

	ASSERT_TRUE(movers_start(&m, &thread));
	while (now_ms() < end && !ep_items(self->ep)) {
		for (int i = 0; i < MOVERS; i++) {
			fd[i] = eventfd(0, EFD_CLOEXEC);
			EXPECT_EQ(0, ep_add(variant->by, self->ep, fd[i], EPOLLIN));
		}
		for (int i = 0; i < MOVERS; i++)
			close(fd[i]);
	}
	EXPECT_EQ(0, ep_items(self->ep));
	m.stop = true;
	pthread_join(thread, NULL);
	EXPECT_FALSE(m.failed);
	for (int i = 0; i < 2; i++)
		close(m.ep[i]);
	for (int i = 0; i < MOVERS; i++) {
		close(m.fd[i]);
		close(m.other[i]);
	}
}

TEST_HARNESS_MAIN
