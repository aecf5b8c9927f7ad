/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench: measure what it costs to wait for files by select, poll, epoll, io_uring and evpoll.
 *
 * Each mechanism is a struct mechanism (mech_*.c). Each measurement is a struct bench_case
 * (case_*.c). main.c runs each case with each of its mechanisms, measure.c counts instructions and
 * turn.c measures times. Documentation/benchmark.rst explains the results.
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

#define MAX_FILES 40000
#define MAX_SIZES 9
#define MAX_UNITS 2
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A system call without the code of the C library, so that all mechanisms cost the same here */
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
 * @n: the size that the case measures; it is a number of files, unless the case says otherwise
 * @files: number of files
 * @fd: the files, normally eventfds
 * @ep: fd of the instance, if the mechanism has one
 * @block: waits block
 * @max: maximum number of events of a wait
 * @got: the events of the last wait; the data of an event is its index in @fd
 * @start: set by a run that begins some time after its call: the instruction count at its begin
 * @at: free for the cases
 * @other: free for the cases
 * @select: the bitmaps of select(2)
 * @pollfd: the array of poll(2)
 * @ring: the ring of io_uring(7)
 * @wait: argument of EVPOLL_IOC_WAIT
 * @ctl: changes for EVPOLL_IOC_CTLV and EVPOLL_IOC_WAIT
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
 * @name: its name in the results
 * @bit: its bit in &bench_case.by
 * @open: create an instance for @set->files files, and watch none of them yet
 * @close: close the instance
 * @ctl: EPOLL_CTL_* for the file with this index
 * @ctl_all: the same for all files in one call; NULL if the mechanism has no such call
 * @wait: wait for at most @set->max events, put them into @set->got and return their number
 * @rearm_wait: in one call, MOD all files of the last wait (@set->got) and wait; NULL if the
 *	mechanism has no such call
 * @harvest: take events that are there already, and return nothing; only the mechanisms of the
 *	harvest cases have it
 *
 * All calls return a negative errno on error.
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
	void (*harvest)(struct set *set);
};

/* &mechanism.bit */
#define SELECT		0x01
#define POLL		0x02
#define EPOLL		0x04
#define IO_URING	0x08
#define EVPOLL_READ	0x10
#define EVPOLL_WAIT	0x20
#define NONE		0x40	/* no mechanism: the cost of the case itself */
#define EAGER		0x80	/* evpoll with EVPOLL_EAGER */
#define ROTATE		0x100	/* evpoll, and the case adds files with EVPOLLROTATE */
#define REUSEPORT	0x200	/* epoll, and the case has a socket for each worker */
#define EVPOLL_URING	0x400	/* evpoll, read by io_uring */
#define EVPOLL_RING	0x800	/* evpoll with a ready ring */
#define EVPOLL		(EVPOLL_READ | EVPOLL_WAIT)
#define REGISTERING	(EPOLL | EVPOLL)
#define ALL		(SELECT | POLL | EPOLL | IO_URING | EVPOLL)

extern const struct mechanism mech_none, mech_select, mech_poll, mech_epoll, mech_uring,
			      mech_evpoll_read, mech_evpoll_wait, mech_evpoll_eager,
			      mech_evpoll_rotate, mech_evpoll_uring, mech_evpoll_ring,
			      mech_reuseport;

/* mech_uring.c */
int ring_wait_by(struct set *set, int (*reap)(struct set *set));

/* mech_evpoll.c */
int evpoll_change(struct set *set, int op, int index, uint32_t events);
int evpoll_change_all(struct set *set, int op, uint32_t events);

/* mech_evpoll_ring.c */
extern unsigned int ring_calls;	/* system calls that its waits made in this run */
size_t ring_bytes(void);	/* memory that the open instance shares with this program */

/* The modes in which the lab runs bench, see tools/bench/run */
enum mode {
	INSTRUCTIONS,	/* -icount, one processor */
	UNLOADED,	/* the same, before evpoll.ko is loaded */
	SMP,		/* two processors */
};

/**
 * struct bench_case - something to measure
 * @name: its name in the results
 * @what: what the figure means, for the report
 * @mode: the mode that runs the case
 * @needs: the case is skipped if this file does not exist
 * @by: the mechanisms that it measures, a mask
 * @n: the sizes, each a line of the results; 0 ends the list
 * @files: number of files to open, 0: n
 * @cycle: the number of runs in a sample is a multiple of this
 * @mean: the result is the mean of the runs, because runs differ or leave work to later ones
 * @sets: the result is the mean of this many sets of files, because the cost depends on the kernel
 *	addresses of the files, which are random
 * @each: divide the result of a run by n
 * @times: a run does the work so many times, and the result is divided by this
 * @calls: system calls that the waits of evpoll-ring may make in a run; more end the benchmark. The
 *	call after 16 harvests comes on top of the one that sleeps
 * @block: the waits of this case may block
 * @setup: called once for a new set, whose files are open and not watched yet
 * @prepare: called before each run, not measured
 * @run: the code to measure; NULL: &mechanism.harvest
 * @teardown: called at the end
 * @measure: used instead of @prepare and @run, if set: it measures and calls result() itself
 * @turn: for @mode SMP: run one turn of a mechanism and store a value for each of @unit
 * @unit: the units of the values of @turn
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
	int times;
	unsigned int calls;
	bool block;
	void (*setup)(struct set *set);
	void (*prepare)(struct set *set);
	void (*run)(struct set *set);
	void (*teardown)(struct set *set);
	void (*measure)(const struct bench_case *c, struct set *set);
	void (*turn)(struct set *set, double *values);
	const char *unit[MAX_UNITS];
};

/* The cases of each file. An entry without a name ends the array. */
extern const struct bench_case cases_null[], cases_wait[], cases_ctl[], cases_many[], cases_burst[],
			       cases_memory[], cases_servers[], cases_threads[], cases_accept[];

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
void set_open_instance(struct set *set);
void set_open(struct set *set, const struct mechanism *by, const struct bench_case *c, int n);
void set_close(struct set *set);
void set_ctl(struct set *set, int op, int index, uint32_t events);
void set_ctl_all(struct set *set, int op, uint32_t events);
void set_ctl_batch(struct set *set, int op, uint32_t events);
int set_rearm_wait(struct set *set, int n, uint32_t events);
void set_ready(struct set *set, int index);
bool set_clear(struct set *set, int index);
void wait_for(struct set *set, int n);
void drain(struct set *set);
void expect(struct set *set, int n, int expected);

#endif /* BENCH_H */
