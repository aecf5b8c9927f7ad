/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for the loads of 'make trace' and 'make moderation': calls that work on instances of
 * epoll and of evpoll, lines of /dev/evpoll_source, and a way to make processors take turns.
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

/* About the time that the network stack takes for a packet before it wakes the socket */
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

/* @flags and @window_us are for evpoll only. A window of -1 is the module's default. */
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

/* Edge-triggered, so that both mechanisms poll a file once for each event */
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

/* The time at which the timer of @line fires, as an offset in its period of SLICE_NS */
static inline uint64_t slicer_phase(int line)
{
	struct evpoll_source_event event;

	while (read(line, &event, sizeof(event)) != sizeof(event))
		usleep(SLICE_NS / 1000);
	return event.first_ns % SLICE_NS;
}

/*
 * QEMU with -icount runs one processor at a time. It switches to the next one after a part of the
 * time to the guest's next timer: see qemu/commands/trace.sh. So a timer must always be near. This
 * function interrupts the last two processors every SLICE_NS, half a period apart. When the timer
 * of one has fired, its processor must get its turn before it can set the timer again. During that
 * time the timer of the other is still pending.
 *
 * The timers cannot be on the processors of the reader and the source, because these may spin on a
 * lock with interrupts off. Without a timer, a turn would then last for ms.
 *
 * Another call starts new timers in place of the old ones, with another time between the two.
 */
static inline void slice(void)
{
	int last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	static int line = -1, other = -1;
	uint64_t apart;

	close(line);
	close(other);
	line = slicer_open(last);
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
