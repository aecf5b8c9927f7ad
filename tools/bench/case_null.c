// SPDX-License-Identifier: GPL-2.0-only
/* The cost of a system call that does nothing: no other call can cost less. */
#include "bench.h"

static void getppid_run(struct set *set)
{
	sys3(SYS_getppid, 0, 0, 0);
}

static int null_file(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "/dev/null");
	return fd;
}

static void null_open(struct set *set)
{
	set->other = null_file();
}

static void null_close(struct set *set)
{
	sys3(SYS_close, set->other, 0, 0);
}

static void open_close_run(struct set *set)
{
	null_open(set);
	null_close(set);
}

static void read_run(struct set *set)
{
	sys3(SYS_read, set->other, (long)set->got, 8);
}

/* /dev/null has no ioctl, so the call passes through the VFS and fails with ENOTTY. */
static void ioctl_run(struct set *set)
{
	sys3(SYS_ioctl, set->other, EVPOLL_IOC_WAIT, 0);
}

static void eventfd_run(struct set *set)
{
	set_ready(set, 0);
	set_clear(set, 0);
}

static void eventfd_write_run(struct set *set)
{
	set_ready(set, 0);
}

/* Closes its files in turn: each has another address in the kernel. */
static int pool[1024];

static void pool_open(struct set *set)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(pool); i++)
		pool[i] = null_file();
	set->at = 0;
}

static void pool_next(struct set *set)
{
	int *oldest = &pool[set->at++ % ARRAY_SIZE(pool)];

	set->other = *oldest;
	*oldest = null_file();
}

static void pool_close(struct set *set)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(pool); i++)
		close(pool[i]);
}

static void watch_all(struct set *set)
{
	set_ctl_all(set, EPOLL_CTL_ADD, EPOLLIN);
	pool_open(set);
}

const struct bench_case cases_null[] = {
	{ .name = "close-unloaded", .what = "close() of /dev/null before evpoll.ko is loaded",
	  .mode = UNLOADED, .by = NONE, .n = { 1 }, .cycle = ARRAY_SIZE(pool), .mean = true,
	  .setup = pool_open, .prepare = pool_next, .run = null_close, .teardown = pool_close },
	{ .name = "close-loaded", .what = "close() of /dev/null while n other files are watched",
	  .by = EPOLL | EVPOLL_READ, .n = { 1, 10000 }, .cycle = ARRAY_SIZE(pool), .mean = true,
	  .setup = watch_all, .prepare = pool_next, .run = null_close, .teardown = pool_close },
	{ .name = "getppid", .what = "getppid(): entering and leaving the kernel",
	  .by = NONE, .n = { 1 }, .run = getppid_run },
	{ .name = "read-null", .what = "read() of /dev/null: the same, and what the VFS does",
	  .by = NONE, .n = { 1 }, .setup = null_open, .run = read_run, .teardown = null_close },
	{ .name = "ioctl-refused", .what = "ioctl() of /dev/null, which has none",
	  .by = NONE, .n = { 1 }, .setup = null_open, .run = ioctl_run, .teardown = null_close },
	{ .name = "open-close-null", .what = "/dev/null opened and closed",
	  .by = NONE, .n = { 1 }, .run = open_close_run },
	{ .name = "eventfd", .what = "write() and read() of an eventfd that nobody watches",
	  .by = NONE, .n = { 1 }, .run = eventfd_run },
	{ .name = "eventfd-write", .what = "write() of an eventfd that nobody watches",
	  .by = NONE, .n = { 1 }, .run = eventfd_write_run },
	{ }
};
