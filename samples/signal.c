// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 4, signal-driven I/O: the program asks for a signal, and does other work. The kernel sends
 * SIGIO when data has arrived, and the handler reads the data. SIGIO does not say which connection
 * has data. So an evpoll instance watches all of them: it sends the signal, and the handler reads
 * events from it. One signal may stand for several events, so the handler reads until EAGAIN.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/evpoll.h>

#include "echo.h"

static int ep, open_fds = CONNECTIONS;

/*
 * main() blocks SIGIO except in sigsuspend(). So the handler interrupts no other function, and
 * it may call any function and use any variable.
 */
static void serve(int signal __attribute__((unused)))
{
	struct epoll_event events[CONNECTIONS];
	char message[SIZE];
	ssize_t bytes;

	while ((bytes = read(ep, events, sizeof(events))) > 0) {
		for (size_t i = 0; i < bytes / sizeof(events[0]); i++) {
			int fd = events[i].data.fd;

			if (!reply(fd, message, read(fd, message, sizeof(message))))
				open_fds--;
		}
	}
	if (errno != EAGAIN)
		err(1, "cannot read events");
}

static void watch(int fd)
{
	struct evpoll_ctl ctl = {
		.op = EPOLL_CTL_ADD, .fd = fd, .events = EPOLLIN, .data = fd,
	};

	if (ioctl(ep, EVPOLL_IOC_CTL, &ctl))
		err(1, "EVPOLL_IOC_CTL");
}

int main(void)
{
	struct sigaction action = { .sa_handler = serve };
	int fds[CONNECTIONS];
	sigset_t blocked, before;

	ep = open("/dev/evpoll", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (ep < 0)
		err(1, "/dev/evpoll");
	clients_start(fds);
	for (int i = 0; i < CONNECTIONS; i++)
		watch(fds[i]);

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGIO);
	if (sigaction(SIGIO, &action, NULL) || sigprocmask(SIG_BLOCK, &blocked, &before))
		err(1, "SIGIO");
	if (fcntl(ep, F_SETOWN, getpid()) || fcntl(ep, F_SETFL, O_NONBLOCK | O_ASYNC))
		err(1, "O_ASYNC");
	raise(SIGIO);			/* for what came before O_ASYNC */

	while (open_fds)
		sigsuspend(&before);	/* a program with other work would do it here */
	return clients_end("signal");
}
