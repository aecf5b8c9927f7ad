// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 3, I/O multiplexing, by select(): one call waits for all connections. It returns when at
 * least one has data, and then read() does not sleep. The program passes a set of descriptors with
 * each call, and the kernel overwrites it with those that are ready. The kernel looks at all of
 * them in each call, and so does the program. The set holds descriptors below 1024 only.
 */
#include <err.h>
#include <sys/select.h>
#include <unistd.h>

#include "echo.h"

int main(void)
{
	int fds[CONNECTIONS], open = CONNECTIONS, last = 0;
	fd_set watched, ready;
	char message[SIZE];

	clients_start(fds);
	FD_ZERO(&watched);
	for (int i = 0; i < CONNECTIONS; i++) {
		if (fds[i] >= FD_SETSIZE)
			errx(1, "select() cannot watch descriptor %d", fds[i]);
		FD_SET(fds[i], &watched);
		if (fds[i] > last)
			last = fds[i];
	}

	while (open) {
		ready = watched;
		if (select(last + 1, &ready, NULL, NULL, NULL) < 0)
			err(1, "select");
		for (int i = 0; i < CONNECTIONS; i++) {
			if (!FD_ISSET(fds[i], &ready))
				continue;
			if (!reply(fds[i], message, read(fds[i], message, sizeof(message)))) {
				FD_CLR(fds[i], &watched);
				open--;
			}
		}
	}
	return clients_end("select");
}
