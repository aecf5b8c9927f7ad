// SPDX-License-Identifier: GPL-2.0-only
/*
 * Issue 4: evpoll against epoll, step by step; see fuzzer/fuzzer.h.
 *
 *   fuzz                         a few programs and threads, as a selftest
 *   fuzz run SECONDS SEED        as many as it can, on all processors
 *   fuzz replay FILE             one program, step by step
 */
#include "evpoll_util.h"
#include "fuzzer/fuzzer.h"

#include <stdatomic.h>
#include <sys/sysinfo.h>

/* What the workers have done */
struct tally {
	atomic_ulong programs, steps, interrupted, harvested, thread_steps;
	atomic_int differences;
	atomic_bool ending;
};

static struct world world;

FIXTURE(fuzz) {
};

FIXTURE_SETUP(fuzz)
{
	on_cpu(0);
	world.alone = true;
	ASSERT_TRUE(world_setup(&world)) TH_LOG("%s", strerror(errno));
}

FIXTURE_TEARDOWN(fuzz)
{
	world_clear(&world);
}

/* The same programs each time */
TEST_F_TIMEOUT(fuzz, programs, 800)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		EXPECT_TRUE(fuzz_one(&world, seed));
	}
	EXPECT_LT(100u, world.harvested);
}

FIXTURE(threads) {
};

FIXTURE_VARIANT(threads) {
	enum mechanism by;
	bool ring;	/* half of the threads harvest a ready ring */
};

EP_VARIANTS(threads);
FIXTURE_VARIANT_ADD(threads, ring_and_wait) { .by = BY_WAIT, .ring = true };
FIXTURE_VARIANT_ADD(threads, ring_and_read) { .by = BY_READ, .ring = true };

FIXTURE_SETUP(threads)
{
	ASSERT_TRUE(world_setup(&world)) TH_LOG("%s", strerror(errno));
}

FIXTURE_TEARDOWN(threads)
{
}

/* No event is lost, none comes after DEL, none twice with ONESHOT */
TEST_F_TIMEOUT(threads, hold, 800)
{
	for (int seed = 1; seed <= 6; seed++) {
		ASSERT_TRUE(threads_agree(&world, variant->by, variant->ring, seed, 1000))
			TH_LOG("seed %d: %s", seed, world.why);
	}
}

/* Programs until the end, or until there are so many differences that it is of no use. */
static void programs_main(struct tally *t, int n, uint64_t seed)
{
	on_cpu(n % get_nprocs());
	world.alone = !n;
	if (!world_setup(&world)) {
		perror("# the fuzzer's own files");
		t->differences++;
		return;
	}
	seed += (uint64_t)n << 32;
	while (!t->ending && t->differences < 10) {
		unsigned long steps = world.steps, interrupted = world.interrupted;
		unsigned long harvested = world.harvested;

		if (!fuzz_one(&world, random_next(&seed)))
			t->differences++;
		t->steps += world.steps - steps;
		t->interrupted += world.interrupted - interrupted;
		t->harvested += world.harvested - harvested;
		t->programs++;
	}
	world_clear(&world);
}

static void threads_main(struct tally *t, int n, uint64_t seed)
{
	if (!world_setup(&world))
		exit(1);
	while (!t->ending) {
		unsigned long steps = world.steps;
		enum mechanism by = random_next(&seed) % 2 ? BY_WAIT : BY_READ;

		if (!threads_agree(&world, by, random_next(&seed) % 2, seed, 2000)) {
			printf("# threads, seed %llx: %s\n", (unsigned long long)seed, world.why);
			fflush(stdout);
			t->differences++;
			/* Consumers may hang. */
			_exit(0);
		}
		t->thread_steps += world.steps - steps;
	}
}

static void progress(const struct tally *t, const char *what, double seconds)
{
	static unsigned long steps;
	static double before;
	unsigned long all = t->steps + t->thread_steps;

	printf("%5.0f s  %-8s %10lu operations, %6.0f a second, %d differences\n", seconds, what,
	       all, (all - steps) / (seconds - before), t->differences);
	fflush(stdout);
	steps = all;
	before = seconds;
}

/* Until the end of the time */
static void run_phase(struct tally *t, const char *what, long long start, long long end,
		      void (*worker)(struct tally *t, int n, uint64_t seed), uint64_t seed,
		      int workers)
{
	t->ending = false;
	for (int i = 0; i < workers; i++)
		if (!fork()) {
			worker(t, i, seed);
			_exit(0);
		}
	while (now_ms() < end && t->differences < 10) {
		usleep(1000 * (end - now_ms() < 5000 ? end - now_ms() : 5000));
		progress(t, what, (now_ms() - start) / 1e3);
	}
	t->ending = true;
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

/* Four fifths of the time for programs, the rest for threads. */
static int run(int seconds, uint64_t seed)
{
	struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long start = now_ms(), end = start + seconds * 1000LL;

	printf("seed %llu, %d s\n", (unsigned long long)seed, seconds);
	fflush(stdout);
	/* Two on each processor, as some steps sleep for an RCU grace period. */
	run_phase(t, "programs", start, end - seconds * 200LL, programs_main, seed,
		  2 * get_nprocs());
	run_phase(t, "threads", start, end, threads_main, seed, 1);
	printf("%lu operations in %lu programs, %lu in threads, %.0f s; "
	       "%lu events harvested; %lu looks interrupted; %d differences\n",
	       t->steps, t->programs, t->thread_steps, (now_ms() - start) / 1e3, t->harvested,
	       t->interrupted, t->differences);
	return t->differences || !t->steps || !t->harvested;
}

static int replay(const char *path)
{
	FILE *f = fopen(path, "r");
	struct program p;
	bool agrees;

	if (!f || !program_parse(f, &p)) {
		fprintf(stderr, "fuzz: %s: %s\n", path, f ? "not a program" : strerror(errno));
		return 2;
	}
	fclose(f);
	on_cpu(0);
	world.alone = true;
	world.trace = true;
	if (!world_setup(&world)) {
		perror("fuzz");
		return 2;
	}
	agrees = program_agrees(&world, &p);
	printf("%s\n", agrees ? "both agree" : world.why);
	world_clear(&world);
	return !agrees;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "run"))
		return run(atoi(argv[2]), strtoull(argv[3], NULL, 0));
	if (argc == 3 && !strcmp(argv[1], "replay"))
		return replay(argv[2]);
	return test_harness_run(argc, argv);
}
