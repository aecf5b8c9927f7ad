// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 3, I/O multiplexing, by poll(): one call waits for all connections, as with select(). The
 * program passes an array with an entry for each connection. The kernel writes into the revents of
 * each entry whether it is ready, so the array can be used again, and a descriptor may have any
 * number. As with select(), both the kernel and the program look at all entries, in each call.
 */
#include <err.h>
#include <poll.h>
#include <unistd.h>

#include "echo.h"

int main(void)
{
	struct pollfd polled[CONNECTIONS];
	int fds[CONNECTIONS], open = CONNECTIONS;
	char message[SIZE];

	clients_start(fds);
	for (int i = 0; i < CONNECTIONS; i++)
		polled[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };

	while (open) {
		if (poll(polled, CONNECTIONS, -1) < 0)
			err(1, "poll");
		for (int i = 0; i < CONNECTIONS; i++) {
			if (!polled[i].revents)
				continue;
			if (!reply(fds[i], message, read(fds[i], message, sizeof(message)))) {
				polled[i].fd = -1;	/* poll() ignores it */
				open--;
			}
		}
	}
	return clients_end("poll");
}
