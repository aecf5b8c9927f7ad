// SPDX-License-Identifier: GPL-2.0-only
/*
 * The supervisor: starts the other processes, kills workers, prints the progress, looks for tasks
 * that hang, and ends the test after DURATION seconds. Prints KTAP.
 */
#include "stress.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PROGRESS_MS 10000

struct shared *shared;

static pid_t workers[PROCESSES], loader, checker;
static unsigned long kills;
static bool hangs;

static pid_t start_worker(int process, uint64_t *rnd)
{
	uint64_t seed = random_next(rnd);
	pid_t pid = fork();

	if (!pid)
		work(process, seed);
	return pid;
}

static pid_t start(void (*fn)(uint64_t seed), uint64_t *rnd)
{
	uint64_t seed = random_next(rnd);
	pid_t pid = fork();

	if (!pid)
		fn(seed);
	return pid;
}

static void kill_worker(uint64_t *rnd)
{
	int process = random_below(rnd, PROCESSES);

	kill(workers[process], SIGKILL);
	waitpid(workers[process], NULL, 0);
	workers[process] = start_worker(process, rnd);
	kills++;
}

static unsigned long steps(void)
{
	unsigned long sum = 0;

	for (int p = 0; p < PROCESSES; p++)
		for (int t = 0; t < THREADS; t++)
			sum += shared->threads[p][t].steps;
	return sum;
}

static void show_stack(pid_t pid, const char *tid)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stack", pid, tid);
	f = fopen(path, "r");
	printf("# %s\n", path);
	while (f && fgets(line, sizeof(line), f))
		printf("#   %s", line);
	if (f)
		fclose(f);
}

static void show_stacks(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			show_stack(pid, entry->d_name);
	if (dir)
		closedir(dir);
}

/* Check that each thread has begun another operation. */
static void look_for_hangs(void)
{
	static unsigned long seen[PROCESSES][THREADS];
	static long long since[PROCESSES][THREADS];

	for (int p = 0; p < PROCESSES; p++)
		for (int t = 0; t < THREADS; t++) {
			struct thread_state *state = &shared->threads[p][t];

			if (state->steps != seen[p][t] || !since[p][t]) {
				seen[p][t] = state->steps;
				since[p][t] = now_ms();
			} else if (now_ms() - since[p][t] > HANG_MS && !hangs) {
				hangs = true;
				printf("# thread %d of worker %d hangs in '%s'\n", t, p,
				       ops[state->op].name);
				show_stacks(workers[p]);
			}
		}
}

static void print_progress(long long start)
{
	printf("# progress %3lld s: %lu operations, %lu rounds of events, %lu kills, %lu loads\n",
	       (now_ms() - start) / 1000, steps(), shared->rounds, kills, shared->loads);
}

static void supervise(long long duration_ms, uint64_t *rnd)
{
	long long start = now_ms(), shown = start;

	while (now_ms() - start < duration_ms && !hangs) {
		usleep(100000);
		if (one_in(rnd, 20))
			kill_worker(rnd);
		look_for_hangs();
		if (now_ms() - shown >= PROGRESS_MS) {
			shown += PROGRESS_MS;
			print_progress(start);
		}
	}
	print_progress(start);
}

/* Wait for the process to end. Show it and kill it if it does not. */
static bool ends(const char *name, pid_t pid)
{
	long long end = now_ms() + HANG_MS;
	int status;

	while (!waitpid(pid, &status, WNOHANG) && now_ms() < end)
		usleep(10000);
	if (now_ms() < end) {
		if (!status)
			return true;
		printf("# %s ended with status 0x%x\n", name, status);
		return false;
	}
	printf("# %s does not end\n", name);
	show_stacks(pid);
	kill(pid, SIGKILL);
	return false;
}

static bool all_end(void)
{
	bool ok;

	shared->stop = true;
	ok = ends("loader", loader) & ends("checker", checker);
	for (int p = 0; p < PROCESSES; p++)
		ok &= ends("worker", workers[p]);
	return ok;
}

static bool all_got_through(void)
{
	bool ok = true;

	for (int i = 0; i < nr_ops; i++) {
		printf("# %s: %lu\n", ops[i].name, shared->done[i]);
		ok &= shared->done[i] > 0;
	}
	return ok;
}

/*
 * Random operations of which each kind should have succeeded: the rarest are one in 230, and many
 * fail.
 */
#define ENOUGH_STEPS 50000

static int failures;

static void result(int number, bool ok, const char *name)
{
	printf("%sok %d %s\n", ok ? "" : "not ", number, name);
	failures += !ok;
}

static void ignore(int sig)
{
	(void)sig;
}

static void prepare(uint64_t *rnd)
{
	sigset_t set;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, shared->sock)) {
		printf("Bail out! %s\n", strerror(errno));
		exit(1);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* from terminals that are closed */
	/* For signalfd and O_ASYNC. They also end the waits whose signal mask does not block it. */
	signal(SIGUSR2, ignore);
	signal(SIGIO, ignore);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int fd = FIRST_FD + INSTANCES; fd < FIRST_FD + COMMON; fd++)
		new_file(fd, rnd);
}

int main(void)
{
	long long duration = atoll(getenv("DURATION") ?: "10");
	uint64_t seed = strtoull(getenv("SEED") ?: "0", NULL, 0) ?: (uint64_t)time(NULL), rnd;
	bool all;

	setvbuf(stdout, NULL, _IOLBF, 0);
	rnd = seed * 0x9e3779b97f4a7c15 + 1;
	printf("TAP version 13\n1..5\n# progress seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	prepare(&rnd);
	for (int p = 0; p < PROCESSES; p++)
		workers[p] = start_worker(p, &rnd);
	loader = start(load_and_unload, &rnd);
	checker = start(check_events, &rnd);
	supervise(duration * 1000, &rnd);

	result(1, !hangs, "no task hangs");
	result(2, all_end(), "all tasks end");
	if (shared->lost || shared->strange)
		printf("# %lu lost, %lu too many or calls that failed\n", shared->lost,
		       shared->strange);
	result(3, shared->rounds && !shared->lost && !shared->strange,
	       "no event is lost, and none is too many");
	all = all_got_through();
	if (all || steps() >= ENOUGH_STEPS)
		result(4, all, "every operation succeeded at some time");
	else
		printf("ok 4 # SKIP some operations did not succeed in %lu, which are too few\n",
		       steps());
	if (shared->stuck)
		printf("# %lu times it stayed in use\n", shared->stuck);
	result(5, shared->loads && !shared->stuck, "the module was unloaded and loaded");
	return failures > 0;
}
