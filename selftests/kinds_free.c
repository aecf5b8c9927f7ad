// SPDX-License-Identifier: GPL-2.0-only
/* POLLFREE: wait queues that die before the items on them do. */
#include "kinds.h"

#include <sys/signalfd.h>
#include <sys/stat.h>

/* The wait queue of a signalfd is that of the process that polls: a child's goes with it. */
static pid_t add_and_exit(enum mechanism by, int ep, const int *s, int n)
{
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < n; i++)
			if (ep_add(by, ep, s[i], EPOLLIN))
				_exit(1);
		_exit(0);
	}
	return pid;
}

/* signalfd_cleanup(): the queue is freed before the item, whatever then happens to that */
TEST_F(kinds, signalfd_queue_freed)
{
	struct epoll_event ev[64];
	sigset_t set;
	int s[40];

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < 40; i++) {
		s[i] = signalfd(-1, &set, SFD_NONBLOCK);
		ASSERT_LE(0, s[i]);
	}
	ASSERT_EQ(0, reap(add_and_exit(variant->by, self->lt, s, 40)));
	EXPECT_EQ(40, ep_items(self->lt));
	/* whatever the freeing wake made of them, none is ready */
	EXPECT_EQ(0, ep_wait(variant->by, self->lt, ev, 64, 0));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	EXPECT_EQ(0, ep_wait(variant->by, self->lt, ev, 64, 0));
	/* MOD polls the file again (R30), with the credentials of the caller */
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(0, ep_mod(variant->by, self->lt, s[i], EPOLLIN));
	}
	EXPECT_EQ(10, ep_wait(variant->by, self->lt, ev, 64, 0));
	/* each way out: DEL, close of the file, close of the instance */
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(0, ep_del(variant->by, self->lt, s[i]));
	}
	for (int i = 20; i < 30; i++)
		close(s[i]);
	EXPECT_EQ(10, ep_items(self->lt));
	EXPECT_EQ(0, ep_wait(variant->by, self->lt, ev, 64, 0));
	EXPECT_EQ(0, close(self->lt));
}

/* The freeing against DEL, close of the file and close of the instance, at the same moment */
TEST_F(kinds, signalfd_queue_freed_in_a_race)
{
	long long end = now_ms() + 1500;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	for (int round = 0; now_ms() < end; round++) {
		int ep = ep_create(variant->by, O_CLOEXEC), s[8];
		pid_t pid;

		for (int i = 0; i < 8; i++) {
			s[i] = signalfd(-1, &set, SFD_NONBLOCK);
			ASSERT_LE(0, s[i]);
		}
		pid = add_and_exit(variant->by, ep, s, 8);
		ASSERT_LE(0, pid);
		while (ep_items(ep) < 1 + round % 8)
			;
		for (int i = 0; i < 8; i++) {
			if (round % 3 == 0)
				ep_del(variant->by, ep, s[i]);
			else if (round % 3 == 1)
				close(s[i]);
		}
		if (round % 3 == 2)
			close(ep);
		/* its later items may have come after our DEL, or not at all */
		ASSERT_EQ(0, reap(pid));
		for (int i = 0; i < 8; i++)
			close(s[i]);
		if (round % 3 != 2) {
			EXPECT_EQ(0, ep_items(ep));
			close(ep);
		}
	}
}

/* psi_trigger_destroy(): the queue of a pressure trigger goes with its cgroup */
TEST_F(kinds, pressure_queue_freed)
{
	const char *trigger = "some 150000 1000000";
	char group[64], path[96];
	struct epoll_event ev;
	int fd;

	snprintf(group, sizeof(group), "/sys/fs/cgroup/evpoll-%d", getpid());
	if (mkdir(group, 0700))
		SKIP(return, "%s: %s", group, strerror(errno));
	snprintf(path, sizeof(path), "%s/memory.pressure", group);
	fd = open(path, O_RDWR | O_NONBLOCK);
	if (fd < 0 || write(fd, trigger, strlen(trigger) + 1) < 0) {
		rmdir(group);
		SKIP(return, "%s: %s", path, strerror(errno));
	}
	ASSERT_EQ(0, ep_add(variant->by, self->lt, fd, EPOLLPRI));
	EXPECT_EQ(0, ep_wait(variant->by, self->lt, &ev, 1, 0));
	ASSERT_EQ(0, rmdir(group));
	/* kernfs answers for a removed file: an error */
	EXPECT_LE(0, ep_wait(variant->by, self->lt, &ev, 1, 0));
	EXPECT_EQ(0, ep_mod(variant->by, self->lt, fd, EPOLLPRI));
	EXPECT_EQ(0, ep_del(variant->by, self->lt, fd));
}

TEST_HARNESS_MAIN
