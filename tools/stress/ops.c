// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations. Many of them fail, because they are random: a change to a file that is not an
 * instance, an ADD of a file that is watched, a DEL of one that is not. The stress test does not
 * check their results. It checks that the kernel survives, and that the checker gets its events.
 */
#include "stress.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define EVENTS 64

struct evpoll_ctl random_change(uint64_t *rnd)
{
	static const uint32_t flags[] = {
		0, 0, 0, EPOLLET, EPOLLET, EPOLLONESHOT, EPOLLONESHOT | EPOLLET, EPOLLEXCLUSIVE,
		EPOLLEXCLUSIVE | EPOLLET, EPOLLEXCLUSIVE | EVPOLLROTATE,
		EPOLLEXCLUSIVE | EVPOLLROTATE | EPOLLET, EPOLLWAKEUP,
	};
	/* more ADD than DEL and FORGET, because close() removes items too */
	static const uint32_t change[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_ADD,
					   EPOLL_CTL_MOD, EPOLL_CTL_MOD, EPOLL_CTL_DEL,
					   EVPOLL_CTL_FORGET };

	return (struct evpoll_ctl){
		.op = change[random_below(rnd, sizeof(change) / sizeof(change[0]))],
		/* one in eight watches an instance, which builds a graph of instances */
		.fd = one_in(rnd, 8) ? random_instance(rnd) : random_fd(rnd),
		.events = (one_in(rnd, 4) ? EPOLLIN | EPOLLOUT : EPOLLIN) |
			  flags[random_below(rnd, sizeof(flags) / sizeof(flags[0]))],
		.data = random_next(rnd),
	};
}

static bool op_open(uint64_t *rnd)
{
	return new_instance(FIRST_FD + random_below(rnd, INSTANCES), rnd);
}

static bool op_file(uint64_t *rnd)
{
	return new_file(FIRST_FD + INSTANCES + random_below(rnd, FILES - INSTANCES), rnd);
}

/* dup2(): closes the old file, and gives another number to a file that may be watched. */
static bool op_dup(uint64_t *rnd)
{
	return !shared->quiet && dup2(random_fd(rnd), random_fd(rnd)) >= 0;
}

static bool op_close(uint64_t *rnd)
{
	return !close(random_fd(rnd));
}

static bool op_ctl(uint64_t *rnd)
{
	struct evpoll_ctl ctl = random_change(rnd);

	return !ioctl(random_instance(rnd), EVPOLL_IOC_CTL, &ctl);
}

static bool op_ctlv(uint64_t *rnd)
{
	struct evpoll_ctl changes[16];
	struct evpoll_ctlv ctlv = {
		.changes = (uintptr_t)changes, .nr = random_below(rnd, 17),
	};

	for (int i = 0; i < 16; i++)
		changes[i] = random_change(rnd);
	return ioctl(random_instance(rnd), EVPOLL_IOC_CTLV, &ctlv) >= 0;
}

static bool op_wait(uint64_t *rnd)
{
	struct epoll_event events[EVENTS];
	int64_t timeout[2] = { 0, one_in(rnd, 2) ? 0 : random_below(rnd, 20000000) };
	struct evpoll_ctl change = random_change(rnd);
	sigset_t mask;
	struct evpoll_wait wait = {
		.events = (uintptr_t)events,
		.timeout = (uintptr_t)timeout,
		.maxevents = 1 + random_below(rnd, EVENTS),
		.min_wait_ns = one_in(rnd, 4) ? random_below(rnd, 10000000) : 0,
		.sigmask = one_in(rnd, 4) ? (uintptr_t)&mask : 0,
		.sigsetsize = _NSIG / 8,
		.ctlv = { .changes = (uintptr_t)&change, .nr = one_in(rnd, 4) },
	};

	sigemptyset(&mask);
	return ioctl(random_instance(rnd), EVPOLL_IOC_WAIT, &wait) > 0;
}

static bool op_read(uint64_t *rnd)
{
	struct epoll_event events[EVENTS];
	size_t n = 1 + random_below(rnd, EVENTS);

	return read(random_instance(rnd), events, n * sizeof(events[0])) > 0;
}

static bool op_poll(uint64_t *rnd)
{
	struct pollfd fds[8];

	for (int i = 0; i < 8; i++)
		fds[i] = (struct pollfd){
			.fd = i & 1 ? random_fd(rnd) : random_instance(rnd),
			.events = POLLIN | POLLOUT,
		};
	return poll(fds, 8, random_below(rnd, 5)) >= 0;
}

/* An epoll instance that watches instances, and a wait in it */
static bool op_epoll(uint64_t *rnd)
{
	struct epoll_event ev = { .events = EPOLLIN | (one_in(rnd, 2) ? EPOLLET : 0) };
	int ep = random_fd(rnd);

	epoll_ctl(ep, one_in(rnd, 4) ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, random_instance(rnd), &ev);
	return epoll_wait(ep, &ev, 1, random_below(rnd, 5)) >= 0;
}

static bool op_params(uint64_t *rnd)
{
	return set_params(random_instance(rnd), rnd);
}

/* O_ASYNC, for this process or nobody. Other files need O_NONBLOCK, so this never clears it. */
static bool op_async(uint64_t *rnd)
{
	int ep = random_instance(rnd);

	fcntl(ep, F_SETOWN, one_in(rnd, 4) ? 0 : getpid());
	fcntl(ep, F_SETSIG, one_in(rnd, 2) ? SIGUSR2 : 0);
	if (one_in(rnd, 4))
		return !fcntl(ep, F_SETFL, O_NONBLOCK | (one_in(rnd, 2) ? O_ASYNC : 0));
	return !ioctl(ep, FIOASYNC, &(int){ random_below(rnd, 2) });
}

