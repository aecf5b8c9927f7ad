// SPDX-License-Identifier: GPL-2.0-only
/* R33, R11: sockets of every family at hand. */
#include "evpoll_net.h"
#include "kinds.h"

#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <sys/un.h>

#define BUF (64 * 1024)

/* Write until it is full; false on any other end. */
static bool fill(int fd)
{
	static char buf[BUF];

	while (send(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	return errno == EAGAIN;
}

/* Read until it is empty. */
static bool drain(int fd)
{
	static char buf[BUF];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	return errno == EAGAIN;
}

/* Bind a unix socket to an abstract address that the kernel chooses: @a, of @len bytes. */
static int autobind(int fd, struct sockaddr_un *a, socklen_t *len)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*len = sizeof(*a);
	if (bind(fd, (struct sockaddr *)a, sizeof(sa_family_t)))
		return -1;
	return getsockname(fd, (struct sockaddr *)a, len);
}

/* R33: AF_UNIX, SOCK_STREAM: data, a full buffer and its end, half close, close */
TEST_F(kinds, unix_stream)
{
	int s[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT | EPOLLWRBAND);
	ASSERT_EQ(0, put_byte(s[1]));
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLWRBAND);
	ASSERT_TRUE(drain(s[0]));
	EXPECT_STATE(s[0], OUT | EPOLLWRBAND);
	ASSERT_TRUE(fill(s[0]));
	EXPECT_STATE(s[0], 0);
	ASSERT_TRUE(drain(s[1]));
	EXPECT_CHANGE(s[0], OUT | EPOLLWRBAND);
	ASSERT_EQ(0, shutdown(s[1], SHUT_WR));
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLWRBAND | EPOLLRDHUP);
	close(s[1]);
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLWRBAND | EPOLLRDHUP | EPOLLHUP);
}

/* R33: AF_UNIX, SOCK_DGRAM: the receiver's full queue is the sender's (peer_wait) */
TEST_F(kinds, unix_dgram)
{
	struct sockaddr_un a;
	socklen_t len;
	int r = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM, 0);

	ASSERT_EQ(0, autobind(r, &a, &len));
	ASSERT_EQ(0, connect(s, (struct sockaddr *)&a, len));
	WATCH(r);
	WATCH(s);
	EXPECT_STATE(s, OUT | EPOLLWRBAND);
	EXPECT_STATE(r, OUT | EPOLLWRBAND);
	ASSERT_EQ(1, send(s, "x", 1, 0));
	EXPECT_CHANGE(r, IN | OUT | EPOLLWRBAND);
	while (send(s, "x", 1, MSG_DONTWAIT) == 1)
		;
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_STATE(s, 0);
	ASSERT_TRUE(drain(r));
	EXPECT_STATE(r, OUT | EPOLLWRBAND);
	EXPECT_CHANGE(s, OUT | EPOLLWRBAND);
	/* when the receiver closes, the sender has the mask that poll(2) returns */
	close(r);
	EXPECT_EQ(ep_mask(BY_EPOLL, self->oracle, s, 0), ep_mask(variant->by, self->lt, s, 0));
}

/* R33: AF_UNIX, SOCK_SEQPACKET */
TEST_F(kinds, unix_seqpacket)
{
	int s[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT | EPOLLWRBAND);
	ASSERT_EQ(0, put_byte(s[1]));
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLWRBAND);
	ASSERT_EQ(0, get_byte(s[0]));
	EXPECT_STATE(s[0], OUT | EPOLLWRBAND);
	close(s[1]);
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLWRBAND | EPOLLRDHUP | EPOLLHUP);
}

/* R33: a unix socket that listens */
TEST_F(kinds, unix_accept)
{
	struct sockaddr_un a;
	socklen_t len;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);

	ASSERT_EQ(0, autobind(l, &a, &len));
	ASSERT_EQ(0, listen(l, 4));
	WATCH(l);
	EXPECT_FALSE(ep_mask(variant->by, self->lt, l, 0) & EPOLLIN);
	ASSERT_EQ(0, connect(c, (struct sockaddr *)&a, len));
	EXPECT_SAME_CHANGE(l, EPOLLIN);
	ASSERT_LE(0, accept(l, NULL, NULL));
	EXPECT_FALSE(ep_mask(variant->by, self->lt, l, 0) & EPOLLIN);
}

