// SPDX-License-Identifier: GPL-2.0-only
/* Files to watch: eventfds, which are cheap to make ready and to clear. */
#include "bench.h"

#include <sys/eventfd.h>

void set_open_instance(struct set *set)
{
	if (set->by->open(set) < 0)
		err(1, "%s: no instance", set->by->name);
}

void set_open(struct set *set, const struct mechanism *by, const struct bench_case *c, int n)
{
	memset(set, 0, sizeof(*set));	/* also avoids page faults later */
	set->by = by;
	set->n = n;
	set->files = c->files ?: n;
	set->max = set->files;
	set->block = c->block;
	set->ep = -1;
	set->other = -1;
	for (int i = 0; i < set->files; i++) {
		set->fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (set->fd[i] < 0)
			err(1, "eventfd");
	}
	set_open_instance(set);
}

void set_close(struct set *set)
{
	set->by->close(set);
	for (int i = 0; i < set->files; i++)
		close(set->fd[i]);
}

static void check(struct set *set, int ret, const char *what)
{
	if (ret < 0)
		errx(1, "%s: %s: %s", set->by->name, what, strerror(-ret));
}

void set_ctl(struct set *set, int op, int index, uint32_t events)
{
	check(set, set->by->ctl(set, op, index, events), "ctl");
}

void set_ctl_all(struct set *set, int op, uint32_t events)
{
	for (int i = 0; i < set->files; i++)
		set_ctl(set, op, i, events);
}

/* Uses one call for all files, if the mechanism has such a call. */
void set_ctl_batch(struct set *set, int op, uint32_t events)
{
	if (set->by->ctl_all)
		check(set, set->by->ctl_all(set, op, events), "ctl of all");
	else
		set_ctl_all(set, op, events);
}

int set_rearm_wait(struct set *set, int n, uint32_t events)
{
	if (set->by->rearm_wait)
		return set->by->rearm_wait(set, n, events);
	for (int i = 0; i < n; i++)
		set_ctl(set, EPOLL_CTL_MOD, set->got[i].data.u64, events);
	return set->by->wait(set);
}

void set_ready(struct set *set, int index)
{
	uint64_t one = 1;

	sys3(SYS_write, set->fd[index], (long)&one, sizeof(one));
}

/* False if the file had no event */
bool set_clear(struct set *set, int index)
{
	uint64_t count;

	return sys3(SYS_read, set->fd[index], (long)&count, sizeof(count)) == sizeof(count);
}

/* Take events until the mechanism finds none. The waits of the case must not block. */
void drain(struct set *set)
{
	while (set->by->wait(set) > 0)
		;
}

/* Stop at a wrong number of events, because the measurement would mean nothing. */
void expect(struct set *set, int n, int expected)
{
	if (n != expected)
		errx(1, "%s: a wait returned %d, not %d", set->by->name, n, expected);
}

/* Wait for @n events. io_uring may need several waits for them. */
void wait_for(struct set *set, int n)
{
	int seen = 0, got;

	while (seen < n) {
		got = set->by->wait(set);
		/* work of an io_uring closed earlier may interrupt the sleep */
		if (got == -EINTR)
			continue;
		if (got <= 0)
			errx(1, "%s: wait: %s", set->by->name, strerror(-got));
		seen += got;
	}
	expect(set, seen, n);
}
