// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting instructions, the kernel's among them.
 *
 * A sample is the mean of some runs. Interrupts of the timer, and what the kernel does behind our
 * back, only ever add: so the slowest eighth of the runs is left out, the lower half of the samples
 * counts, and sampling goes on until these agree.
 */
#include "bench.h"

#define WINDOW	12	/* samples that are looked at */
#define HALF	(WINDOW / 2)
#define AGREE	0.005	/* the lower half lies in this part of its value */
#define MAX_RUNS 10000	/* in a sample */
#define LONGEST	96	/* samples, before it is given up */
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

static double sample(const struct bench_case *c, struct set *set, int runs)
{
	static double values[MAX_RUNS];
	int used = c->all ? runs : runs - runs / 8;
	double sum = 0;

	for (int i = 0; i < runs; i++)
		values[i] = one_run(c, set);
	qsort(values, runs, sizeof(*values), compare);
	for (int i = 0; i < used; i++)
		sum += values[i];
	return sum / used;
}

/* Sorts @values. The spread is that of the middle half. */
double median(double *values, int n, double *spread)
{
	qsort(values, n, sizeof(*values), compare);
	*spread = (values[n - 1 - n / 4] - values[n / 4]) / values[n / 2];
	return values[n / 2];
}

/* The middle of the lower half of the last samples, and how far these are apart. */
static double settle(const struct bench_case *c, struct set *set, double *spread)
{
	double ring[WINDOW], sorted[WINDOW], value = 0;
	uint64_t once;
	int runs;

	for (int i = 0; i < 3; i++)
		once = one_run(c, set);
	runs = once < SAMPLE ? SAMPLE / once + 1 : 1;
	if (runs > MAX_RUNS)
		runs = MAX_RUNS;
	if (c->cycle)
		runs = (runs + c->cycle - 1) / c->cycle * c->cycle;
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

void measure(const struct bench_case *c, struct set *set)
{
	double value, spread;

	value = settle(c, set, &spread) - overhead(set);
	result(c, set, "instructions", value / (c->each ? set->n : 1), spread);
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