/* Events from process context, and from softirq if the file is a socket */
static bool op_write(uint64_t *rnd)
{
	uint64_t n = 1;

	return write(random_fd(rnd), &n, sizeof(n)) > 0;
}

static bool op_drain(uint64_t *rnd)
{
	char buf[512];

	return read(FIRST_FD + INSTANCES + random_below(rnd, FILES - INSTANCES), buf,
		    sizeof(buf)) > 0;
}

/* Events from any context, for the lines among a few files */
static bool op_burst(uint64_t *rnd)
{
	struct evpoll_source_burst burst = {
		.context = random_below(rnd, EVPOLL_SOURCE_CONTEXTS),
		.spacing_ns = one_in(rnd, 2) ? 0 : random_below(rnd, 50000),
		.pause_ns = random_below(rnd, 1000000),
		.repeat = 1 + random_below(rnd, 8),
		.cpu = -1,
	};
	int32_t fds[32];

	for (int tries = 0; tries < 64 && burst.nr < 32; tries++) {
		struct evpoll_source_burst none = { .cpu = -2 };
		int fd = random_fd(rnd);

		/* a line refuses this CPU with EINVAL, other files fail in another way */
		if (ioctl(fd, EVPOLL_SOURCE_IOC_BURST, &none) && errno == EINVAL)
			fds[burst.nr++] = fd;
	}
	burst.fds = (uintptr_t)fds;
	return burst.nr && !ioctl(fds[0], EVPOLL_SOURCE_IOC_BURST, &burst);
}

static bool op_signal(uint64_t *rnd)
{
	(void)rnd;
	return !kill(getpid(), SIGUSR2);	/* for signalfd, blocked */
}

static bool op_send(uint64_t *rnd)
{
	return !shared->quiet && send_file(rnd);
}

static bool op_receive(uint64_t *rnd)
{
	return !shared->quiet && receive_file(random_fd(rnd));
}

/* The files that show the state of instances */
static bool op_look(uint64_t *rnd)
{
	int ep = random_instance(rnd), fd;
	struct evpoll_stats stats;
	char path[64], buf[4096];
	ssize_t n;

	ioctl(ep, EVPOLL_IOC_GET_STATS, &stats);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	fd = open(one_in(rnd, 4) ? "/sys/kernel/debug/evpoll/instances" : path, O_RDONLY);
	n = read(fd, buf, sizeof(buf));
	close(fd);
	return n > 0;
}

/* In a child, which shares all files: do an operation, or wait to be killed. */
static void child(uint64_t *rnd, pid_t parent, bool waits)
{
	struct thread_state state = { 0 };
	struct epoll_event event;
	struct evpoll_wait wait = { .events = (uintptr_t)&event, .maxevents = 1 };

	/* The kernel ends the child if its parent, the worker, is killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	while (waits)
		if (ioctl(random_instance(rnd), EVPOLL_IOC_WAIT, &wait) < 0)
			usleep(100);
	for (int i = 0; i < 10; i++)
		step(&state, rnd);
	_exit(0);
}

static bool op_fork(uint64_t *rnd)
{
	static _Thread_local bool is_child;
	bool waits = one_in(rnd, 2);
	pid_t parent = getpid(), pid;
	int status;

	if (is_child || shared->quiet)
		return false;
	pid = fork();
	if (!pid) {
		is_child = true;
		random_next(rnd);
		child(rnd, parent, waits);
	}
	if (pid < 0)
		return false;
	usleep(random_below(rnd, 10000));
	if (waits)
		kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid;
}

const struct op ops[] = {
	{ "open", 6, op_open },
	{ "file", 8, op_file },
	{ "dup", 4, op_dup },
	{ "close", 2, op_close },
	{ "ctl", 40, op_ctl, true },
	{ "ctlv", 8, op_ctlv, true },
	{ "wait", 16, op_wait, true },
	{ "read", 8, op_read },
	{ "poll", 4, op_poll, true },
	{ "epoll", 4, op_epoll },
	{ "params", 3, op_params },
	{ "async", 3, op_async, true },
	{ "ring", 4, op_ring, true },
	{ "map", 8, op_map },
	{ "unmap", 1, op_unmap },
	{ "harvest", 16, op_harvest, true },
	{ "scribble", 1, op_scribble },
	{ "uring", 12, op_uring },
	{ "write", 20, op_write, true },
	{ "drain", 16, op_drain, true },
	{ "burst", 8, op_burst },
	{ "signal", 1, op_signal },
	{ "send", 3, op_send },
	{ "receive", 3, op_receive },
	{ "look", 2, op_look },
	{ "fork", 1, op_fork },
};

const int nr_ops = sizeof(ops) / sizeof(ops[0]);

static int random_op(uint64_t *rnd)
{
	unsigned int sum = 0, left;
	int i;

	for (i = 0; i < nr_ops; i++)
		sum += ops[i].weight;
	left = random_below(rnd, sum);
	for (i = 0; left >= ops[i].weight; i++)
		left -= ops[i].weight;
	return i;
}

/*
 * Do a random operation. Some operations are repeated many times with the same random numbers: to
 * hit a race of a few instructions, two tasks must do nothing else for a while.
 */
void step(struct thread_state *state, uint64_t *rnd)
{
	int op = random_op(rnd);
	int times = ops[op].again && one_in(rnd, 8) ? 1 + random_below(rnd, 128) : 1;
	uint64_t same;

	state->op = op;
	do {
		same = *rnd;
		state->steps++;
		if (ops[op].fn(&same))
			shared->done[op]++;
	} while (--times && !shared->stop && !shared->quiet);
	*rnd = same;
}
