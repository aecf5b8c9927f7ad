/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench: what waiting for files costs, by select, poll, epoll, io_uring and evpoll.
 *
 * A mechanism is a struct mechanism (mech_*.c), a measurement a struct bench_case (case_*.c).
 * main.c does each case with each mechanism, measure.c counts instructions, turn.c takes times. How
 * to read the results: Documentation/benchmark.rst.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/evpoll.h>

#include "../../selftests/evpoll_uring.h"

#define MAX_FILES 10000
#define MAX_SIZES 9
#define MAX_UNITS 2
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A system call without what the C library adds: the same for all mechanisms. */
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static inline long sys3(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (nr), "D" (a), "S" (b), "d" (c)
		     : "rcx", "r11", "memory");
	return ret;
}

/* The time stamp counter. Under QEMU's -icount shift=0 it counts instructions. */
static inline uint64_t instructions(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/**
 * struct set - files, and the instance that watches them
 * @by: the mechanism
 * @n: the size that is measured: files, if the case does not say otherwise
 * @files: files
 * @fd: the files, eventfds as a rule
 * @ep: fd of the instance, where there is one
 * @block: waits block
 * @max: events that one wait may return
 * @got: what the last wait returned; data is the index in @fd
 * @start: a run that begins later than it was called says when
 * @at: for cases to remember things
 * @other: for cases to remember things
 * @select: what select(2) needs
 * @pollfd: what poll(2) needs
 * @ring: what io_uring needs
 * @wait: what evpoll's WAIT needs
 * @ctl: what evpoll's CTLV needs
 */
struct set {
	const struct mechanism *by;
	int n;
	int files;
	int fd[MAX_FILES];
	int ep;
	bool block;
	int max;
	struct epoll_event got[MAX_FILES];
	uint64_t start;
	unsigned int at;
	int other;
	struct {
		unsigned long in[MAX_FILES / 32], out[MAX_FILES / 32];
		int top;
	} select;
	struct pollfd pollfd[MAX_FILES];
	struct uring ring;
	struct evpoll_wait wait;
	struct evpoll_ctl ctl[MAX_FILES];
};

/**
 * struct mechanism - one way to wait for files
 * @name: as in the results
 * @bit: in the masks of cases
 * @open: make an instance for @set->files files, none of which is watched yet
 * @close: end it
 * @ctl: EPOLL_CTL_* for the file with this index
 * @ctl_all: the same for all files, in one call; NULL: there is no such call
 * @wait: wait for @set->max events at most; the number, with the events in @set->got
 * @rearm_wait: MOD all files of the last wait (@set->got), and wait, in one call; or NULL
 *
 * The calls return a negative errno on error.
 */
struct mechanism {
	const char *name;
	unsigned int bit;
	int (*open)(struct set *set);
	void (*close)(struct set *set);
	int (*ctl)(struct set *set, int op, int index, uint32_t events);
	int (*ctl_all)(struct set *set, int op, uint32_t events);
	int (*wait)(struct set *set);
	int (*rearm_wait)(struct set *set, int n, uint32_t events);
};

/* Bits of the mechanisms */
#define SELECT		0x01
#define POLL		0x02
#define EPOLL		0x04
#define IO_URING	0x08
#define EVPOLL_READ	0x10
#define EVPOLL_WAIT	0x20
#define NONE		0x40	/* no mechanism: what the case does by itself */
#define EVPOLL		(EVPOLL_READ | EVPOLL_WAIT)
#define REGISTERING	(EPOLL | EVPOLL)
#define ALL		(SELECT | POLL | EPOLL | IO_URING | EVPOLL)

extern const struct mechanism mech_none, mech_select, mech_poll, mech_epoll, mech_uring,
			      mech_evpoll_read, mech_evpoll_wait;

/* Which of the modes of the lab a case belongs to, see tools/bench/run */
enum mode {
	INSTRUCTIONS,	/* -icount, one processor */
	UNLOADED,	/* the same, before evpoll.ko is loaded */
	SMP,		/* two processors */
};

/**
 * struct bench_case - something to measure
 * @name: as in the results
 * @what: what the figure is, for the report
 * @mode: where it is measured
 * @needs: a file that must be there
 * @by: mechanisms
 * @n: each of these makes a line of the results; ends with 0
 * @files: files to open, if not n
 * @cycle: a sample has a multiple of so many runs
 * @mean: runs differ, or leave work behind that belongs to them: their mean counts
 * @sets: the mean of so many sets of files counts: the kernel's addresses matter, and are random
 * @each: the result is for one of n, not for a run with all of them
 * @block: its waits would block
 * @setup: for a fresh set, whose files are open and not watched yet
 * @prepare: before each run, not measured
 * @run: what is measured
 * @teardown: after all
 * @measure: in place of @prepare and @run: measures by itself, and says so with result()
 * @turn: for @mode SMP: a turn of one mechanism; fills in a value for each of @unit
 * @unit: of what @turn measures
 */
struct bench_case {
	const char *name;
	const char *what;
	enum mode mode;
	const char *needs;
	unsigned int by;
	int n[MAX_SIZES];
	int files;
	int cycle;
	bool mean;
	int sets;
	bool each;
	bool block;
	void (*setup)(struct set *set);
	void (*prepare)(struct set *set);
	void (*run)(struct set *set);
	void (*teardown)(struct set *set);
	void (*measure)(const struct bench_case *c, struct set *set);
	void (*turn)(struct set *set, double *values);
	const char *unit[MAX_UNITS];
};

/* The cases, by file; the last of each has no name. */
extern const struct bench_case cases_null[], cases_wait[], cases_ctl[], cases_many[], cases_burst[],
			       cases_memory[], cases_servers[], cases_threads[];

extern bool quick;

/* measure.c */
double measure(const struct bench_case *c, struct set *set, double *spread);
void check_clock(void);
void result(const struct bench_case *c, const struct set *set, const char *unit, double value,
	    double spread);
double median(double *values, int n, double *spread);

/* turn.c */
void measure_in_turn(const struct bench_case *c, struct set *set,
		     const struct mechanism *const *mechanisms, int nr, int n);
void pin(int cpu);

/* set.c */
void set_open(struct set *set, const struct mechanism *by, const struct bench_case *c, int n);
void set_close(struct set *set);
void set_ctl(struct set *set, int op, int index, uint32_t events);
void set_ctl_all(struct set *set, int op, uint32_t events);
void set_ctl_batch(struct set *set, int op, uint32_t events);
int set_rearm_wait(struct set *set, int n, uint32_t events);
void set_ready(struct set *set, int index);
bool set_clear(struct set *set, int index);
void wait_for(struct set *set, int n);
void expect(struct set *set, int n, int expected);

#endif /* BENCH_H */
