// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cases with two processors measure times. A time depends on the machine and on what else it does
 * at the moment. So the mechanisms take turns in many rounds, and only the ratios of their times
 * are comparable.
 */
#include "bench.h"

#include <sched.h>

#define ROUNDS 61	/* short rounds: the machine may be busy in some of them */
#define QUICK_ROUNDS 15

/* Run on @cpu only; -1: on all */
void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (cpu < 0 || i == cpu)
			CPU_SET(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %d", cpu);
}

void measure_in_turn(const struct bench_case *c, struct set *set,
		     const struct mechanism *const *mechanisms, int nr, int n)
{
	double values[nr][MAX_UNITS][ROUNDS], turn[MAX_UNITS], value, spread;
	int rounds = quick ? QUICK_ROUNDS : ROUNDS;

	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < nr; i++) {
			set_open(set, mechanisms[i], c, n);
			if (c->setup)
				c->setup(set);
			c->turn(set, turn);
			for (int u = 0; u < MAX_UNITS; u++)
				values[i][u][round] = turn[u];
			if (c->teardown)
				c->teardown(set);
			set_close(set);
		}
	for (int i = 0; i < nr; i++)
		for (int u = 0; u < MAX_UNITS && c->unit[u]; u++) {
			set->by = mechanisms[i];
			value = median(values[i][u], rounds, &spread);
			result(c, set, c->unit[u], value, spread);
		}
}