/* R33, R4: a TCP socket that listens is readable when a connection waits */
TEST_F(kinds, tcp_accept)
{
	int c = socket(AF_INET, SOCK_STREAM, 0), l;
	struct sockaddr_in a;

	l = tcp_listen(&a);
	WATCH(l);
	EXPECT_STATE(l, 0);
	ASSERT_EQ(0, connect(c, (struct sockaddr *)&a, sizeof(a)));
	EXPECT_CHANGE(l, IN);
	ASSERT_LE(0, accept(l, NULL, NULL));
	EXPECT_STATE(l, 0);
}

/* R33: data on a TCP connection */
TEST_F(kinds, tcp_data)
{
	int s[2];

	ASSERT_EQ(0, tcp_pair(s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT);
	ASSERT_EQ(0, put_byte(s[1]));
	EXPECT_CHANGE(s[0], IN | OUT);
	ASSERT_EQ(0, get_byte(s[0]));
	EXPECT_STATE(s[0], OUT);
}

/* R33: a TCP connection whose window is full, and is opened again */
TEST_F(kinds, tcp_full)
{
	struct pollfd pfd;
	int s[2];

	ASSERT_EQ(0, tcp_pair(s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT);
	/* what is sent may still move to the other side */
	pfd = (struct pollfd){ .fd = s[0], .events = POLLOUT };
	do {
		ASSERT_TRUE(fill(s[0]));
	} while (poll(&pfd, 1, 100) > 0);
	EXPECT_STATE(s[0], 0);
	EXPECT_EQ(0, ep_mask(variant->by, self->et, s[0], 0) & EPOLLIN);
	pfd.fd = s[1];
	pfd.events = POLLIN;
	while (!ep_mask(variant->by, self->lt, s[0], 0) && poll(&pfd, 1, SOON) > 0) {
		ASSERT_TRUE(drain(s[1]));
	}
	EXPECT_CHANGE(s[0], OUT);
}

/* R11: EPOLLOUT when a non-blocking connect succeeded */
TEST_F(kinds, tcp_connects)
{
	int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), l, err;
	socklen_t len = sizeof(err);
	struct sockaddr_in a;

	l = tcp_listen(&a);
	ASSERT_LE(0, l);
	WATCH(c);
	EXPECT_CHANGE(c, OUT | EPOLLHUP);
	EXPECT_ERRNO(EINPROGRESS, connect(c, (struct sockaddr *)&a, sizeof(a)));
	EXPECT_CHANGE(c, OUT);
	ASSERT_EQ(0, getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len));
	EXPECT_EQ(0, err);
}

/* R11: EPOLLERR and EPOLLHUP, unasked for, when it was refused */
TEST_F(kinds, tcp_connect_refused)
{
	int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), l, err;
	socklen_t len = sizeof(err);
	struct sockaddr_in a;

	l = tcp_listen(&a);
	ASSERT_LE(0, l);
	close(l);
	WATCH(c);
	EXPECT_CHANGE(c, OUT | EPOLLHUP);
	EXPECT_ERRNO(EINPROGRESS, connect(c, (struct sockaddr *)&a, sizeof(a)));
	EXPECT_CHANGE(c, IN | OUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
	ASSERT_EQ(0, getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len));
	EXPECT_EQ(ECONNREFUSED, err);
	EXPECT_STATE(c, IN | OUT | EPOLLRDHUP | EPOLLHUP);
}

/* R11: EPOLLRDHUP when the peer half closed, EPOLLIN too (FIN); EPOLLHUP when both did */
TEST_F(kinds, tcp_half_close)
{
	int s[2];

	ASSERT_EQ(0, tcp_pair(s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT);
	ASSERT_EQ(0, shutdown(s[1], SHUT_WR));
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLRDHUP);
	ASSERT_EQ(0, shutdown(s[0], SHUT_WR));
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLRDHUP | EPOLLHUP);
}

/* R11: EPOLLIN also when the peer closed */
TEST_F(kinds, tcp_peer_closed)
{
	int s[2];

	ASSERT_EQ(0, tcp_pair(s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT);
	close(s[1]);
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLRDHUP);
	EXPECT_EQ(-1, get_byte(s[0]));
}

