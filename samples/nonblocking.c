// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 2, non-blocking I/O: read() never sleeps. If there is no data, it fails with EAGAIN at
 * once. So one thread can serve all connections, but it does not know which of them has data. It
 * must try them all, again and again, and most of its calls find nothing. The program uses a whole
 * processor, even if nobody talks to it. So programs combine this model with one of the others.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "echo.h"

int main(void)
{
	int fds[CONNECTIONS], open = CONNECTIONS;
	char message[SIZE];

	clients_start(fds);
	for (int i = 0; i < CONNECTIONS; i++)
		if (fcntl(fds[i], F_SETFL, O_NONBLOCK))
			err(1, "O_NONBLOCK");

	while (open) {
		for (int i = 0; i < CONNECTIONS; i++) {
			ssize_t len;

			if (fds[i] < 0)
				continue;	/* this client has ended */
			len = read(fds[i], message, sizeof(message));
			if (len < 0 && errno == EAGAIN)
				continue;	/* no data yet */
			if (!reply(fds[i], message, len)) {
				fds[i] = -1;
				open--;
			}
		}
	}
	return clients_end("nonblocking");
}
