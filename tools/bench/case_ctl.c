// SPDX-License-Identifier: GPL-2.0-only
/* ADD, MOD and DEL, and an instance from open to close. */
#include "bench.h"

/* evpoll-read makes changes by the same calls as evpoll-wait. */
#define CHANGES (EPOLL | EVPOLL_WAIT | EVPOLL_RING)

static void add(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN);
}

static void del(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_DEL, 0);
}

/* The mask differs from that of the last call. */
static uint32_t next_mask(struct set *set)
{
	set->at ^= EPOLLRDHUP;
	return EPOLLIN | set->at;
}

static void mod(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_MOD, next_mask(set));
}

static void add_del(struct set *set)
{
	for (int i = 0; i < set->files; i++) {
		set_ctl(set, EPOLL_CTL_ADD, i, EPOLLIN);
		set_ctl(set, EPOLL_CTL_DEL, i, 0);
	}
}

static void add_batch(struct set *set)
{
	set_ctl_batch(set, EPOLL_CTL_ADD, EPOLLIN);
}

static void mod_batch(struct set *set)
{
	set_ctl_batch(set, EPOLL_CTL_MOD, next_mask(set));
}

static void del_batch(struct set *set)
{
	set_ctl_batch(set, EPOLL_CTL_DEL, 0);
}

static void instance_close(struct set *set)
{
	set->by->close(set);
}

static void open_close(struct set *set)
{
	set_open_instance(set);
	instance_close(set);
}

const struct bench_case cases_ctl[] = {
	{ .name = "add", .what = "an ADD, to an instance that gets n, one by one",
	  .by = CHANGES, .n = { 1, 64 }, .each = true, .cycle = 64,
	  .mean = true, .sets = 8, .setup = add, .prepare = del, .run = add },
	{ .name = "mod", .what = "a MOD, one by one",
	  .by = CHANGES, .n = { 1, 64 }, .each = true, .setup = add, .run = mod },
	{ .name = "del", .what = "a DEL, one by one",
	  .by = CHANGES, .n = { 1, 64 }, .each = true, .prepare = add, .run = del },
	{ .name = "add-del", .what = "an ADD and a DEL of the same file",
	  .by = CHANGES, .n = { 1, 64 }, .each = true, .cycle = 64,
	  .mean = true, .run = add_del },
	{ .name = "add-batch", .what = "an ADD, n in one call where there is one",
	  .by = CHANGES, .n = { 64 }, .each = true, .cycle = 64,
	  .mean = true, .sets = 8, .setup = add, .prepare = del, .run = add_batch },
	{ .name = "mod-batch", .what = "a MOD, n in one call where there is one",
	  .by = CHANGES, .n = { 64 }, .each = true, .setup = add, .run = mod_batch },
	{ .name = "del-batch", .what = "a DEL, n in one call where there is one",
	  .by = CHANGES, .n = { 64 }, .each = true, .prepare = add, .run = del_batch },
	{ .name = "open-close", .what = "an instance opened and closed",
	  .by = CHANGES, .n = { 1 }, .calls = 1,
	  .setup = instance_close, .run = open_close, .teardown = set_open_instance },
	{ }
};
