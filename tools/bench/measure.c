// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting instructions, the kernel's among them.
 *
 * A sample is the run below which three eighths of some runs are: interrupts of the timer, and what
 * the kernel does behind our back or every few runs, are not in it. The median would be at the
 * border of a pattern that comes every two or four runs. The lower half of the samples counts, as
 * what disturbs only ever adds, and sampling goes on until these agree.
 *
 * Where runs differ, or leave work behind that belongs to them, the mean counts, of all samples but
 * the slowest of their runs, and sampling goes on until that is known well enough.
 */
#include "bench.h"

#include <math.h>

#define WINDOW	12	/* samples that are looked at */
#define HALF	(WINDOW / 2)
#define AGREE	0.005	/* the lower half lies in this part of its value */
#define ERROR	0.0015	/* a standard error of the mean */
#define SLOWEST	64	/* a run of so many is left out */
#define MAX_RUNS 10000	/* in a sample */
#define LONGEST	96	/* samples, before it is given up */
/* The same for a mean, which takes longer: the kernel may stay in one state for many samples */
#define LONGEST_MEAN (quick ? 24 : 384)
#define SAMPLE	(quick ? 300000 : 1000000)	/* instructions of a sample, or one run */

/* The line that all of this is for */
void result(const struct bench_case *c, const struct set *set, const char *unit, double value,
	    double spread)
{
	printf("%s\t%s\t%d\t%s\t%.*f\t%.4f\n", c->name, set->by->name, set->n, unit,
	       value < 1000 ? 1 : 0, value, spread);
	fflush(stdout);
}

static uint64_t one_run(const struct bench_case *c, struct set *set)
{
	uint64_t start, end;

	if (c->prepare)
		c->prepare(set);
	set->start = 0;
	start = instructions();
	c->run(set);
	end = instructions();
	return end - (set->start ?: start);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Sorts @values. The spread is that of the middle half. */
double median(double *values, int n, double *spread)
{
	qsort(values, n, sizeof(*values), compare);
	*spread = (values[n - 1 - n / 4] - values[n / 4]) / values[n / 2];
	return values[n / 2];
}

/* Of @values, sorted: all but the slowest */
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

/* The middle of the lower half of the last samples, and how far these are apart. */
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

/* The mean of all samples after the first ones, and two standard errors of it. */
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

/* What measuring a run costs by itself */
static double overhead(struct set *set)
{
	static const struct bench_case empty = { .run = nothing };
	static double known;
	double spread;

	if (!known)
		known = settle(&empty, set, &spread);
	return known;
}

/* Instructions of a run, or of one of its n */
double measure(const struct bench_case *c, struct set *set, double *spread)
{
	double value = (c->mean ? settle_mean : settle)(c, set, spread) - overhead(set);

	return value / (c->each ? set->n : 1);
}

/* A known number of instructions: else this is not -icount, and the results are worth nothing. */
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
