// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 3, I/O multiplexing, by evpoll: the same as epoll, but the instance is an open file of
 * /dev/evpoll. An ioctl() adds a connection, and read() waits and returns events. When several
 * connections get data in one softirq, the kernel puts all of them on the list of ready ones, and
 * then wakes the program once. epoll wakes it when the first of them gets its data.
 */
#include <err.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/evpoll.h>

#include "echo.h"

int main(void)
{
	struct epoll_event events[CONNECTIONS];
	int fds[CONNECTIONS], open_fds = CONNECTIONS;
	char message[SIZE];
	int ep = open("/dev/evpoll", O_RDWR | O_CLOEXEC);

	if (ep < 0)
		err(1, "/dev/evpoll");
	clients_start(fds);
	for (int i = 0; i < CONNECTIONS; i++) {
		struct evpoll_ctl ctl = {
			.op = EPOLL_CTL_ADD, .fd = fds[i], .events = EPOLLIN, .data = fds[i],
		};

		if (ioctl(ep, EVPOLL_IOC_CTL, &ctl))
			err(1, "EVPOLL_IOC_CTL");
	}

	while (open_fds) {
		ssize_t bytes = read(ep, events, sizeof(events));

		if (bytes < 0)
			err(1, "cannot read events");
		for (size_t i = 0; i < bytes / sizeof(events[0]); i++) {
			int fd = events[i].data.fd;

			if (!reply(fd, message, read(fd, message, sizeof(message))))
				open_fds--;	/* close() has ended the watch, too */
		}
	}
	return clients_end("evpoll");
}