/* R11: EPOLLPRI on urgent data */
TEST_F(kinds, tcp_urgent)
{
	int s[2];
	char c;

	ASSERT_EQ(0, tcp_pair(s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT);
	ASSERT_EQ(1, send(s[1], "!", 1, MSG_OOB));
	EXPECT_CHANGE(s[0], OUT | EPOLLPRI);
	ASSERT_EQ(1, recv(s[0], &c, 1, MSG_OOB));
	EXPECT_STATE(s[0], OUT);
}

/* R11: EPOLLERR and EPOLLHUP on a reset */
TEST_F(kinds, tcp_reset)
{
	struct linger now = { 1, 0 };
	int s[2];

	ASSERT_EQ(0, tcp_pair(s));
	WATCH(s[0]);
	EXPECT_CHANGE(s[0], OUT);
	ASSERT_EQ(0, setsockopt(s[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(s[1]);
	EXPECT_CHANGE(s[0], IN | OUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
}

/* R11: the same for an empty mask */
TEST_F(kinds, error_and_hangup_unasked)
{
	struct linger now = { 1, 0 };
	int s[2];

	ASSERT_EQ(0, tcp_pair(s));
	ASSERT_EQ(0, ep_add(variant->by, self->et, s[0], 0));
	EXPECT_EQ(0, ep_mask(variant->by, self->et, s[0], 0));
	ASSERT_EQ(0, put_byte(s[1]));
	EXPECT_EQ(0, ep_mask(variant->by, self->et, s[0], 0));
	ASSERT_EQ(0, setsockopt(s[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(s[1]);
	EXPECT_EQ(EPOLLERR | EPOLLHUP, edge(variant->by, self->et, s[0], EPOLLERR | EPOLLHUP));
}

/* R33: UDP: datagrams, and the error that comes back by ICMP */
TEST_F(kinds, udp)
{
	int r = socket(AF_INET, SOCK_DGRAM, 0), s = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a;

	ASSERT_EQ(0, bind_loopback(r, &a));
	ASSERT_EQ(0, connect(s, (struct sockaddr *)&a, sizeof(a)));
	WATCH(r);
	WATCH(s);
	EXPECT_STATE(r, OUT | EPOLLWRBAND);
	ASSERT_EQ(1, send(s, "x", 1, 0));
	EXPECT_CHANGE(r, IN | OUT | EPOLLWRBAND);
	ASSERT_TRUE(drain(r));
	EXPECT_STATE(r, OUT | EPOLLWRBAND);
	close(r);
	ASSERT_EQ(1, send(s, "x", 1, 0));
	EXPECT_CHANGE(s, OUT | EPOLLWRBAND | EPOLLERR);
	EXPECT_ERRNO(ECONNREFUSED, send(s, "x", 1, 0));
}

/* R33: netlink(7): an answer of the kernel */
TEST_F(kinds, netlink)
{
	struct {
		struct nlmsghdr n;
		struct rtgenmsg g;
	} req = {
		.n = { .nlmsg_len = sizeof(req), .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	WATCH(s);
	EXPECT_STATE(s, OUT | EPOLLWRBAND);
	ASSERT_EQ((ssize_t)sizeof(req), send(s, &req, sizeof(req), 0));
	EXPECT_CHANGE(s, IN | OUT | EPOLLWRBAND);
	ASSERT_TRUE(drain(s));
	EXPECT_STATE(s, OUT | EPOLLWRBAND);
}

/* R33: packet(7): a frame that passes the loopback */
TEST_F(kinds, packet)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = 1 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
				 .sin_port = htons(9) };
	int s = socket(AF_PACKET, SOCK_RAW, 0), u = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0)
		SKIP(return, "socket(AF_PACKET): %s", strerror(errno));
	ASSERT_EQ(0, bind(s, (struct sockaddr *)&ll, sizeof(ll)));
	WATCH(s);
	ASSERT_EQ(1, sendto(u, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
	EXPECT_CHANGE(s, IN | OUT | EPOLLWRBAND);
}

TEST_HARNESS_MAIN
