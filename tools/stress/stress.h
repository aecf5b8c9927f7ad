/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stress: all operations at the same time, on files that all processes share.
 *
 * The supervisor (stress.c) starts worker processes (work.c), and replaces those that end. The
 * threads of a worker do random operations (ops.c) on random files (files.c). From time to time the
 * supervisor kills a worker in the middle of an operation. The loader (load.c) unloads the module
 * and loads it again; for that, it asks all workers to close their instances for a moment. The
 * checker (check.c) uses files of its own, and checks that it loses no event meanwhile.
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

/* Rings have 1, 2, 4, ... slots. */
#define RING_ORDERS 11

/* ms; an operation that takes longer hangs, because none waits for more than some ms. */
#define HANG_MS 90000

/**
 * struct thread_state - what a thread of a worker tells the supervisor
 * @steps: number of operations that it has begun
 * @op: the current operation, an index of ops[]
 */
struct thread_state {
	_Atomic unsigned long steps;
	_Atomic int op;
};

/**
 * struct shared - memory that all processes share
 * @stop: all processes end
 * @quiet: workers close all instances and open none, because the loader asks for it
 * @sock: a unix socket pair, over which processes pass files to each other
 * @done: number of operations that succeeded, by their index of ops[]
 * @threads: the threads of the workers
 * @rings: what a ring of each size looks like, once somebody has made one
 * @loads: how often the loader loaded the module
 * @rounds: rounds of the checker
 * @lost: events that the checker missed
 * @strange: events that the checker got and should not have
 * @stuck: the module could not be unloaded, although all instances should be closed
 */
struct shared {
	_Atomic bool stop;
	_Atomic bool quiet;
	int sock[2];
	_Atomic unsigned long done[MAX_OPS];
	struct thread_state threads[PROCESSES][THREADS];
	struct evpoll_ring_setup rings[RING_ORDERS];
	_Atomic unsigned long loads;
	_Atomic unsigned long rounds;
	_Atomic unsigned long lost;
	_Atomic unsigned long strange;
	_Atomic unsigned long stuck;
};

extern struct shared *shared;

/**
 * struct op - an operation
 * @name: its name in the output
 * @weight: how often it is chosen, in relation to the other operations
 * @fn: do it, and return whether it succeeded
 * @again: repeat it many times in a row now and then
 */
struct op {
	const char *name;
	unsigned int weight;
	bool (*fn)(uint64_t *rnd);
	bool again;
};

extern const struct op ops[];
extern const int nr_ops;

/* The files of a process have fixed numbers. Most of the first ones are instances. */
#define FIRST_FD 100
#define FILES 64
#define INSTANCES 12
/* The supervisor opens the first files, so that all processes inherit the same ones. */
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
 * Half of the time a random number, otherwise the hot number of the moment. It is the same for all
 * tasks for @turn_ms, so that they race for the same file. Each number becomes hot in turn. Callers
 * use different primes for @turn_ms, so that each pair of numbers is hot together some time.
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
	/* or another file */
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
struct evpoll_ctl random_change(uint64_t *rnd);
void step(struct thread_state *state, uint64_t *rnd);

/* ring.c */
bool ring_reserve(void);
bool make_ring(int ep, uint64_t *rnd);
bool op_ring(uint64_t *rnd);
bool op_map(uint64_t *rnd);
bool op_unmap(uint64_t *rnd);
bool op_harvest(uint64_t *rnd);
bool op_scribble(uint64_t *rnd);

/* uring.c */
bool op_uring(uint64_t *rnd);
bool uring_end(void);

/* work.c */
void work(int process, uint64_t seed);

/* load.c */
void load_and_unload(uint64_t seed);

/* check.c */
void check_events(uint64_t seed);

#endif /* STRESS_H */
