// SPDX-License-Identifier: GPL-2.0-only
/* select(2) and poll(2), whose caller passes all files in each call; and "none". */
#include "bench.h"

#define LONG_BITS 64

static int no_open(struct set *set)
{
	return 0;
}

static void no_close(struct set *set)
{
}

static void got(struct set *set, int n, int index)
{
	set->got[n].events = EPOLLIN;
	set->got[n].data.u64 = index;
}

/* Bitmaps instead of fd_set, because fd_set is limited to FD_SETSIZE and the call is not. */
static int select_ctl(struct set *set, int op, int index, uint32_t events)
{
	int fd = set->fd[index];
	unsigned long bit = 1UL << fd % LONG_BITS;

	if (op == EPOLL_CTL_DEL)
		set->select.in[fd / LONG_BITS] &= ~bit;
	else
		set->select.in[fd / LONG_BITS] |= bit;
	if (fd >= set->select.top)
		set->select.top = fd + 1;
	return 0;
}

static int select_wait(struct set *set)
{
	static const struct timeval now;
	struct timeval left = now;
	int words = set->select.top / LONG_BITS + 1;
	int n;

	memcpy(set->select.out, set->select.in, words * sizeof(long));
	n = sys6(SYS_select, set->select.top, (long)set->select.out, 0, 0,
		 set->block ? 0 : (long)&left, 0);
	for (int i = 0, found = 0; found < n; i++) {
		int fd = set->fd[i];

		if (set->select.out[fd / LONG_BITS] & 1UL << fd % LONG_BITS)
			got(set, found++, i);
	}
	return n;
}

static int poll_ctl(struct set *set, int op, int index, uint32_t events)
{
	set->pollfd[index].fd = op == EPOLL_CTL_DEL ? -1 : set->fd[index];
	set->pollfd[index].events = events;
	return 0;
}

static int poll_wait(struct set *set)
{
	int n = sys3(SYS_poll, (long)set->pollfd, set->files, set->block ? -1 : 0);

	for (int i = 0, found = 0; found < n; i++)
		if (set->pollfd[i].revents)
			got(set, found++, i);
	return n;
}

static int no_ctl(struct set *set, int op, int index, uint32_t events)
{
	return 0;
}

static int no_wait(struct set *set)
{
	return 0;
}

const struct mechanism mech_none = {
	.name = "none", .bit = NONE,
	.open = no_open, .close = no_close, .ctl = no_ctl, .wait = no_wait,
};

const struct mechanism mech_select = {
	.name = "select", .bit = SELECT,
	.open = no_open, .close = no_close, .ctl = select_ctl, .wait = select_wait,
};

const struct mechanism mech_poll = {
	.name = "poll", .bit = POLL,
	.open = no_open, .close = no_close, .ctl = poll_ctl, .wait = poll_wait,
};
