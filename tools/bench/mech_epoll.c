// SPDX-License-Identifier: GPL-2.0-only
/* epoll(7): epoll_wait(), the cheapest of its three calls. */
#include "bench.h"

static int epoll_open(struct set *set)
{
	set->ep = epoll_create1(EPOLL_CLOEXEC);
	return set->ep;
}

static void epoll_close(struct set *set)
{
	close(set->ep);
}

static int epoll_change(struct set *set, int op, int index, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = index };

	return sys6(SYS_epoll_ctl, set->ep, op, set->fd[index], (long)&event, 0, 0);
}

static int epoll_get(struct set *set)
{
	return sys6(SYS_epoll_wait, set->ep, (long)set->got, set->max, set->block ? -1 : 0, 0, 0);
}

static void epoll_harvest(struct set *set)
{
	epoll_get(set);
}

const struct mechanism mech_epoll = {
	.name = "epoll", .bit = EPOLL,
	.open = epoll_open, .close = epoll_close, .ctl = epoll_change, .wait = epoll_get,
	.harvest = epoll_harvest,
};

/* The same calls. The case has a listening socket with SO_REUSEPORT for each worker. */
const struct mechanism mech_reuseport = {
	.name = "reuseport", .bit = REUSEPORT,
	.open = epoll_open, .close = epoll_close, .ctl = epoll_change, .wait = epoll_get,
};
