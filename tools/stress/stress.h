/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stress: everything at once, on files that all share.
 *
 * The supervisor (stress.c) keeps some processes going. Each (work.c) has threads that do
 * random operations (ops.c) on random ones of its files (files.c), and now and then one is killed
 * in the middle of it. The loader (load.c) unloads and loads the module whenever nobody has
 * an instance; for that it asks all others to be without one for a moment. The checker
 * (check.c) has files of its own, and sees to it that the noise costs it no event.
 */
#ifndef STRESS_H
#define STRESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/evpoll.h>

#include "modules/evpoll_source.h"

#define EVPOLL_DEV "/dev/evpoll"
#define SOURCE_DEV "/dev/evpoll_source"

#define PROCESSES 3
#define THREADS 4
#define MAX_OPS 32

/* An operation that takes longer hangs: none waits for more than some ms. */
#define HANG_MS 90000

/**
 * struct thread_state - a thread of a worker, as the supervisor sees it
 * @steps: operations begun
 * @op: the current one, in ops[]
 */
struct thread_state {
	_Atomic unsigned long steps;
	_Atomic int op;
};

/**
 * struct shared - what all processes share
 * @stop: the end
 * @quiet: the loader wants all instances closed, and none opened
 * @sock: a unix socket pair, over which files go to other processes
 * @done: operations that succeeded, by their place in ops[]
 * @threads: of the worker processes
 * @loads: how often the module was loaded again
 * @rounds: of the checker
 * @lost: its events that did not come
 * @strange: events that should not have come
 * @stuck: the module could not be unloaded, though nobody should have an instance
 */
struct shared {
	_Atomic bool stop;
	_Atomic bool quiet;
	int sock[2];
	_Atomic unsigned long done[MAX_OPS];
	struct thread_state threads[PROCESSES][THREADS];
	_Atomic unsigned long loads;
	_Atomic unsigned long rounds;
	_Atomic unsigned long lost;
	_Atomic unsigned long strange;
	_Atomic unsigned long stuck;
};

extern struct shared *shared;

/**
 * struct op - an operation
 * @name: as shown
 * @weight: how often it comes, compared with the others
 * @fn: does it; whether it succeeded, which it need not
 * @again: is worth doing many times in a row
 */
struct op {
	const char *name;
	unsigned int weight;
	bool (*fn)(uint64_t *rnd);
	bool again;
};

extern const struct op ops[];
extern const int nr_ops;

/* The files of a process are at fixed numbers; the first ones are instances, mostly. */
#define FIRST_FD 100
#define FILES 64
#define INSTANCES 12
/* Made by the supervisor: all processes have these same files, at first. */
#define COMMON 32

static inline long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* xorshift64 */
static inline uint64_t random_next(uint64_t *rnd)
{
	*rnd ^= *rnd << 13;
	*rnd ^= *rnd >> 7;
	*rnd ^= *rnd << 17;
	return *rnd;
}

static inline unsigned int random_below(uint64_t *rnd, unsigned int n)
{
	return (random_next(rnd) >> 16) % n;
}

static inline bool one_in(uint64_t *rnd, unsigned int n)
{
	return !random_below(rnd, n);
}

/*
 * Every other time the one whose turn it is, for a while and for all tasks: what races, races for
 * the same thing. Each number has its turn, and with primes, each pair.
 */
static inline unsigned int random_or_hot(uint64_t *rnd, unsigned int n, unsigned int turn_ms)
{
	return one_in(rnd, 2) ? random_below(rnd, n) : now_ms() / turn_ms % n;
}

static inline int random_fd(uint64_t *rnd)
{
	return FIRST_FD + random_or_hot(rnd, FILES, 211);
}

static inline int random_instance(uint64_t *rnd)
{
	/* or something that is none */
	return one_in(rnd, 16) ? random_fd(rnd) :
				 FIRST_FD + (int)random_or_hot(rnd, INSTANCES, 307);
}

/* files.c */
bool is_instance(int fd);
bool new_file(int at, uint64_t *rnd);
bool new_instance(int at, uint64_t *rnd);
bool set_params(int ep, uint64_t *rnd);
bool send_file(uint64_t *rnd);
bool receive_file(int at);

/* ops.c */
void step(struct thread_state *state, uint64_t *rnd);

/* work.c */
void work(int process, uint64_t seed);

/* load.c */
void load_and_unload(uint64_t seed);

/* check.c */
void check_events(uint64_t seed);

#endif /* STRESS_H */
