// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checker: bursts from every context, on lines and an instance that only it uses. A watched
 * line must report its event. A line that was removed must not, whatever the other processes do.
 * Half of the instances have a ring.
 */
#include "stress.h"
#include "../lib/evpoll_ring.h"

#define LINES 16

static bool events(const int *fd, int context, uint64_t *rnd)
{
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)fd, .nr = LINES, .context = context, .repeat = 1, .cpu = -1,
		.spacing_ns = one_in(rnd, 2) ? 0 : random_below(rnd, 20000),
	};
	long long end = now_ms() + HANG_MS;
	int ret;

	while ((ret = ioctl(fd[0], EVPOLL_SOURCE_IOC_BURST, &burst)) && errno == EBUSY &&
	       now_ms() < end)
		usleep(100);
	/* PREEMPT_RT has no events from hard interrupts. */
	if (ret && errno == EOPNOTSUPP)
		return events(fd, EVPOLL_SOURCE_SOFTIRQ, rnd);
	return !ret;
}

/* Up to 5 events. @ring: harvest it, and call only then. @seconds: the longest time to wait */
static int wait_for(int ep, struct evpoll_ring *ring, struct epoll_event *events, int seconds)
{
	int64_t timeout[2] = { seconds, 0 };
	struct evpoll_wait wait = {
		.events = (uintptr_t)events, .timeout = (uintptr_t)timeout, .maxevents = 5,
	};

	if (ring)
		return evpoll_ring_wait(ring, events, 5, seconds * 1000);
	return ioctl(ep, EVPOLL_IOC_WAIT, &wait);
}

/* Wait for one event of each line except @gone. All are ONESHOT or edge-triggered. */
static void collect(int ep, struct evpoll_ring *ring, int gone)
{
	long long end = now_ms() + HANG_MS;
	struct epoll_event events[5];
	unsigned int seen = 1U << gone, all = (1U << LINES) - 1;
	int n;

	while (seen != all && now_ms() < end) {
		n = wait_for(ep, ring, events, 1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 >= LINES || (seen >> events[i].data.u64 & 1))
				shared->strange++;
			else
				seen |= 1U << events[i].data.u64;
		}
	}
	shared->lost += __builtin_popcount(all & ~seen);
	if (wait_for(ep, ring, events, 0) > 0)
		shared->strange++;
}

/* The event of the line that is not watched may come a moment later. */
static bool drain(int fd)
{
	long long end = now_ms() + HANG_MS;
	struct evpoll_source_event event;

	while (read(fd, &event, sizeof(event)) != sizeof(event)) {
		if (now_ms() > end)
			return false;
		usleep(100);
	}
	return true;
}

static void round_of_events(const int *fd, int ep, struct evpoll_ring *ring, uint64_t *rnd)
{
	struct evpoll_ctl ctl = {
		.op = EPOLL_CTL_ADD,
		.events = EPOLLIN | (one_in(rnd, 2) ? EPOLLET : EPOLLONESHOT),
	};
	int gone = random_below(rnd, LINES);

	set_params(ep, rnd);
	for (int i = 0; i < LINES; i++) {
		ctl.fd = fd[i];
		ctl.data = i;
		if (ioctl(ep, EVPOLL_IOC_CTL, &ctl))
			shared->strange++;
	}
	ctl.op = EPOLL_CTL_DEL;
	ctl.fd = fd[gone];
	if (ioctl(ep, EVPOLL_IOC_CTL, &ctl))
		shared->strange++;
	if (events(fd, random_below(rnd, EVPOLL_SOURCE_CONTEXTS), rnd))
		collect(ep, ring, gone);
	else
		shared->strange++;
	for (int i = 0; i < LINES; i++)
		if (!drain(fd[i]))
			shared->strange++;
	shared->rounds++;
}

static void round_with_ring(const int *fd, int ep, uint64_t *rnd)
{
	struct evpoll_ring ring;

	if (evpoll_ring_create(&ring, ep, 1U << random_below(rnd, 6))) {
		shared->strange++;
		return;
	}
	round_of_events(fd, ep, &ring, rnd);
	evpoll_ring_close(&ring);
}

void check_events(uint64_t seed)
{
	uint64_t rnd = seed;
	int fd[LINES];

	for (int i = 0; i < LINES; i++)
		fd[i] = open(SOURCE_DEV, O_RDONLY | O_CLOEXEC);
	while (!shared->stop) {
		int ep = shared->quiet ? -1 : open(EVPOLL_DEV, O_RDWR | O_CLOEXEC);

		if (ep >= 0 && one_in(&rnd, 2))
			round_with_ring(fd, ep, &rnd);
		else if (ep >= 0)
			round_of_events(fd, ep, NULL, &rnd);
		close(ep);
		usleep(ep >= 0 ? 0 : 1000);
	}
	exit(0);
}
