/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets on the loopback. Needs no test harness: tools/ uses it too. */
#ifndef EVPOLL_NET_H
#define EVPOLL_NET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bind @fd to a loopback port that the kernel chooses. The address goes to @addr. */
static inline int bind_loopback(int fd, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, len))
		return -1;
	return getsockname(fd, (struct sockaddr *)addr, &len);
}

/* A TCP socket that listens. Its address goes to @addr. */
static inline int tcp_listen(struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind_loopback(fd, addr) || listen(fd, 8) ? -1 : fd;
}

/* Both ends of a TCP connection; the one at s[0] has called connect(). Data wakes in softirq. */
static inline int tcp_pair(int s[2])
{
	struct sockaddr_in addr;
	int l = tcp_listen(&addr);

	s[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l < 0 || s[0] < 0 || connect(s[0], (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	s[1] = accept(l, NULL, NULL);
	close(l);
	return s[1] < 0 ? -1 : 0;
}

/* A UDP socket that receives what it sends. Data wakes in softirq. */
static inline int udp_to_itself(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in addr;

	if (bind_loopback(fd, &addr) || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

#endif /* EVPOLL_NET_H */
