// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which events come (R11): peers that close, half or whole, connects, urgent data, and ERR and HUP
 * that are not in the mask. Each is seen twice: by a wakeup (the item is added before it happens)
 * and by polling the file (the item is added after it).
 */
#include "evpoll_net.h"
#include "evpoll_util.h"

#include <netinet/tcp.h>

FIXTURE(events) {
	int ep;
	int late;	/* where a file is added once its event has come */
	int sv[2];
};

FIXTURE_VARIANT(events) {
	enum mechanism by;
};

EP_VARIANTS(events);

FIXTURE_SETUP(events)
{
	signal(SIGPIPE, SIG_IGN);
	self->ep = ep_create(variant->by, O_CLOEXEC);
	self->late = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	ASSERT_LE(0, self->late);
}

FIXTURE_TEARDOWN(events)
{
	close(self->ep);
	close(self->late);
}

/*
 * Wait until @fd reports @expected, exactly, in self->ep where it is watched with @asked already;
 * it may take some wakeups to get there. Then add it to self->late: there it is at once.
 */
#define EXPECT_COMES(expected, fd, asked) do {						\
	long long end = now_ms() + SOON;						\
	struct epoll_event ev_ = {};							\
											\
	while (ev_.events != (uint32_t)(expected) && now_ms() < end)			\
		EXPECT_LE(0, ep_wait(variant->by, self->ep, &ev_, 1, 100));		\
	EXPECT_EVENT(expected, fd, ev_);						\
	ASSERT_EQ(0, ep_add(variant->by, self->late, fd, asked));			\
	memset(&ev_, 0, sizeof(ev_));							\
	EXPECT_EQ(1, ep_wait(variant->by, self->late, &ev_, 1, 0));			\
	EXPECT_EVENT(expected, fd, ev_);						\
	ASSERT_EQ(0, ep_del(variant->by, self->late, fd));				\
} while (0)

/* R11: a closed peer (FIN) is EPOLLIN, and the read gives 0 */
TEST_F(events, tcp_fin)
{
	char c;

	ASSERT_EQ(0, tcp_pair(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], EPOLLIN));
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->ep, .events = POLLIN }, 1, 0));
	close(self->sv[1]);
	EXPECT_COMES(EPOLLIN, self->sv[0], EPOLLIN);
	EXPECT_EQ(0, read(self->sv[0], &c, 1));
}

/* R11: EPOLLRDHUP on half close, if the mask has it */
TEST_F(events, tcp_rdhup)
{
	ASSERT_EQ(0, tcp_pair(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], EPOLLRDHUP));
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->ep, .events = POLLIN }, 1, 0));
	ASSERT_EQ(0, shutdown(self->sv[1], SHUT_WR));
	EXPECT_COMES(EPOLLRDHUP, self->sv[0], EPOLLRDHUP);
	EXPECT_COMES(EPOLLRDHUP, self->sv[0], EPOLLRDHUP | EPOLLPRI);
}

/* R11: the half that is left still works */
TEST_F(events, tcp_rdhup_with_data)
{
	char c;

	ASSERT_EQ(0, tcp_pair(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	ASSERT_EQ(0, put_byte(self->sv[1]));
	ASSERT_EQ(0, shutdown(self->sv[1], SHUT_WR));
	EXPECT_COMES(EPOLLIN | EPOLLOUT | EPOLLRDHUP, self->sv[0],
		     EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	EXPECT_EQ(1, read(self->sv[0], &c, 1));
	EXPECT_EQ(0, read(self->sv[0], &c, 1));
	ASSERT_EQ(0, put_byte(self->sv[0]));
	EXPECT_EQ(0, get_byte(self->sv[1]));
}

/* R11: both halves closed is EPOLLHUP, whether or not the mask has it */
TEST_F(events, tcp_hup)
{
	ASSERT_EQ(0, tcp_pair(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], 0));
	ASSERT_EQ(0, shutdown(self->sv[0], SHUT_WR));
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->ep, .events = POLLIN }, 1, 0));
	ASSERT_EQ(0, shutdown(self->sv[1], SHUT_WR));
	EXPECT_COMES(EPOLLHUP, self->sv[0], 0);
}

/* R11: a reset is EPOLLERR and EPOLLHUP, whether or not the mask has them */
TEST_F(events, tcp_reset)
{
	struct linger abort = { .l_onoff = 1 };

	ASSERT_EQ(0, tcp_pair(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], 0));
	ASSERT_EQ(0, setsockopt(self->sv[1], SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)));
	close(self->sv[1]);
	EXPECT_COMES(EPOLLERR | EPOLLHUP, self->sv[0], 0);
}

/* R11: urgent data is EPOLLPRI; the mask keeps it apart from EPOLLIN */
TEST_F(events, tcp_urgent)
{
	struct epoll_event ev = {};
	char c;

	ASSERT_EQ(0, tcp_pair(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], EPOLLPRI));
	ASSERT_EQ(0, put_byte(self->sv[1]));
	ASSERT_EQ(1, poll(&(struct pollfd){ .fd = self->sv[0], .events = POLLIN }, 1, SOON));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(1, send(self->sv[1], "!", 1, MSG_OOB));
	EXPECT_COMES(EPOLLPRI, self->sv[0], EPOLLPRI);
	EXPECT_COMES(EPOLLPRI, self->sv[0], EPOLLPRI | EPOLLRDHUP);
	EXPECT_EQ(1, recv(self->sv[0], &c, 1, MSG_OOB));
	EXPECT_EQ('!', c);
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* R11: EPOLLOUT when a non-blocking connect succeeded */
TEST_F(events, connect_succeeds)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(int);
	int l = tcp_listen(&addr), error = -1, c;

	ASSERT_LE(0, l);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ASSERT_LE(0, c);
	EXPECT_ERRNO(EINPROGRESS, connect(c, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, c, EPOLLOUT));
	EXPECT_COMES(EPOLLOUT, c, EPOLLOUT);
	ASSERT_EQ(0, getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len));
	EXPECT_EQ(0, error);
	close(c);
	close(l);
}

