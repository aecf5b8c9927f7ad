/* SPDX-License-Identifier: GPL-2.0-only */
/* Clocks, and the state of tasks. Needs no test harness: tools/ uses it too. */
#ifndef EVPOLL_TASK_H
#define EVPOLL_TASK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ms to wait for what must happen. Long, because a slow machine must not fail a test of 120 s. */
#define SOON 10000

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline long long now_ms(void)
{
	return now_ns() / 1000000;
}

/* True once the thread or process @tid is in this state of /proc/PID/stat. */
static inline bool is_in(pid_t tid, char state)
{
	long long end = now_ms() + SOON;
	char path[64], stat[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	do {
		fd = open(path, O_RDONLY);
		n = read(fd, stat, sizeof(stat) - 1);
		close(fd);
		if (n <= 0)
			return false;
		stat[n] = 0;
		p = strrchr(stat, ')');
		if (p && p[2] == state)
			return true;
		usleep(1000);
	} while (now_ms() < end);
	return false;
}

/* True once the task sleeps, which it does in the call under test. */
static inline bool asleep(pid_t tid)
{
	return is_in(tid, 'S');
}

/* Voluntary context switches of the caller */
static inline long own_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static inline void no_action(int sig)
{
	(void)sig;
}

/*
 * Blocks SIGUSR1, and makes it pending. Its handler does nothing. A wait with the empty mask @none
 * gets it at once.
 */
static inline int raise_blocked(sigset_t *none)
{
	struct sigaction action = { .sa_handler = no_action };
	sigset_t blocked;

	sigemptyset(none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	if (sigaction(SIGUSR1, &action, NULL) || sigprocmask(SIG_BLOCK, &blocked, NULL))
		return -1;
	return raise(SIGUSR1);
}

/* Exit status of a child, -1 if it did not exit by itself. */
static inline int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#endif /* EVPOLL_TASK_H */
