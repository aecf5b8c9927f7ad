// SPDX-License-Identifier: GPL-2.0-only
/* evpoll: events by read(2) and by EVPOLL_IOC_WAIT, and WAIT with EVPOLL_EAGER and EVPOLLROTATE. */
#include "bench.h"

static const struct __kernel_timespec no_time;

static int evpoll_open(struct set *set)
{
	set->ep = open("/dev/evpoll", O_RDWR | O_CLOEXEC | (set->block ? 0 : O_NONBLOCK));
	set->wait = (struct evpoll_wait){
		.events = (uintptr_t)set->got,
		.maxevents = set->max,
		.timeout = set->block ? 0 : (uintptr_t)&no_time,
	};
	return set->ep;
}

static int evpoll_open_eager(struct set *set)
{
	struct evpoll_params params = { .flags = EVPOLL_EAGER };

	if (evpoll_open(set) < 0)
		return -errno;
	return sys3(SYS_ioctl, set->ep, EVPOLL_IOC_SET_PARAMS, (long)&params);
}

static void evpoll_close(struct set *set)
{
	close(set->ep);
}

static struct evpoll_ctl change(struct set *set, int op, int index, uint32_t events)
{
	return (struct evpoll_ctl){
		.op = op, .fd = set->fd[index], .events = events, .data = index,
	};
}

int evpoll_change(struct set *set, int op, int index, uint32_t events)
{
	struct evpoll_ctl ctl = change(set, op, index, events);

	return sys3(SYS_ioctl, set->ep, EVPOLL_IOC_CTL, (long)&ctl);
}

int evpoll_change_all(struct set *set, int op, uint32_t events)
{
	struct evpoll_ctlv ctlv = { .changes = (uintptr_t)set->ctl, .nr = set->files };
	int ret;

	for (int i = 0; i < set->files; i++)
		set->ctl[i] = change(set, op, i, events);
	ret = sys3(SYS_ioctl, set->ep, EVPOLL_IOC_CTLV, (long)&ctlv);
	return ret > 0 ? -EIO : ret;
}

static int evpoll_read(struct set *set)
{
	long bytes = sys3(SYS_read, set->ep, (long)set->got, set->max * sizeof(*set->got));

	return bytes > 0 ? bytes / (long)sizeof(*set->got) : bytes;
}

static int evpoll_wait(struct set *set)
{
	return sys3(SYS_ioctl, set->ep, EVPOLL_IOC_WAIT, (long)&set->wait);
}

static void evpoll_harvest(struct set *set)
{
	evpoll_wait(set);
}

static int evpoll_rearm_wait(struct set *set, int n, uint32_t events)
{
	int ret;

	for (int i = 0; i < n; i++)
		set->ctl[i] = change(set, EPOLL_CTL_MOD, set->got[i].data.u64, events);
	set->wait.ctlv = (struct evpoll_ctlv){ .changes = (uintptr_t)set->ctl, .nr = n };
	ret = evpoll_wait(set);
	return set->wait.ctlv.failed ? -EIO : ret;
}

const struct mechanism mech_evpoll_read = {
	.name = "evpoll-read", .bit = EVPOLL_READ,
	.open = evpoll_open, .close = evpoll_close, .ctl = evpoll_change,
	.ctl_all = evpoll_change_all, .wait = evpoll_read,
};

const struct mechanism mech_evpoll_wait = {
	.name = "evpoll-wait", .bit = EVPOLL_WAIT,
	.open = evpoll_open, .close = evpoll_close, .ctl = evpoll_change,
	.ctl_all = evpoll_change_all, .wait = evpoll_wait, .rearm_wait = evpoll_rearm_wait,
	.harvest = evpoll_harvest,
};

const struct mechanism mech_evpoll_eager = {
	.name = "evpoll-eager", .bit = EAGER,
	.open = evpoll_open_eager, .close = evpoll_close, .ctl = evpoll_change, .wait = evpoll_wait,
};

/* The case adds the file with EVPOLLROTATE. */
const struct mechanism mech_evpoll_rotate = {
	.name = "evpoll-rotate", .bit = ROTATE,
	.open = evpoll_open, .close = evpoll_close, .ctl = evpoll_change, .wait = evpoll_wait,
};
