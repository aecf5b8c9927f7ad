/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For the loads of 'make trace' and 'make moderation': an instance of epoll or evpoll under the
 * same calls, lines of /dev/evpoll_source, and processors that take turns.
 */
#ifndef EVPOLL_LOAD_H
#define EVPOLL_LOAD_H

#include "../selftests/evpoll_task.h"
#include "../selftests/modules/evpoll_source.h"

#include <err.h>
#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <linux/evpoll.h>

#define SLICE_NS 40000

/* What a packet of a burst costs the network stack before the socket is woken: about so much */
#define PACKET_NS 1000

struct instance {
	bool evpoll;
	int fd;
};

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %d", cpu);
}

/* @window_us: -1 is what the module has; evpoll's alone, as @flags */
static inline void instance_open(struct instance *ep, uint32_t flags, long window_us)
{
	struct evpoll_params params;

	ep->fd = ep->evpoll ? open("/dev/evpoll", O_RDWR) : epoll_create1(0);
	if (ep->fd < 0)
		err(1, ep->evpoll ? "/dev/evpoll" : "epoll_create1");
	if (!ep->evpoll)
		return;
	if (ioctl(ep->fd, EVPOLL_IOC_GET_PARAMS, &params))
		err(1, "EVPOLL_IOC_GET_PARAMS");
	params.flags |= flags;
	if (window_us >= 0)
		params.coalesce_usecs = window_us;
	if (ioctl(ep->fd, EVPOLL_IOC_SET_PARAMS, &params))
		err(1, "EVPOLL_IOC_SET_PARAMS");
}

/* Edge-triggered: each event is looked at once, by both. */
static inline void instance_watch(const struct instance *ep, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };
	struct evpoll_ctl ctl = {
		.op = EPOLL_CTL_ADD, .fd = fd, .events = event.events, .data = fd,
	};

	if (ep->evpoll ? ioctl(ep->fd, EVPOLL_IOC_CTL, &ctl) :
			 epoll_ctl(ep->fd, EPOLL_CTL_ADD, fd, &event))
		err(1, "cannot watch");
}

static inline int instance_wait(const struct instance *ep, struct epoll_event *events, int max)
{
	ssize_t n;

	if (ep->evpoll)
		n = read(ep->fd, events, max * sizeof(*events));
	else
		n = epoll_wait(ep->fd, events, max, -1);
	if (n < 0)
		err(1, "wait");
	return ep->evpoll ? n / (ssize_t)sizeof(*events) : n;
}

static inline int line_open(void)
{
	int line = open("/dev/evpoll_source", O_RDONLY);

	if (line < 0)
		err(1, "/dev/evpoll_source");
	return line;
}

static inline void burst_start(int on, const struct evpoll_source_burst *burst)
{
	if (ioctl(on, EVPOLL_SOURCE_IOC_BURST, burst))
		err(1, "EVPOLL_SOURCE_IOC_BURST");
}

static inline int slicer_open(int cpu)
{
	int line = line_open();
	struct evpoll_source_burst burst = {
		.fds = (uintptr_t)&line, .nr = 1, .context = EVPOLL_SOURCE_HARDIRQ,
		.pause_ns = SLICE_NS, .repeat = 1000000000, .cpu = cpu,
	};

	burst_start(line, &burst);
	return line;
}

/* When its timer fires, in its period */
static inline uint64_t slicer_phase(int line)
{
	struct evpoll_source_event event;

	while (read(line, &event, sizeof(event)) != sizeof(event))
		usleep(SLICE_NS / 1000);
	return event.first_ns % SLICE_NS;
}

/*
 * QEMU with -icount (see qemu/commands/trace.sh) runs one processor at a time. It goes on to the
 * next one after a share of the time to the guest's next timer, so a timer must always be set. The
 * last two processors each have a timer that fires every SLICE_NS, half of it apart: while one has
 * fired and waits for its processor to set it again, the other is still set. The processors of
 * reader and source cannot have these timers: they may spin for a lock with interrupts off, and
 * would then spin for ms.
 */
static inline void slice(void)
{
	int last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	int other, line = slicer_open(last);
	uint64_t apart;

	for (;;) {
		other = slicer_open(last - 1);
		apart = (slicer_phase(line) + SLICE_NS - slicer_phase(other)) % SLICE_NS;
		if (apart > SLICE_NS / 3 && apart < SLICE_NS * 2 / 3)
			return;
		close(other);
		usleep(SLICE_NS / 1000);
	}
}

#endif /* EVPOLL_LOAD_H */
