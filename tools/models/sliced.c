// SPDX-License-Identifier: GPL-2.0-only
/*
 * sliced PROGRAM: run it on all processors but the last two, whose timers make QEMU switch often
 * between the others: see slice() in ../load.h. The timers run until the program ends, because it
 * inherits their descriptors.
 */
#define _GNU_SOURCE
#include "../load.h"

int main(int argc, char **argv)
{
	int processors = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	if (argc != 2)
		errx(2, "usage: sliced PROGRAM");
	if (processors < 4)
		errx(1, "needs four processors");
	slice();
	CPU_ZERO(&set);
	for (int cpu = 0; cpu < processors - 2; cpu++)
		CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
	execv(argv[1], argv + 1);
	err(1, "%s", argv[1]);
}
