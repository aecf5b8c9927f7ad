// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ready ring: what comes by the ring, and what by a call. Waits and wakeups are in ring_wait.c,
 * the mapping is in ring_mmap.c.
 */
#include "evpoll_ring_test.h"

#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

enum { SLOTS = 8 };

FIXTURE(ring) {
	struct evpoll_ring ring;
	int ep;
	int rd, wr;	/* a non-blocking pipe */
};

FIXTURE_SETUP(ring)
{
	int p[2];

	self->ep = ring_open(&self->ring, SLOTS);
	ASSERT_LE(0, self->ep) TH_LOG("no instance or no ring: %s", strerror(errno));
	ASSERT_EQ(0, pipe2(p, O_NONBLOCK | O_CLOEXEC));
	self->rd = p[0];
	self->wr = p[1];
}

FIXTURE_TEARDOWN(ring)
{
	ring_shut(&self->ring);
	close(self->rd);
	close(self->wr);
}

/* R42: an edge-triggered event comes without a system call, once, and on no list of the kernel */
TEST_F(ring, edge_without_a_call)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	EXPECT_NO_HARVEST(&self->ring);
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_HARVEST(&self->ring, EPOLLIN, self->rd);
	EXPECT_NO_HARVEST(&self->ring);
	EXPECT_FALSE(ring_more(&self->ring));
	EXPECT_EQ(0, stats_of(&self->ring).reads);
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_HARVEST(&self->ring, EPOLLIN, self->rd);
}

/* R29: bits join until they are harvested */
TEST_F(ring, bits_join)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t count;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLOUT | EPOLLET));
	/* MOD found it writable */
	EXPECT_EQ(EPOLLOUT, ep_mask(BY_WAIT, self->ep, fd, 0));
	ASSERT_EQ(0, eventfd_write(fd, 1));
	ASSERT_EQ(0, eventfd_read(fd, &count));
	EXPECT_HARVEST(&self->ring, EPOLLIN | EPOLLOUT, fd);
	EXPECT_NO_HARVEST(&self->ring);
	EXPECT_EQ(1, stats_of(&self->ring).published);
}

/* R42, R43: level-triggered comes by the ring, and again by a call as long as it holds */
TEST_F(ring, level_is_told_again)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_TRUE(ring_more(&self->ring));
	EXPECT_HARVEST(&self->ring, EPOLLIN, self->rd);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->rd, -1));
	EXPECT_TRUE(ring_more(&self->ring));
	ASSERT_EQ(0, get_byte(self->rd));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
	EXPECT_FALSE(ring_more(&self->ring));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_HARVEST(&self->ring, EPOLLIN, self->rd);
}

/* A call has the whole mask, and what it reports is not in the ring any more. */
TEST_F(ring, call_takes_the_bits_along)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLOUT));
	EXPECT_EQ(EPOLLOUT, ep_mask(BY_WAIT, self->ep, fd, 0));
	ASSERT_EQ(0, eventfd_write(fd, 1));
	EXPECT_EQ(EPOLLIN | EPOLLOUT, ep_mask(BY_WAIT, self->ep, fd, 0));
	EXPECT_NO_HARVEST(&self->ring);
}

/* R43: a program that never sleeps hears of a level-triggered file again after 16 harvests */
TEST_F(ring, level_is_told_while_awake)
{
	int fd = eventfd(0, EFD_NONBLOCK), seen = 0, waits = 0;
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, put_byte(self->wr));
	while (seen < 3 && waits < 100) {
		ASSERT_EQ(0, eventfd_write(fd, 1));
		ASSERT_EQ(1, evpoll_ring_wait(&self->ring, &ev, 1, 0));
		seen += ev.data.u64 == self->rd;
		waits++;
	}
	EXPECT_EQ(3, seen);
	EXPECT_GE(2 * (EVPOLL_RING_TURNS + 2), waits);
}

/* R19: one-shot is told once, by the ring or by a call, and again after MOD */
TEST_F(ring, oneshot)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_HARVEST(&self->ring, EPOLLIN, self->rd);
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_NO_HARVEST(&self->ring);
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));

	ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	/* MOD has polled it. */
	EXPECT_NO_HARVEST(&self->ring);
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->rd, 0));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_NO_HARVEST(&self->ring);
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));

	while (!get_byte(self->rd))
		;
	ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_HARVEST(&self->ring, EPOLLIN, self->rd);
}

