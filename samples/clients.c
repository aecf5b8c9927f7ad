// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clients of the samples: one process that talks on all connections, as people would do. Four
 * clients at a time send a message and wait for the echo. Then they pause, and it is the turn of
 * four others.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "echo.h"

#define GROUPS		4
#define PAUSE_NS	500000

static pid_t clients;

/*
 * The service and its clients use different processors, the first and the last that this process
 * may use, because they would be on different machines.
 */
static void use_processor(int last)
{
	cpu_set_t may, use;
	int chosen = -1;

	if (sched_getaffinity(0, sizeof(may), &may))
		err(1, "sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && (last || chosen < 0))
			chosen = cpu;
	CPU_ZERO(&use);
	CPU_SET(chosen, &use);
	if (sched_setaffinity(0, sizeof(use), &use))
		err(1, "sched_setaffinity");
}

static void talk(const int fds[CONNECTIONS])
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	char sent[SIZE] = "", got[SIZE];

	for (int round = 0; round < MESSAGES * GROUPS; round++) {
		if (nanosleep(&pause, NULL))
			err(1, "nanosleep");
		for (int i = round % GROUPS; i < CONNECTIONS; i += GROUPS) {
			snprintf(sent, sizeof(sent), "round %d, client %d", round, i);
			if (write(fds[i], sent, sizeof(sent)) != sizeof(sent))
				err(1, "client %d: write", i);
		}
		for (int i = round % GROUPS; i < CONNECTIONS; i += GROUPS) {
			snprintf(sent, sizeof(sent), "round %d, client %d", round, i);
			if (recv(fds[i], got, sizeof(got), MSG_WAITALL) != sizeof(got))
				err(1, "client %d: recv", i);
			if (memcmp(got, sent, sizeof(got)))
				errx(1, "client %d got '%.*s', not '%s'", i, SIZE, got, sent);
		}
	}
}

void clients_start(int fds[CONNECTIONS])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int ends[CONNECTIONS];

	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) ||
	    listen(listener, CONNECTIONS) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		err(1, "cannot listen");
	for (int i = 0; i < CONNECTIONS; i++) {
		ends[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (ends[i] < 0 || connect(ends[i], (struct sockaddr *)&addr, len))
			err(1, "cannot connect");
		fds[i] = accept(listener, NULL, NULL);
		if (fds[i] < 0)
			err(1, "cannot accept");
	}
	close(listener);

	clients = fork();
	if (clients < 0)
		err(1, "fork");
	for (int i = 0; i < CONNECTIONS; i++)
		close(clients ? ends[i] : fds[i]);
	use_processor(!clients);
	if (clients)
		return;
	prctl(PR_SET_NAME, "clients");
	talk(ends);
	_exit(0);
}

int reply(int fd, const char *message, ssize_t len)
{
	if (len < 0)
		err(1, "cannot read");
	if (!len) {
		close(fd);
		return 0;
	}
	if (write(fd, message, len) != len)
		err(1, "cannot answer");
	return 1;
}

int clients_end(const char *model)
{
	int status;

	if (waitpid(clients, &status, 0) != clients)
		err(1, "waitpid");
	if (status)
		errx(1, "%s: the clients failed", model);
	printf("%s: echoed %d messages on %d connections\n", model, CONNECTIONS * MESSAGES,
	       CONNECTIONS);
	return 0;
}
