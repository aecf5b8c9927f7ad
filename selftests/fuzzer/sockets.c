// SPDX-License-Identifier: GPL-2.0-only
/* Sockets, in a network namespace of their own. */
#include "fuzzer.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#define FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

static bool pair_open(struct slot **s, int type)
{
	int p[2];

	if (socketpair(AF_UNIX, type | FLAGS, 0, p))
		return false;
	for (int i = 0; i < 2; i++) {
		int size = 8192;

		setsockopt(p[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		s[i]->fd[0] = p[i];
	}
	return true;
}

bool unix_stream_open(struct world *w, struct slot **s)
{
	return pair_open(s, SOCK_STREAM);
}

bool unix_dgram_open(struct world *w, struct slot **s)
{
	return pair_open(s, SOCK_DGRAM);
}

bool unix_seqpacket_open(struct world *w, struct slot **s)
{
	return pair_open(s, SOCK_SEQPACKET);
}

/* Bind to an address that the kernel chooses, and return it in @addr. */
static bool bind_any(int fd, struct sockaddr_storage *addr, socklen_t *len)
{
	int domain;

	*len = sizeof(domain);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, len))
		return false;
	memset(addr, 0, sizeof(*addr));
	addr->ss_family = domain;
	*len = sizeof(sa_family_t);
	if (domain == AF_INET) {
		((struct sockaddr_in *)addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*len = sizeof(struct sockaddr_in);
	}
	if (bind(fd, (struct sockaddr *)addr, *len))
		return false;
	*len = sizeof(*addr);
	return !getsockname(fd, (struct sockaddr *)addr, len);
}

static int listener(int domain, struct sockaddr_storage *addr, socklen_t *len)
{
	int fd = socket(domain, SOCK_STREAM | FLAGS, 0);
	int size = 4096;

	/* Small buffers, which accepted sockets inherit, are full soon. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (fd >= 0 && bind_any(fd, addr, len) && !listen(fd, 2))
		return fd;
	close(fd);
	return -1;
}

/* A listener, and a socket that "connect" can connect to it */
static bool listener_open(struct slot **s, int domain)
{
	struct sockaddr_storage addr;
	socklen_t len;

	s[0]->fd[0] = listener(domain, &addr, &len);
	s[1]->fd[0] = socket(domain, SOCK_STREAM | FLAGS, 0);
	return s[0]->fd[0] >= 0 && s[1]->fd[0] >= 0;
}

bool unix_listener_open(struct world *w, struct slot **s)
{
	return listener_open(s, AF_UNIX);
}

bool tcp_listener_open(struct world *w, struct slot **s)
{
	return listener_open(s, AF_INET);
}

/* A receiver that does not know its sender: the sender also waits on the receiver's queue. */
bool unix_sender_open(struct world *w, struct slot **s)
{
	struct sockaddr_storage addr;
	socklen_t len;

	s[0]->fd[0] = socket(AF_UNIX, SOCK_DGRAM | FLAGS, 0);
	s[1]->fd[0] = socket(AF_UNIX, SOCK_DGRAM | FLAGS, 0);
	return bind_any(s[0]->fd[0], &addr, &len) &&
	       !connect(s[1]->fd[0], (struct sockaddr *)&addr, len);
}

bool tcp_open(struct world *w, struct slot **s)
{
	struct sockaddr_storage addr;
	int fd, one = 1, size = 4096;
	socklen_t len;

	fd = listener(AF_INET, &addr, &len);
	s[0]->fd[0] = socket(AF_INET, SOCK_STREAM | FLAGS, 0);
	setsockopt(s[0]->fd[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(s[0]->fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	connect(s[0]->fd[0], (struct sockaddr *)&addr, len);
	/* On a busy machine ksoftirqd does the rest. */
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, SOON);
	s[1]->fd[0] = accept4(fd, NULL, NULL, FLAGS);
	close(fd);
	if (s[1]->fd[0] < 0)
		return false;
	for (int i = 0; i < 2; i++)
		setsockopt(s[i]->fd[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return true;
}

bool udp_open(struct world *w, struct slot **s)
{
	struct sockaddr_storage addr[2];
	socklen_t len;

	for (int i = 0; i < 2; i++) {
		s[i]->fd[0] = socket(AF_INET, SOCK_DGRAM | FLAGS, 0);
		if (!bind_any(s[i]->fd[0], &addr[i], &len))
			return false;
	}
	return !connect(s[0]->fd[0], (struct sockaddr *)&addr[1], len) &&
	       !connect(s[1]->fd[0], (struct sockaddr *)&addr[0], len);
}

bool is_socket(const struct slot *s)
{
	return s->kind >= UNIX_STREAM && s->kind <= UDP;
}

void socket_connect(struct slot *s, struct slot *to)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (is_socket(s) && is_socket(to) && s->kind == to->kind &&
	    !getsockname(to->fd[0], (struct sockaddr *)&addr, &len))
		connect(s->fd[0], (struct sockaddr *)&addr, len);
}

/* The new socket is a kind of its own: it has no other end among the slots of an object. */
void socket_accept(struct slot *listener, struct slot *s)
{
	s->fd[0] = is_socket(listener) ? accept4(listener->fd[0], NULL, NULL, FLAGS) : -1;
	s->fd[1] = s->fd[0];
	s->open = s->fd[0] >= 0;
	s->kind = listener->kind;
}

/* With a TCP socket, the peer gets RST in place of FIN. */
void socket_reset(struct slot *s)
{
	struct linger linger = { .l_onoff = 1 };

	if (is_socket(s))
		setsockopt(s->fd[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void socket_urgent(struct slot *s)
{
	if (is_socket(s))
		send(s->fd[0], "!", 1, MSG_OOB | MSG_NOSIGNAL);
}

/* Acknowledge at once on this route: no TCP timer has work to do later. */
static bool acknowledge_at_once(void)
{
	struct {
		struct nlmsghdr nl;
		struct rtmsg rt;
		struct rtattr dst_attr;
		struct in_addr dst;
		struct rtattr oif_attr;
		int oif;
		struct rtattr metrics_attr;
		struct rtattr quickack_attr;
		uint32_t quickack;
	} request = {
		.nl = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_NEWROUTE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK,
		},
		.rt = {
			.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_LOCAL,
			.rtm_protocol = RTPROT_KERNEL, .rtm_scope = RT_SCOPE_HOST,
			.rtm_type = RTN_LOCAL,
		},
		.dst_attr = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_DST },
		.dst.s_addr = htonl(INADDR_LOOPBACK),
		.oif_attr = { .rta_len = RTA_LENGTH(4), .rta_type = RTA_OIF },
		.oif = 1,
		.metrics_attr = { .rta_len = RTA_LENGTH(RTA_LENGTH(4)), .rta_type = RTA_METRICS },
		.quickack_attr = { .rta_len = RTA_LENGTH(4), .rta_type = RTAX_QUICKACK },
		.quickack = 1,
	};
	struct {
		struct nlmsghdr nl;
		struct nlmsgerr error;
		char rest[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool done = send(fd, &request, sizeof(request), 0) == sizeof(request) &&
		    recv(fd, &answer, sizeof(answer), 0) > 0 && !answer.error.error;

	close(fd);
	return done;
}

bool network_setup(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = !ioctl(fd, SIOCSIFFLAGS, &ifr);

	close(fd);
	return up && acknowledge_at_once();
}