/* The registrations of @ep as fdinfo shows them: the mask of @fd, or 0 */
static uint32_t shown_mask(int ep, int fd)
{
	uint32_t mask = 0, m;
	char line[256];
	int tfd;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", ep);
	f = fopen(line, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "tfd: %d events: %x", &tfd, &m) == 2 && tfd == fd)
			mask = m;
	if (f)
		fclose(f);
	return mask;
}

/* As with epoll, fdinfo shows a one-shot registration disarmed once it was told. */
TEST_F(ring, oneshot_in_fdinfo)
{
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLONESHOT, shown_mask(self->ep, self->rd));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(EPOLLONESHOT, shown_mask(self->ep, self->rd));
}

/* After DEL no harvest shows the registration, and another one may get its slot only afterwards. */
TEST_F(ring, del_takes_the_event_away)
{
	int other = eventfd(0, EFD_NONBLOCK);

	for (int i = 0; i < 5 * SLOTS; i++) {
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
		while (!get_byte(self->rd))
			;
		ASSERT_EQ(0, put_byte(self->wr));
		ASSERT_EQ(0, ep_del(BY_WAIT, self->ep, self->rd));
		if (i % 3)
			EXPECT_NO_HARVEST(&self->ring);
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, other, EPOLLIN | EPOLLET));
		if (!(i % 3))
			EXPECT_NO_HARVEST(&self->ring);
		ASSERT_EQ(0, eventfd_write(other, 1));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, other, 0));
		EXPECT_NO_HARVEST(&self->ring);
		ASSERT_EQ(0, ep_del(BY_WAIT, self->ep, other));
	}
}

/* The same for a registration that ends with its file. */
TEST_F(ring, close_takes_the_event_away)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, put_byte(self->wr));
	close(self->rd);
	EXPECT_NO_HARVEST(&self->ring);
	EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_items(self->ep));
}

/* FORGET, for a file that lives on. */
TEST_F(ring, forget_takes_the_event_away)
{
	struct evpoll_ctl forget = { .op = EVPOLL_CTL_FORGET, .fd = self->rd };
	int copy = dup(self->rd);

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, put_byte(self->wr));
	close(self->rd);
	EXPECT_EQ(0, ioctl(self->ep, EVPOLL_IOC_CTL, &forget));
	EXPECT_NO_HARVEST(&self->ring);
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_NO_HARVEST(&self->ring);
	close(copy);
}

/* MOD: no harvest shows a bit of the old mask, or the old data. */
TEST_F(ring, mod_takes_the_old_event_away)
{
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	for (uint64_t data = 1; data < 5 * SLOTS; data++) {
		while (!get_byte(self->rd))
			;
		ASSERT_EQ(0, put_byte(self->wr));
		ASSERT_EQ(0, ep_ctl(BY_WAIT, self->ep, EPOLL_CTL_MOD, self->rd, EPOLLOUT | EPOLLET,
				    data));
		if (data % 2)
			EXPECT_NO_HARVEST(&self->ring);
		ASSERT_EQ(0, ep_ctl(BY_WAIT, self->ep, EPOLL_CTL_MOD, self->rd, EPOLLIN | EPOLLET,
				    data));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, data, 0));
		EXPECT_NO_HARVEST(&self->ring);
		ASSERT_EQ(0, put_byte(self->wr));
		EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, data, 0));
	}
}

/* From level- to edge-triggered: the event of the new registration is not taken for an old one. */
TEST_F(ring, mod_from_level_to_edge)
{
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN));
	ASSERT_EQ(0, put_byte(self->wr));
	ASSERT_EQ(0, get_byte(self->rd));
	ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	/* The item may be ready still. */
	ep_mask(BY_WAIT, self->ep, self->rd, 0);
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->rd, 0));
}

/* R44: wakers without a key, and events that only a poll can tell, come by a call */
TEST_F(ring, without_a_key)
{
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fd = signalfd(-1, &mask, SFD_NONBLOCK);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, raise(SIGUSR1));
	EXPECT_NO_HARVEST(&self->ring);
	EXPECT_TRUE(ring_more(&self->ring));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, fd, -1));
	EXPECT_FALSE(ring_more(&self->ring));
}

TEST_F(ring, hangup_comes_by_a_call)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	close(self->wr);
	EXPECT_NO_HARVEST(&self->ring);
	ASSERT_EQ(1, evpoll_ring_wait(&self->ring, &ev, 1, -1));
	EXPECT_EVENT(EPOLLHUP, self->rd, ev);
}

