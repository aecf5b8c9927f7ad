// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 3, I/O multiplexing, by epoll: the program tells the kernel once which connections to
 * watch. The kernel then keeps a list of those that have data: a connection goes there when data
 * arrives. epoll_wait() sleeps while the list is empty, and returns what is on it. So neither the
 * kernel nor the program looks at connections that have no data.
 */
#include <err.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "echo.h"

int main(void)
{
	struct epoll_event events[CONNECTIONS];
	int fds[CONNECTIONS], open = CONNECTIONS;
	char message[SIZE];
	int ep = epoll_create1(0);

	if (ep < 0)
		err(1, "epoll_create1");
	clients_start(fds);
	for (int i = 0; i < CONNECTIONS; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fds[i] };

		if (epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &event))
			err(1, "epoll_ctl");
	}

	while (open) {
		int n = epoll_wait(ep, events, CONNECTIONS, -1);

		if (n < 0)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (!reply(fd, message, read(fd, message, sizeof(message))))
				open--;		/* close() has ended the watch, too */
		}
	}
	return clients_end("epoll");
}
