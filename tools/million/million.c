// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watch one million files with one instance, 500 of them active at a time. The tests measure the
 * time to add the files, the memory of a watched file, and whether a wait takes longer because of
 * the idle files. They also close the instance before the files, and the files before the instance,
 * and one file that is watched a million times. epoll does the same for comparison. Prints KTAP.
 *
 * The test sets the kernel's soft lockup watchdog to its shortest time, because no step may keep a
 * processor from its other work. KERNELS=none is the kernel that shows this best.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include <linux/evpoll.h>

#define FEW 1000
#define MANY 1000000
#define ACTIVE 500
#define ROUNDS 20
#define NEED_MB 3000

enum mechanism { BY_EPOLL, BY_EVPOLL, MECHANISMS };

static const char * const names[] = { "epoll", "evpoll" };
static int fds[MANY];
static int failures, results;
static atomic_bool closed;

static void result(bool ok, const char *name, const char *what)
{
	printf("%sok %d %s: %s\n", ok ? "" : "not ", ++results, name, what);
	failures += !ok;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int create(enum mechanism by)
{
	return by == BY_EPOLL ? epoll_create1(0) : open("/dev/evpoll", O_RDWR);
}

static int add(enum mechanism by, int ep, int i)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = i };
	struct evpoll_ctl ctl = { .op = EPOLL_CTL_ADD, .fd = fds[i], .events = EPOLLIN, .data = i };

	if (by == BY_EPOLL)
		return epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev);
	return ioctl(ep, EVPOLL_IOC_CTL, &ctl);
}

static int wait_once(enum mechanism by, int ep, struct epoll_event *ev)
{
	int64_t none[2] = { 0 };
	struct evpoll_wait wait = {
		.events = (uintptr_t)ev, .maxevents = 2 * ACTIVE, .timeout = (uintptr_t)none,
	};

	if (by == BY_EPOLL)
		return epoll_wait(ep, ev, 2 * ACTIVE, 0);
	return ioctl(ep, EVPOLL_IOC_WAIT, &wait);
}

/* Size of all pages in the slab caches, in bytes */
static long long slab_bytes(void)
{
	static const char format[] =
		"%*s %*d %*d %*d %*d %d : tunables %*d %*d %*d : slabdata %*d %lld";
	FILE *f = fopen("/proc/slabinfo", "r");
	long long sum = 0, slabs;
	char line[512];
	int pages;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &pages, &slabs) == 2)
			sum += slabs * pages * getpagesize();
	if (f)
		fclose(f);
	return sum;
}

/* The value of a line of /proc/meminfo, in bytes */
static long long free_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	long long kb = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %lld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb * 1024;
}

static bool make_files(int n)
{
	for (int i = 0; i < n; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		if (fds[i] < 0) {
			printf("# eventfd %d: %s\n", i, strerror(errno));
			return false;
		}
	}
	return true;
}

/* Print the progress, so that the host sees that the test is alive. */
static void show(enum mechanism by, const char *what, uint64_t since)
{
	printf("# progress %-6s %-44s %8.3f s\n", names[by], what, (now_ns() - since) / 1e9);
}

/* One file with a million descriptors: closing the last one removes all items. */
static bool make_copies(void)
{
	fds[0] = eventfd(0, EFD_NONBLOCK);
	for (int i = 1; i < MANY; i++) {
		fds[i] = dup(fds[0]);
		if (fds[i] < 0) {
			printf("# dup %d: %s\n", i, strerror(errno));
			return false;
		}
	}
	return true;
}

static bool register_all(enum mechanism by, int ep, int n)
{
	for (int i = 0; i < n; i++)
		if (add(by, ep, i)) {
			printf("# ADD %d: %s\n", i, strerror(errno));
			return false;
		}
	return true;
}

/*
 * Make some files readable, wait for all of them and read them, in several rounds with different
 * files. Returns the shortest time of a wait, or 0 if a wait did not return exactly these files.
 */
static uint64_t wait_ns(enum mechanism by, int ep, int watched)
{
	static struct epoll_event ev[2 * ACTIVE];
	uint64_t best = UINT64_MAX, one = 1, start, took;
	int step = watched / ACTIVE;

	for (int round = 0; round < ROUNDS; round++) {
		int first = round % step, n;

		for (int i = 0; i < ACTIVE; i++)
			if (write(fds[first + i * step], &one, sizeof(one)) != sizeof(one))
				return 0;
		start = now_ns();
		n = wait_once(by, ep, ev);
		took = now_ns() - start;
		if (n != ACTIVE)
			return 0;
		if (took < best)
			best = took;
		for (int i = 0; i < n; i++)
			if ((int)ev[i].data.u64 % step != first ||
			    read(fds[ev[i].data.u64], &one, sizeof(one)) != sizeof(one))
				return 0;
		/* The next wait polls the level-triggered items again and finds nothing. */
		if (wait_once(by, ep, ev))
			return 0;
	}
	return best;
}

/* The time of the same waits in an instance that watches few files */
static uint64_t wait_few_ns(enum mechanism by)
{
	int ep = create(by);
	uint64_t ns = register_all(by, ep, FEW) ? wait_ns(by, ep, FEW) : 0;

	close(ep);
	return ns;
}

