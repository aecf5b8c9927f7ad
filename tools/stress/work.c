// SPDX-License-Identifier: GPL-2.0-only
/* A worker: a process whose threads do one operation after another on the same files. */
#include "stress.h"

#include <pthread.h>
#include <sys/eventfd.h>

static struct {
	struct thread_state *state;
	uint64_t rnd;
} threads[THREADS];

/*
 * Close all instances for the loader, also those in flight in the socket, and those that a read of
 * this thread's io_uring keeps. Other threads may still add one.
 */
static void close_instances(void)
{
	while (receive_file(-1))
		;
	uring_end();
	for (int fd = FIRST_FD; fd < FIRST_FD + FILES; fd++)
		if (is_instance(fd))
			close(fd);
	usleep(2000);
}

static void *thread(void *arg)
{
	int i = (intptr_t)arg;

	while (!shared->stop) {
		if (shared->quiet)
			close_instances();
		step(threads[i].state, &threads[i].rnd);
	}
	return NULL;
}

void work(int process, uint64_t seed)
{
	pthread_t tid[THREADS];

	if (!ring_reserve())
		exit(1);
	for (int i = 0; i < THREADS; i++) {
		threads[i].state = &shared->threads[process][i];
		threads[i].rnd = seed + i * 0x9e3779b97f4a7c15 + 1;
	}
	for (int fd = FIRST_FD; fd < FIRST_FD + INSTANCES; fd++)
		new_instance(fd, &threads[0].rnd);
	for (int fd = FIRST_FD + COMMON; fd < FIRST_FD + FILES; fd++)
		new_file(fd, &threads[0].rnd);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&tid[i], NULL, thread, (void *)(intptr_t)i))
			exit(1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(tid[i], NULL);
	exit(0);
}