/*
 * R11: EPOLLOUT by wakeup, which loopback alone cannot show: the listener's queue is full, so
 * the connect succeeds only once the accept has made room and the SYN came again
 */
TEST_F(events, connect_succeeds_later)
{
	int fill, c, l, a;
	struct sockaddr_in addr;
	struct epoll_event ev;

	l = tcp_listen(&addr);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, listen(l, 0));
	/* backlog 0 takes one connection */
	fill = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(0, connect(fill, (struct sockaddr *)&addr, sizeof(addr)));
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	EXPECT_ERRNO(EINPROGRESS, connect(c, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, c, EPOLLOUT));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	a = accept(l, NULL, NULL);
	ASSERT_LE(0, a);
	EXPECT_COMES(EPOLLOUT, c, EPOLLOUT);
	close(a);
	close(c);
	close(fill);
	close(l);
}

/* R11: a refused connect is EPOLLERR and EPOLLHUP in addition to the events of the mask */
TEST_F(events, connect_refused)
{
	struct sockaddr_in addr;
	int l = tcp_listen(&addr), c;

	ASSERT_LE(0, l);
	close(l);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ASSERT_LE(0, c);
	EXPECT_ERRNO(EINPROGRESS, connect(c, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, c, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	EXPECT_COMES(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP, c,
		     EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	close(c);
}

/* R11: a listening socket is EPOLLIN when a connection waits to be accepted */
TEST_F(events, accept_is_in)
{
	struct sockaddr_in addr;
	int l = tcp_listen(&addr), c;
	struct epoll_event ev;

	ASSERT_LE(0, l);
	ASSERT_EQ(0, ep_add(variant->by, self->ep, l, EPOLLIN));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	c = socket(AF_INET, SOCK_STREAM, 0);
	ASSERT_EQ(0, connect(c, (struct sockaddr *)&addr, sizeof(addr)));
	EXPECT_COMES(EPOLLIN, l, EPOLLIN);
	close(accept(l, NULL, NULL));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	close(c);
	close(l);
}

/* R11: the last writer of a pipe gone is EPOLLHUP, though the mask is 0 */
TEST_F(events, pipe_hup)
{
	ASSERT_EQ(0, pipe(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], 0));
	ASSERT_EQ(0, put_byte(self->sv[1]));
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->ep, .events = POLLIN }, 1, 0));
	close(self->sv[1]);
	EXPECT_COMES(EPOLLHUP, self->sv[0], 0);
	EXPECT_COMES(EPOLLHUP, self->sv[0], EPOLLOUT);
}

/* R11: the last reader of a pipe gone is EPOLLERR, though the mask is 0 */
TEST_F(events, pipe_err)
{
	ASSERT_EQ(0, pipe(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[1], 0));
	EXPECT_EQ(0, poll(&(struct pollfd){ .fd = self->ep, .events = POLLIN }, 1, 0));
	close(self->sv[0]);
	EXPECT_COMES(EPOLLERR, self->sv[1], 0);
}

/* R11: a unix stream socket, half closed and closed */
TEST_F(events, unix_rdhup_and_hup)
{
	const uint32_t asked = EPOLLIN | EPOLLRDHUP;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], asked));
	ASSERT_EQ(0, shutdown(self->sv[1], SHUT_WR));
	EXPECT_COMES(EPOLLIN | EPOLLRDHUP, self->sv[0], asked);
	close(self->sv[1]);
	EXPECT_COMES(EPOLLIN | EPOLLRDHUP | EPOLLHUP, self->sv[0], asked);
}

/* R11, epoll_ctl(2): the RDNORM, RDBAND, WRNORM bits are masked and reported like the others */
TEST_F(events, norm_bits)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], EPOLLRDNORM));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, put_byte(self->sv[1]));
	EXPECT_COMES(EPOLLRDNORM, self->sv[0], EPOLLRDNORM);
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->sv[0], EPOLLWRNORM | EPOLLWRBAND));
	EXPECT_COMES(EPOLLWRNORM | EPOLLWRBAND, self->sv[0], EPOLLWRNORM | EPOLLWRBAND);
}

/* R29: what waits joins the mask whatever woke: data and urgent data and half close together */
TEST_F(events, tcp_masks_join)
{
	const uint32_t asked = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLOUT;

	ASSERT_EQ(0, tcp_pair(self->sv));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->sv[0], asked));
	ASSERT_EQ(0, put_byte(self->sv[1]));
	ASSERT_EQ(1, send(self->sv[1], "!", 1, MSG_OOB));
	ASSERT_EQ(0, shutdown(self->sv[1], SHUT_WR));
	EXPECT_COMES(asked, self->sv[0], asked);
}

TEST_HARNESS_MAIN
