// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `make run` shows: evpoll at work, told step by step. Each part is real, checks what it
 * says, and ends the demo with a message and status 1 when it is not so.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/evpoll.h>
#include <linux/time_types.h>

#define CONNECTIONS 300
#define ROUNDS 5

/* The whole interface that a program needs: open, these two, and read(). */

static int evpoll_open(void)
{
	int ep = open("/dev/evpoll", O_RDWR | O_CLOEXEC);

	if (ep < 0)
		err(1, "/dev/evpoll");
	return ep;
}

static void watch(int ep, int fd, uint32_t events)
{
	struct evpoll_ctl ctl = {
		.op = EPOLL_CTL_ADD, .fd = fd, .events = events, .data = fd,
	};

	if (ioctl(ep, EVPOLL_IOC_CTL, &ctl))
		err(1, "EVPOLL_IOC_CTL, fd %d", fd);
}

/* Waits for ever; returns the number of events. */
static int wait_events(int ep, struct epoll_event *events, int max)
{
	ssize_t n = read(ep, events, max * sizeof(*events));

	if (n < 0)
		err(1, "read from /dev/evpoll");
	return n / sizeof(*events);
}

/* Does not wait. */
static bool is_ready(int ep)
{
	struct __kernel_timespec zero = {};
	struct epoll_event event;
	struct evpoll_wait wait = {
		.events = (uintptr_t)&event, .maxevents = 1, .timeout = (uintptr_t)&zero,
	};
	int n = ioctl(ep, EVPOLL_IOC_WAIT, &wait);

	if (n < 0)
		err(1, "EVPOLL_IOC_WAIT");
	return n;
}

static void expect(bool is, const char *what)
{
	if (!is)
		errx(1, "this should not be: %s", what);
}

static void title(const char *text)
{
	printf("\n%s\n", text);
}

/* ---- The five steps of epoll(7) ---- */

static void five_steps(void)
{
	struct epoll_event event;
	int fds[2], ep;

	title("1. The five steps of epoll(7), level-triggered against edge-triggered");
	for (int edge = 0; edge <= 1; edge++) {
		char buf[2048] = {};
		bool again;

		printf("   %s\n", edge ? "EPOLLIN | EPOLLET" : "EPOLLIN");
		expect(!pipe(fds), "no pipe");
		ep = evpoll_open();
		watch(ep, fds[0], EPOLLIN | (edge ? EPOLLET : 0));
		printf("     1  the read end of a pipe (rfd %d) is registered\n", fds[0]);
		expect(write(fds[1], buf, 2048) == 2048, "a short write");
		printf("     2  the writer writes 2 kB\n");
		expect(wait_events(ep, &event, 1) == 1 && event.data.fd == fds[0], "no event");
		printf("     3  a wait returns rfd %d as ready\n", event.data.fd);
		expect(read(fds[0], buf, 1024) == 1024, "a short read");
		printf("     4  the reader reads 1 kB, 1 kB is left\n");
		again = is_ready(ep);
		expect(again != edge, "the second wait");
		printf("     5  the next wait %s\n", again ?
		       "returns rfd again: it is readable still" :
		       "finds nothing: nothing new came. Read to EAGAIN before waiting again");
		close(ep);
		close(fds[0]);
		close(fds[1]);
	}
}

/* ---- A TCP echo server ---- */

static int tcp_listen(struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*addr);

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, len) || listen(fd, CONNECTIONS) ||
	    getsockname(fd, (struct sockaddr *)addr, &len))
		err(1, "a listening socket");
	return fd;
}

static int tcp_connect(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		err(1, "connect");
	return fd;
}

/* Another process: all connections speak at once, in rounds, and check what comes back. */
static int echo_clients(const struct sockaddr_in *addr)
{
	int fds[CONNECTIONS];
	char got[32], sent[32];

	for (int i = 0; i < CONNECTIONS; i++)
		fds[i] = tcp_connect(addr);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CONNECTIONS; i++) {
			snprintf(sent, sizeof(sent), "round %d of client %d", round, i);
			if (write(fds[i], sent, sizeof(sent)) != sizeof(sent))
				err(1, "client %d: write", i);
		}
		for (int i = 0; i < CONNECTIONS; i++) {
			snprintf(sent, sizeof(sent), "round %d of client %d", round, i);
			if (recv(fds[i], got, sizeof(got), MSG_WAITALL) != sizeof(got) ||
			    strcmp(got, sent))
				errx(1, "client %d got a wrong echo", i);
		}
	}
	return 0;
}

/* Edge-triggered, so everything that is there; returns false at the end of the connection. */
static bool echo(int fd, long *messages)
{
	char buf[32];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		expect(write(fd, buf, n) == n, "a short write");
		++*messages;
	}
	return n < 0 && errno == EAGAIN;
}

static void accept_all(int ep, int listener, int *connections)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		watch(ep, fd, EPOLLIN | EPOLLET);
		++*connections;
	}
	expect(errno == EAGAIN, "accept4()");
}

static long echo_server(void)
{
	struct epoll_event events[64];
	long messages = 0, waits = 0;
	int connections = 0, closed = 0, listener, ep, status;
	struct sockaddr_in addr;
	pid_t clients;

	title("2. A TCP echo server: one thread, one evpoll fd, 300 connections");
	fflush(stdout);
	listener = tcp_listen(&addr);
	ep = evpoll_open();
	watch(ep, listener, EPOLLIN | EPOLLET);
	clients = fork();
	if (clients < 0)
		err(1, "fork");
	if (!clients)
		exit(echo_clients(&addr));
	while (closed < CONNECTIONS) {
		int n = wait_events(ep, events, 64);

		waits++;
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listener) {
				accept_all(ep, listener, &connections);
			} else if (!echo(fd, &messages)) {
				close(fd);	/* which takes it off the interest list */
				closed++;
			}
		}
	}
	expect(waitpid(clients, &status, 0) == clients && !status, "the clients");
	expect(connections == CONNECTIONS, "number of connections");
	printf("   %d connections, %ld messages echoed and checked, in %ld waits\n",
	       connections, messages, waits);
	close(listener);
	close(ep);
	return messages;
}

/* ---- Closing a watched file ---- */

static void closing(void)
{
	int ep = evpoll_open(), listener, client, server;
	struct sockaddr_in addr;
	char c;

	title("3. close(2) of a watched socket ends it, as the watch holds no reference");
	listener = tcp_listen(&addr);
	client = tcp_connect(&addr);
	server = accept(listener, NULL, NULL);
	expect(server >= 0, "accept()");
	watch(ep, server, EPOLLIN);
	printf("   fd %d is watched; close(%d)\n", server, server);
	close(server);
	expect(read(client, &c, 1) == 0, "the peer does not see the end");
	printf("   the peer reads the end of the connection\n");
	expect(!is_ready(ep), "an event of a closed file");
	printf("   and the watch is gone by itself\n");
	close(client);
	close(listener);
	close(ep);
}

int main(void)
{
	long messages;

	five_steps();
	messages = echo_server();
	closing();
	printf("\nevpoll works: LT and ET as in epoll(7), ");
	printf("%ld TCP messages through one fd, EOF at close.\n", messages);
	return 0;
}
