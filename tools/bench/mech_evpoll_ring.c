// SPDX-License-Identifier: GPL-2.0-only
/*
 * evpoll with a ready ring: the functions of tools/lib/evpoll_ring.h, as a program has them. They
 * make a system call only if the ring is empty, or if a level-triggered file may need one.
 */
#include "bench.h"

unsigned int ring_calls;

/* Every system call that the functions below make for a wait */
static int ring_ioctl(int fd, unsigned long cmd, void *arg)
{
	ring_calls++;
	return sys3(SYS_ioctl, fd, cmd, (long)arg);
}

#define ioctl ring_ioctl
#include "../lib/evpoll_ring.h"

#define FEWEST_SLOTS 64

static struct evpoll_ring ring;

static unsigned int slots(int files)
{
	unsigned int n = FEWEST_SLOTS;

	while (n < files)
		n *= 2;
	return n;
}

static int ring_open(struct set *set)
{
	set->ep = open("/dev/evpoll", O_RDWR | O_CLOEXEC);
	return set->ep < 0 ? -1 : evpoll_ring_create(&ring, set->ep, slots(set->files));
}

static void ring_close(struct set *set)
{
	evpoll_ring_close(&ring);
	ring.size = 0;
	close(set->ep);
}

size_t ring_bytes(void)
{
	return ring.size;
}

static int ring_wait(struct set *set)
{
	return evpoll_ring_wait(&ring, set->got, set->max, set->block ? -1 : 0);
}

static void ring_harvest(struct set *set)
{
	evpoll_ring_harvest(&ring, set->got, set->max);
}

const struct mechanism mech_evpoll_ring = {
	.name = "evpoll-ring", .bit = EVPOLL_RING,
	.open = ring_open, .close = ring_close, .ctl = evpoll_change,
	.ctl_all = evpoll_change_all, .wait = ring_wait, .harvest = ring_harvest,
};
