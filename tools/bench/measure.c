// SPDX-License-Identifier: GPL-2.0-only
/*
 * Count instructions, including those of the kernel.
 *
 * A sample is a number of runs. Its value is that of the run with three eighths of the runs below
 * it. This leaves out the runs with a timer interrupt, with other work of the kernel, or with work
 * that it does every few runs. The median would not do: if every second or every fourth run is
 * slower, the median is at the border between the fast and the slow runs.
 *
 * The result is the lower half of the samples, because a disturbance can only add instructions.
 * Sampling continues until these samples agree.
 *
 * Some runs differ from each other, or leave work to later runs that belongs to their cost. For
 * these cases the value of a sample is the mean of its runs without the slowest ones, and the
 * result is the mean of the samples. Sampling continues until its standard error is small.
 */
#include "bench.h"

#include <math.h>

#define WINDOW	12	/* the last samples, which must agree */
#define HALF	(WINDOW / 2)
#define AGREE	0.005	/* largest relative difference in the lower half */
#define ERROR	0.0015	/* relative standard error of the mean */
#define SLOWEST	64	/* the slowest of so many runs is left out */
#define MAX_RUNS 10000	/* in a sample */
#define LONGEST	96	/* samples, then it gives up */
#define LONGEST_MEAN (quick ? 24 : 384)	/* for a mean: slow phases can be long */
#define SAMPLE	(quick ? 300000 : 1000000)	/* instructions of a sample, at least one run */

/* Print a line of the results. */
void result(const struct bench_case *c, const struct set *set, const char *unit, double value,
	    double spread)
{
	printf("%s\t%s\t%d\t%s\t%.*f\t%.4f\n", c->name, set->by->name, set->n, unit,
	       value < 1000 ? 1 : 0, value, spread);
	fflush(stdout);
}

static uint64_t one_run(const struct bench_case *c, struct set *set)
{
	void (*run)(struct set *set) = c->run ?: set->by->harvest;
	uint64_t start, end;

	if (c->prepare)
		c->prepare(set);
	set->start = 0;
	ring_calls = 0;
	start = instructions();
	run(set);
	end = instructions();
	if (ring_calls > c->calls)
		errx(1, "%s: %s made %u system calls, not %u", c->name, set->by->name, ring_calls,
		     c->calls);
	return end - (set->start ?: start);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Sorts @values. @spread is the relative spread of the middle half. */
double median(double *values, int n, double *spread)
{
	qsort(values, n, sizeof(*values), compare);
	*spread = (values[n - 1 - n / 4] - values[n / 4]) / values[n / 2];
	return values[n / 2];
}

/* The mean of the sorted @values without the slowest ones */
static double mean(const double *values, int n)
{
	int used = n - n / SLOWEST;
	double sum = 0;

	for (int i = 0; i < used; i++)
		sum += values[i];
	return sum / used;
}

static double sample(const struct bench_case *c, struct set *set, int runs)
{
	static double values[MAX_RUNS];

	for (int i = 0; i < runs; i++)
		values[i] = one_run(c, set);
	qsort(values, runs, sizeof(*values), compare);
	return c->mean ? mean(values, runs) : values[runs * 3 / 8];
}

static int runs_of_sample(const struct bench_case *c, struct set *set)
{
	uint64_t once, enough = c->mean ? 8 * SAMPLE : SAMPLE;
	int cycle = c->cycle ?: 1;
	uint64_t runs;

	for (int i = 0; i < 3; i++)
		once = one_run(c, set);
	runs = (enough / once + cycle) / cycle * cycle;
	return runs < MAX_RUNS ? runs : MAX_RUNS / cycle * cycle;
}

/* The median of the lower half of the last samples, and the spread of this half */
static double settle(const struct bench_case *c, struct set *set, double *spread)
{
	int runs = runs_of_sample(c, set);
	double ring[WINDOW], sorted[WINDOW], value = 0;

	for (int i = 0; i < LONGEST; i++) {
		ring[i % WINDOW] = sample(c, set, runs);
		if (i < WINDOW - 1)
			continue;
		memcpy(sorted, ring, sizeof(ring));
		qsort(sorted, WINDOW, sizeof(*sorted), compare);
		value = sorted[HALF / 2];
		*spread = (sorted[HALF - 1] - sorted[0]) / value;
		if (*spread <= AGREE)
			break;
	}
	return value;
}

/* The mean of all samples after the first ones, and two of its standard errors */
static double settle_mean(const struct bench_case *c, struct set *set, double *spread)
{
	int runs = runs_of_sample(c, set);
	double sum = 0, squares = 0, value = 0, error;

	for (int i = 0; i < HALF; i++)
		sample(c, set, runs);
	for (int n = 1; n <= LONGEST_MEAN; n++) {
		double one = sample(c, set, runs);

		sum += one;
		squares += one * one;
		value = sum / n;
		if (n < WINDOW)
			continue;
		error = sqrt(fmax(squares / n - value * value, 0) / (n - 1)) / value;
		*spread = 2 * error;
		if (error <= ERROR)
			break;
	}
	return value;
}

static void nothing(struct set *set)
{
}

/* The instructions that measuring itself adds to a run */
static double overhead(struct set *set)
{
	static const struct bench_case empty = { .run = nothing };
	static double known;
	double spread;

	if (!known)
		known = settle(&empty, set, &spread);
	return known;
}

/* Measure the instructions of a run, divided as @each and @times say. */
double measure(const struct bench_case *c, struct set *set, double *spread)
{
	double value = (c->mean ? settle_mean : settle)(c, set, spread) - overhead(set);

	return value / (c->each ? set->n : 1) / (c->times ?: 1);
}

/*
 * Count the instructions of a loop of known length. Another result means that QEMU does not run
 * with -icount, and that the figures mean nothing.
 */
void check_clock(void)
{
	long left = 500000;
	uint64_t start = instructions();
	uint64_t taken;

	asm volatile("1: dec %0; jnz 1b" : "+r" (left));
	taken = instructions() - start;
	if (taken < 1000000 || taken > 1050000)
		errx(1, "1000000 instructions count as %llu: QEMU needs -icount shift=0,sleep=off",
		     (unsigned long long)taken);
}