/* EPOLLPRI in the mask: a socket's waker names it with all data. */
TEST_F(ring, urgent_data_is_not_guessed)
{
	struct epoll_event ev;
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sock));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, sock[0], EPOLLIN | EPOLLPRI | EPOLLET));
	ASSERT_EQ(0, put_byte(sock[1]));
	EXPECT_NO_HARVEST(&self->ring);
	ASSERT_EQ(1, evpoll_ring_wait(&self->ring, &ev, 1, -1));
	EXPECT_EVENT(EPOLLIN, sock[0], ev);
	/* Without EPOLLPRI it comes by the ring. */
	ASSERT_EQ(0, get_byte(sock[0]));
	ASSERT_EQ(0, ep_mod(BY_WAIT, self->ep, sock[0], EPOLLIN | EPOLLET));
	ASSERT_EQ(0, put_byte(sock[1]));
	EXPECT_HARVEST(&self->ring, EPOLLIN, sock[0]);
}

/* R44: registrations without a slot work by calls */
TEST_F(ring, more_files_than_slots)
{
	enum { FILES = 3 * SLOTS };
	int fd[FILES], harvested, called;
	struct epoll_event ev[FILES];

	for (int i = 0; i < FILES; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK);
		ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, fd[i], EPOLLIN | EPOLLET));
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < FILES; i++)
			ASSERT_EQ(0, eventfd_write(fd[i], 1));
		harvested = evpoll_ring_harvest(&self->ring, ev, FILES);
		called = ep_wait(BY_WAIT, self->ep, ev, FILES, 0);
		EXPECT_EQ(SLOTS, harvested);
		EXPECT_EQ(FILES - SLOTS, called);
		EXPECT_EQ(0, ep_wait(BY_WAIT, self->ep, ev, FILES, 0));
	}
}

/* The order of edge-triggered events is that of the wakeups. The index goes round. */
TEST_F(ring, order)
{
	struct epoll_event ev[SLOTS];
	int fd[SLOTS], n;

	for (int i = 0; i < SLOTS; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK);
		ASSERT_EQ(0, ep_ctl(BY_WAIT, self->ep, EPOLL_CTL_ADD, fd[i], EPOLLIN | EPOLLET, i));
	}
	for (int round = 0; round < 10 * SLOTS; round++) {
		n = 1 + round % SLOTS;
		for (int i = 0; i < n; i++)
			ASSERT_EQ(0, eventfd_write(fd[(round + i) % SLOTS], 1));
		for (int i = 0, got; i < n; i += got) {
			got = evpoll_ring_harvest(&self->ring, ev, 1 + round % 3);
			ASSERT_LT(0, got);
			for (int j = 0; j < got; j++)
				EXPECT_EQ((round + i + j) % SLOTS, ev[j].data.u64);
		}
		EXPECT_NO_HARVEST(&self->ring);
	}
}

/* Two registrations of one file, as with dup(), have a slot each. */
TEST_F(ring, two_registrations_of_a_file)
{
	int copy = dup(self->rd);
	struct epoll_event ev[4];

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, copy, EPOLLIN));
	ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_EQ(2, evpoll_ring_harvest(&self->ring, ev, 4));
	EXPECT_EQ(self->rd + copy, ev[0].data.u64 + ev[1].data.u64);
}

/* Counters, and fdinfo */
TEST_F(ring, counters)
{
	struct evpoll_stats stats;
	struct epoll_event ev;
	char path[64], text[4096] = "";
	int f;

	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->rd, EPOLLIN | EPOLLET));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, put_byte(self->wr));
	EXPECT_HARVEST(&self->ring, EPOLLIN, self->rd);
	ASSERT_EQ(0, put_byte(self->wr));
	stats = stats_of(&self->ring);
	EXPECT_EQ(4, stats.callbacks);
	EXPECT_EQ(2, stats.published);
	EXPECT_EQ(0, stats.queued);
	EXPECT_EQ(0, stats.harvested);
	EXPECT_EQ(1, ep_wait(BY_WAIT, self->ep, &ev, 1, 0));
	stats = stats_of(&self->ring);
	EXPECT_EQ(2, stats.harvested);
	EXPECT_EQ(1, stats.delivered);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->ep);
	f = open(path, O_RDONLY);
	ASSERT_LT(0, read(f, text, sizeof(text) - 1));
	close(f);
	EXPECT_NE(NULL, strstr(text, "ring_slots: 8\npublished: 2\nharvested: 2\n"));
}

TEST_HARNESS_MAIN
