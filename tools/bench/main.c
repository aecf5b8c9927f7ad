// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench [-q] [-c PART] instructions|unloaded|smp: measure the cases of that mode, each with each of
 * its mechanisms, and print a line for each result. -c measures only the cases whose name contains
 * PART, -q only the smallest and the largest size.
 *
 * bench list: print all cases, and what they measure.
 */
#include "bench.h"

static const struct bench_case *const files[] = {
	cases_null, cases_wait, cases_ctl, cases_many, cases_burst, cases_memory, cases_servers,
	cases_threads, cases_accept,
};

static const struct mechanism *const mechanisms[] = {
	&mech_none, &mech_select, &mech_poll, &mech_epoll, &mech_reuseport, &mech_uring,
	&mech_evpoll_read, &mech_evpoll_wait, &mech_evpoll_eager, &mech_evpoll_rotate,
	&mech_evpoll_uring, &mech_evpoll_ring,
};

static const char *const modes[] = { "instructions", "unloaded", "smp" };

bool quick;

static struct set set;

/* Measure a case once. Returns the instructions, or 0 if the case reports its own results. */
static double once(const struct bench_case *c, const struct mechanism *by, int n, double *spread)
{
	double value = 0;

	set_open(&set, by, c, n);
	if (c->setup)
		c->setup(&set);
	if (c->measure)
		c->measure(c, &set);
	else
		value = measure(c, &set, spread);
	if (c->teardown)
		c->teardown(&set);
	set_close(&set);
	usleep(100000);	/* let RCU free what is left; -icount skips idle time */
	return value;
}

static void each_set(const struct bench_case *c, const struct mechanism *by, int n)
{
	int sets = quick || !c->sets ? 1 : c->sets;
	double sum = 0, worst = 0, spread = 0;

	for (int i = 0; i < sets; i++) {
		sum += once(c, by, n, &spread);
		if (spread > worst)
			worst = spread;
	}
	if (!c->measure)
		result(c, &set, "instructions", sum / sets, worst);
}

static void run(const struct bench_case *c)
{
	const struct mechanism *by[ARRAY_SIZE(mechanisms)];
	int nr = 0;

	if (c->needs && access(c->needs, R_OK)) {
		printf("# %s is not measured: there is no %s\n", c->name, c->needs);
		return;
	}
	for (int i = 0; i < ARRAY_SIZE(mechanisms); i++)
		if (c->by & mechanisms[i]->bit)
			by[nr++] = mechanisms[i];
	for (const int *n = c->n; *n; n++) {
		if (quick && n > c->n && n[1])
			continue;
		if (c->turn)
			measure_in_turn(c, &set, by, nr, *n);
		for (int i = 0; i < nr && !c->turn; i++)
			each_set(c, by[i], *n);
	}
}

static void each_case(const char *mode, const char *part)
{
	for (int i = 0; i < ARRAY_SIZE(files); i++)
		for (const struct bench_case *c = files[i]; c->name; c++) {
			if (!strcmp(mode, "list"))
				printf("%s\t%s\n", c->name, c->what);
			else if (!strcmp(mode, modes[c->mode]) && strstr(c->name, part))
				run(c);
		}
}

int main(int argc, char **argv)
{
	const char *part = "", *mode;
	int option;

	while ((option = getopt(argc, argv, "qc:")) != -1) {
		if (option == 'q')
			quick = true;
		else if (option == 'c')
			part = optarg;
		else
			return 2;
	}
	mode = argv[optind];
	if (!mode)
		errx(2, "usage: bench [-q] [-c PART] instructions|unloaded|smp|list");
	if (!strcmp(mode, "instructions") || !strcmp(mode, "unloaded"))
		check_clock();
	each_case(mode, part);
	return 0;
}
