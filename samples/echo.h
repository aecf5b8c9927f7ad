/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The job that all samples do: an echo service. It has 16 TCP connections over loopback, and sends
 * each message back on the connection that it came from. The service ends when all connections have
 * ended.
 */
#ifndef ECHO_H
#define ECHO_H

#include <sys/types.h>

#define CONNECTIONS	16
#define MESSAGES	16	/* of each client */
#define SIZE		64	/* bytes of a message */

/* Start the clients in a process of their own, and return the service's end of each connection. */
void clients_start(int fds[CONNECTIONS]);

/* Send @len bytes back. If @len is 0, the client has ended: close the connection, and return 0. */
int reply(int fd, const char *message, ssize_t len);

/* Check that the clients got their echoes, and print what @model did. Returns main()'s status. */
int clients_end(const char *model);

#endif /* ECHO_H */