static void close_files(void)
{
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}

static void set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (write(fd, value, strlen(value)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	close(fd);
}

/* Close the files first, and close the instance first. */
static void end(enum mechanism by, int ep, bool files_first)
{
	uint64_t start = now_ns();

	if (files_first) {
		close_files();
		show(by, "1,000,000 watched files closed", start);
		start = now_ns();
		close(ep);
		show(by, "the instance closed after them", start);
	} else {
		close(ep);
		show(by, "the instance closed, 1,000,000 watched", start);
		start = now_ns();
		close_files();
		show(by, "the files closed after it", start);
	}
}

/* Sleep for a millisecond again and again, and keep the longest time that this took. */
static void *sleep_often(void *longest_ns)
{
	uint64_t *longest = longest_ns, last = now_ns(), now;

	while (!closed) {
		usleep(1000);
		now = now_ns();
		if (now - last > *longest)
			*longest = now - last;
		last = now;
	}
	return NULL;
}

/*
 * Close all descriptors of the file that make_copies() made. The last close removes all items, and
 * must let another thread run on the same processor meanwhile. With KERNELS=none epoll's loop does
 * not give way, so switch off the kernel's reports of that while it runs.
 */
static void end_copies(enum mechanism by, int ep)
{
	uint64_t longest = 0, start, took;
	cpu_set_t before, here;
	pthread_t other;

	for (int i = 1; i < MANY; i++)
		close(fds[i]);
	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	if (by == BY_EPOLL) {
		set("/proc/sys/kernel/watchdog_thresh", "0");
		set("/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress", "1");
	}
	closed = false;
	pthread_create(&other, NULL, sleep_often, &longest);
	usleep(100000);

	start = now_ns();
	close(fds[0]);
	took = now_ns() - start;
	show(by, "one file closed, watched 1,000,000 times", start);

	closed = true;
	pthread_join(other, NULL);
	if (by == BY_EPOLL) {
		set("/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress", "0");
		set("/proc/sys/kernel/watchdog_thresh", "1");
	}
	sched_setaffinity(0, sizeof(before), &before);
	printf("# progress %-6s a thread that slept for 1 ms meanwhile ran after %.0f ms at most\n",
	       names[by], longest / 1e6);
	if (by == BY_EVPOLL)
		result(longest < took / 4, names[by], "that close gives way");
	close(ep);
}

static void measure(enum mechanism by)
{
	uint64_t few = wait_few_ns(by), many, start;
	long long slab, free;
	int ep = create(by);
	bool ok;

	slab = slab_bytes();
	free = free_bytes();
	start = now_ns();
	ok = register_all(by, ep, MANY);
	show(by, "1,000,000 registered", start);
	slab = slab_bytes() - slab;
	free -= free_bytes();
	result(ok, names[by], "registers a million files");
	printf("# progress %-6s a watch takes %.0f bytes of slabs, %.0f of memory in all\n",
	       names[by], (double)slab / MANY, (double)free / MANY);

	many = wait_ns(by, ep, MANY);
	result(few && many, names[by], "a wait returns the active ones");
	printf("# progress %-6s a wait for 500 of 1,000,000: %.1f us, of 1,000: %.1f us\n",
	       names[by], many / 1e3, few / 1e3);
	/* R7, R36: polling every file would take 1000 times as long */
	result(many < 10 * few, names[by], "the cost follows those that are ready");
	end(by, ep, false);

	ok = make_files(MANY);
	ep = create(by);
	result(ok && register_all(by, ep, MANY), names[by], "and once more");
	end(by, ep, true);

	ok = make_copies();
	ep = create(by);
	result(ok && register_all(by, ep, MANY), names[by], "one file, a million times");
	end_copies(by, ep);
	ok = make_files(MANY);
	result(ok, names[by], "all files were let go");
}

int main(void)
{
	struct rlimit files = { MANY + 100, MANY + 100 };
	struct sysinfo si;
	uint64_t start;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	sysinfo(&si);
	if (si.totalram * si.mem_unit >> 20 < NEED_MB) {
		printf("1..0 # SKIP %llu MB of memory, it takes %d: MEM=4G\n",
		       (unsigned long long)si.totalram * si.mem_unit >> 20, NEED_MB);
		return 4;
	}
	printf("1..13\n");
	set("/proc/sys/kernel/watchdog_thresh", "1");
	set("/proc/sys/fs/nr_open", "2000000");
	set("/proc/sys/fs/file-max", "2000000");
	set("/proc/sys/fs/epoll/max_user_watches", "2000000");
	set("/proc/sys/fs/evpoll/max_user_watches", "2000000");
	if (setrlimit(RLIMIT_NOFILE, &files))
		printf("# RLIMIT_NOFILE: %s\n", strerror(errno));
	start = now_ns();
	if (!make_files(MANY))
		return 1;
	show(BY_EPOLL, "1,000,000 eventfds made", start);
	for (enum mechanism by = BY_EPOLL; by < MECHANISMS; by++)
		measure(by);
	return failures > 0;
}
