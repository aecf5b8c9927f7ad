// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files: one kind for each context and each way in which a file wakes its wait queue. All files
 * are non-blocking.
 */
#include "stress.h"
#include "../../selftests/evpoll_net.h"
#include "../../selftests/evpoll_pass.h"

#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static bool put(int fd, int at)
{
	bool ok = fd >= 0 && dup2(fd, at) == at;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Put one end at @at, and the other end at the number after it. */
static bool put_two(const int *fd, int at)
{
	int beside = at + 1 < FIRST_FD + FILES ? at + 1 : FIRST_FD + INSTANCES;
	bool first = put(fd[0], at), second = put(fd[1], beside);

	return first && second;
}

static bool new_eventfd(int at, uint64_t *rnd)
{
	return put(eventfd(0, EFD_NONBLOCK | (one_in(rnd, 2) ? EFD_SEMAPHORE : 0)), at);
}

static bool new_pipe(int at, uint64_t *rnd)
{
	int fd[2];

	(void)rnd;
	return !pipe2(fd, O_NONBLOCK) && put_two(fd, at);
}

static bool new_socketpair(int at, uint64_t *rnd)
{
	int type = one_in(rnd, 2) ? SOCK_STREAM : SOCK_DGRAM, fd[2];

	return !socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fd) && put_two(fd, at);
}

/* A write to it wakes it in softirq. */
static bool new_udp(int at, uint64_t *rnd)
{
	(void)rnd;
	return put(udp_to_itself(), at);
}

static bool new_tcp(int at, uint64_t *rnd)
{
	struct linger linger = { .l_onoff = one_in(rnd, 8) ? 0 : 1 };	/* 1: RST at close */
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd[2];
	struct sockaddr_in addr;
	bool ok;

	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	fd[1] = -1;
	ok = !bind_loopback(listener, &addr) && !listen(listener, 1);
	if (ok)
		connect(fd[0], (struct sockaddr *)&addr, sizeof(addr));
	/* On the loopback the handshake ends before connect() returns. */
	fcntl(listener, F_SETFL, O_NONBLOCK);
	if (ok)
		fd[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	for (int i = 0; i < 2; i++)
		setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(listener);
	return put_two(fd, at);
}

static bool new_timer(int at, uint64_t *rnd)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	long ns = 500000 + random_below(rnd, 5000000);
	struct itimerspec its = { { 0, ns }, { 0, ns } };

	return !timerfd_settime(fd, 0, &its, NULL) && put(fd, at);
}

static bool new_line(int at, uint64_t *rnd)
{
	(void)rnd;
	return put(open(SOURCE_DEV, O_RDONLY), at);
}

/* A terminal has several wait queues. */
static bool new_pty(int at, uint64_t *rnd)
{
	int fd[2] = { open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK), -1 }, unlock = 0;

	(void)rnd;
	if (fd[0] < 0)
		return false;
	if (!ioctl(fd[0], TIOCSPTLCK, &unlock))
		fd[1] = ioctl(fd[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
	return put_two(fd, at);
}

/* A signalfd uses a wait queue of the process. It is freed with the process (POLLFREE). */
static bool new_signalfd(int at, uint64_t *rnd)
{
	sigset_t set;

	(void)rnd;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return put(signalfd(-1, &set, SFD_NONBLOCK), at);
}

static bool new_inotify(int at, uint64_t *rnd)
{
	int fd = inotify_init1(IN_NONBLOCK);

	(void)rnd;
	inotify_add_watch(fd, "/tmp", IN_CREATE | IN_DELETE);
	return put(fd, at);
}

static bool new_epoll(int at, uint64_t *rnd)
{
	(void)rnd;
	return put(epoll_create1(0), at);
}

bool set_params(int ep, uint64_t *rnd)
{
	struct evpoll_params params = {
		/* never 0, so that read() always returns */
		.read_timeout_ns = 1 + random_below(rnd, 20000000),
		/* any of the flags, of which this is the last */
		.flags = random_below(rnd, 2 * EVPOLL_FIFO),
		.budget = random_below(rnd, 65),
		.coalesce_usecs = one_in(rnd, 2) ? 0 : random_below(rnd, 5000),
		.coalesce_events = one_in(rnd, 2) ? 0 : random_below(rnd, 32),
	};

	return !ioctl(ep, EVPOLL_IOC_SET_PARAMS, &params);
}

bool is_instance(int fd)
{
	struct evpoll_params params;

	return !ioctl(fd, EVPOLL_IOC_GET_PARAMS, &params);
}

bool new_instance(int at, uint64_t *rnd)
{
	int fd;

	if (shared->quiet)
		return false;
	fd = open(EVPOLL_DEV, O_RDWR | (one_in(rnd, 2) ? O_NONBLOCK : 0));
	if (fd < 0)
		return false;
	if (one_in(rnd, 2))
		make_ring(fd, rnd);
	return set_params(fd, rnd) ? put(fd, at) : (close(fd), false);
}

bool new_file(int at, uint64_t *rnd)
{
	static bool (*const kinds[])(int at, uint64_t *rnd) = {
		new_eventfd, new_eventfd, new_pipe, new_socketpair, new_udp, new_udp, new_tcp,
		new_timer, new_line, new_line, new_line, new_line, new_pty, new_signalfd,
		new_inotify, new_epoll,
	};

	return kinds[random_below(rnd, sizeof(kinds) / sizeof(kinds[0]))](at, rnd);
}

bool send_file(uint64_t *rnd)
{
	int fd = one_in(rnd, 2) ? random_instance(rnd) : random_fd(rnd);

	return !send_fd(shared->sock[0], fd);
}

/* @at: the number that the file gets; -1: close it */
bool receive_file(int at)
{
	int fd = recv_fd(shared->sock[1]);

	if (at >= 0)
		return put(fd, at);
	return !close(fd);
}
