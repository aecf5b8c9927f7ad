// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 1, blocking I/O: the program calls read(), and the call returns when the data is in the
 * program's buffer. While there is no data, the thread sleeps in the call. So a thread can wait for
 * one connection only, and a service needs a thread for each of them. The code is the simplest of
 * all models: it says what happens on one connection, from its start to its end.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "echo.h"

static void *serve(void *connection)
{
	int fd = *(int *)connection;
	char message[SIZE];

	while (reply(fd, message, read(fd, message, sizeof(message))))
		;
	return NULL;
}

int main(void)
{
	pthread_t threads[CONNECTIONS];
	int fds[CONNECTIONS];

	clients_start(fds);
	for (int i = 0; i < CONNECTIONS; i++) {
		errno = pthread_create(&threads[i], NULL, serve, &fds[i]);
		if (errno)
			err(1, "pthread_create");
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		errno = pthread_join(threads[i], NULL);
		if (errno)
			err(1, "pthread_join");
	}
	return clients_end("blocking");
}
