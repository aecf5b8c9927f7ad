// SPDX-License-Identifier: GPL-2.0-only
/* How much is too much: watches a user (R21), files a process (R35), memory. */
#include "evpoll_util.h"

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

/* Users that nothing else in the machine runs as */
#define USER_A 65531
#define USER_B 65532

FIXTURE(limits) {
	const char *path;
	char old[32];
};

FIXTURE_VARIANT(limits) {
	enum mechanism by;
};

FIXTURE_VARIANT_ADD(limits, epoll) { .by = BY_EPOLL };
FIXTURE_VARIANT_ADD(limits, wait) { .by = BY_WAIT };

FIXTURE_SETUP(limits)
{
	self->path = variant->by == BY_EPOLL ? "/proc/sys/fs/epoll/max_user_watches"
					     : "/proc/sys/fs/evpoll/max_user_watches";
	snprintf(self->old, sizeof(self->old), "%lld", number_in(self->path));
}

/* In the parent, so that it is done after a failure too. */
FIXTURE_TEARDOWN_PARENT(limits)
{
	EXPECT_EQ(0, write_file(self->path, self->old));
}

/* A figure of /proc/meminfo in bytes; -1 if it is not there */
static long long memory_figure(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "r");
	long long kb = -1;
	char line[128];

	while (f && kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), "%lld", &kb);
	if (f)
		fclose(f);
	return kb < 0 ? -1 : kb * 1024;
}

/* From now on, new instances belong to @uid. Other permissions stay those of root. */
static int as_user(int uid)
{
	return setresuid(uid, 0, 0);
}

/* Eventfds added until the first error, up to @max; errno is that of the last ADD. */
static int add_files(enum mechanism by, int ep, int max)
{
	int n;

	errno = 0;
	for (n = 0; n < max; n++)
		if (ep_add(by, ep, eventfd(0, 0), EPOLLIN))
			break;
	return n;
}

/* R21: by default 1/25 of the memory over the cost of a watch, which is some 100 to 250 bytes */
TEST_F(limits, default)
{
	long long max = number_in(self->path);
	struct sysinfo si;
	struct stat st;

	ASSERT_EQ(0, sysinfo(&si));
	ASSERT_EQ(0, stat(self->path, &st));
	EXPECT_EQ(0644, st.st_mode & 07777);
	EXPECT_LE((long long)(si.totalram * si.mem_unit / 25 / 250), max);
	EXPECT_GE((long long)(si.totalram * si.mem_unit / 25 / 100), max);
}

/* proc_doulongvec_minmax(): what is not a number from 0 on is EINVAL and changes nothing */
TEST_F(limits, bad_values)
{
	static const char * const bad[] = { "-1", "x", "99999999999999999999", "12x" };

	ASSERT_EQ(0, write_file(self->path, "1000"));
	for (int i = 0; i < 4; i++) {
		EXPECT_ERRNO(EINVAL, write_file(self->path, bad[i]));
		EXPECT_EQ(1000, number_in(self->path)) TH_LOG("after %s", bad[i]);
	}
	EXPECT_EQ(0, write_file(self->path, "0"));
	EXPECT_EQ(0, number_in(self->path));
}

/* R21: the limit is root's to set */
TEST_F(limits, mode)
{
	ASSERT_EQ(0, setresuid(USER_A, USER_A, USER_A));
	EXPECT_LT(0, number_in(self->path));
	EXPECT_ERRNO(EACCES, write_file(self->path, "1000"));
}

/* R21: ENOSPC beyond the limit; what is there works on; each way out makes room */
TEST_F(limits, enospc)
{
	int ep, other, e[10];

	ASSERT_EQ(0, write_file(self->path, "10"));
	ASSERT_EQ(0, as_user(USER_A));
	ep = ep_create(variant->by, O_CLOEXEC);
	other = ep_create(variant->by, O_CLOEXEC);
	for (int i = 0; i < 10; i++) {
		e[i] = eventfd(1, 0);
		ASSERT_EQ(0, ep_add(variant->by, ep, e[i], EPOLLIN)) TH_LOG("%d", i);
	}
	EXPECT_EQ(0, add_files(variant->by, ep, 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, add_files(variant->by, other, 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(10, ep_items(ep));
	EXPECT_EQ(0, ep_mod(variant->by, ep, e[0], EPOLLIN));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, ep, e[9], 0));
	/* EEXIST before ENOSPC */
	EXPECT_ERRNO(EEXIST, ep_add(variant->by, ep, e[0], EPOLLIN));

	ASSERT_EQ(0, ep_del(variant->by, ep, e[0]));
	EXPECT_EQ(1, add_files(variant->by, ep, 10));
	EXPECT_EQ(ENOSPC, errno);
	close(e[1]);
	close(e[2]);
	EXPECT_EQ(2, add_files(variant->by, other, 10));
	EXPECT_EQ(ENOSPC, errno);
	close(ep);
	EXPECT_EQ(8, add_files(variant->by, other, 10));
	EXPECT_EQ(ENOSPC, errno);

	/* a lower limit takes nothing away, a higher one lets more in */
	ASSERT_EQ(0, write_file(self->path, "5"));
	EXPECT_EQ(10, ep_items(other));
	EXPECT_EQ(0, add_files(variant->by, other, 10));
	ASSERT_EQ(0, write_file(self->path, "12"));
	EXPECT_EQ(2, add_files(variant->by, other, 10));
	EXPECT_EQ(ENOSPC, errno);
}

/* R21: each user has a count of its own, and an instance is its opener's (ep_alloc()) */
TEST_F(limits, per_user)
{
	int a, b;

	ASSERT_EQ(0, write_file(self->path, "10"));
	ASSERT_EQ(0, as_user(USER_A));
	a = ep_create(variant->by, O_CLOEXEC);
	EXPECT_EQ(10, add_files(variant->by, a, 20));
	ASSERT_EQ(0, as_user(USER_B));
	b = ep_create(variant->by, O_CLOEXEC);
	EXPECT_EQ(0, add_files(variant->by, a, 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(10, add_files(variant->by, b, 20));
	EXPECT_EQ(ENOSPC, errno);
}

/* R21: an ADD that fails does not count, and a process that dies gives all its watches back */
TEST_F(limits, nothing_leaks)
{
	int ep, e = eventfd(0, 0), m = memfd_create("evpoll", 0), ret;

	ASSERT_EQ(0, write_file(self->path, "10"));
	ASSERT_EQ(0, as_user(USER_A));
	ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_EQ(0, ep_add(variant->by, ep, e, EPOLLIN));
	for (int i = 0; i < 100; i++) {
		EXPECT_ERRNO(EEXIST, ep_add(variant->by, ep, e, EPOLLIN));
		EXPECT_ERRNO(EPERM, ep_add(variant->by, ep, m, EPOLLIN));
		EXPECT_ERRNO(EINVAL, ep_add(variant->by, ep, ep, EPOLLIN));
		EXPECT_ERRNO(EBADF, ep_add(variant->by, ep, -1, EPOLLIN));
	}
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			int own = ep_create(variant->by, 0);

			ret = add_files(variant->by, own, 20);
			/* half of the children end in the act */
			if (i % 2)
				raise(SIGKILL);
			_exit(ret);
		}
		EXPECT_EQ(i % 2 ? -1 : 9, reap(pid));
	}
	EXPECT_EQ(9, add_files(variant->by, ep, 20));
	EXPECT_EQ(ENOSPC, errno);
}

/* R21: with 0 nothing can be watched */
TEST_F(limits, zero)
{
	int ep;

	ASSERT_EQ(0, as_user(USER_A));
	ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_EQ(0, write_file(self->path, "0"));
	EXPECT_EQ(0, add_files(variant->by, ep, 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, ep_items(ep));
}

FIXTURE(many) {
	int ep;
};

FIXTURE_VARIANT(many) {
	enum mechanism by;
};

EP_VARIANTS(many);

FIXTURE_SETUP(many)
{
	ASSERT_EQ(0, allow_files(16384));
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
}

FIXTURE_TEARDOWN(many)
{
}

#define MANY 5000

/* R35: 5000 files, with numbers far above 1024: all are reported, each once, in one wait */
TEST_F_TIMEOUT(many, all_reported, 800)
{
	struct epoll_event *ev = calloc(MANY + 1, sizeof(*ev));
	bool *seen = calloc(16384, sizeof(*seen));
	int top = 0;

	for (int i = 0; i < MANY; i++) {
		int e = eventfd(1, 0);

		ASSERT_LE(0, e);
		ASSERT_EQ(0, ep_add(variant->by, self->ep, e, EPOLLIN));
		top = e;
	}
	EXPECT_LT(4096, top);
	ASSERT_EQ(MANY, ep_wait(variant->by, self->ep, ev, MANY + 1, SOON));
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(EPOLLIN, ev[i].events);
		ASSERT_FALSE(seen[ev[i].data.fd]);
		seen[ev[i].data.fd] = true;
	}
}

/* R35: the highest number that a process may have */
TEST_F(many, highest_number)
{
	int e = eventfd(0, 0), high = 16383;

	ASSERT_EQ(high, dup2(e, high));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, high, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, high, 0));
	ASSERT_EQ(0, eventfd_write(e, 1));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, high, SOON));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, high));
}

/* R34: /proc/PID/fdinfo shows all of a large set, in epoll's format */
TEST_F_TIMEOUT(many, fdinfo, 800)
{
	bool *seen = calloc(16384, sizeof(*seen));
	char path[64], line[256];
	int n = 0;
	FILE *f;

	for (int i = 0; i < MANY; i++) {
		int e = eventfd(0, 0);

		ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, e, EPOLLIN,
				    0xabcdef0000000000ULL + e));
	}
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->ep);
	f = fopen(path, "r");
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long long data;
		unsigned int events;
		int fd;

		if (sscanf(line, "tfd: %d events: %x data: %llx pos:", &fd, &events,
			   &data) != 3)
			continue;
		ASSERT_EQ(0xabcdef0000000000ULL + fd, data);
		ASSERT_EQ(EPOLLIN | EPOLLERR | EPOLLHUP, events);
		ASSERT_FALSE(seen[fd]);
		seen[fd] = true;
		n++;
	}
	EXPECT_EQ(MANY, n);
}

/* R35: so many events at once through a small buffer: none twice, none lost (R32) */
TEST_F_TIMEOUT(many, small_buffer, 800)
{
	int *seen = calloc(16384, sizeof(*seen));
	struct epoll_event ev[7];

	for (int i = 0; i < 1000; i++) {
		int e = eventfd(1, 0);

		ASSERT_EQ(0, ep_add(variant->by, self->ep, e, EPOLLIN));
	}
	/* two turns */
	for (int got = 0; got < 2000; ) {
		int n = ep_wait(variant->by, self->ep, ev, got + 7 > 2000 ? 2000 - got : 7, SOON);

		ASSERT_LT(0, n);
		for (int i = 0; i < n; i++) {
			ASSERT_EQ(got++ / 1000, seen[ev[i].data.fd]++);
		}
	}
}

/* The number behind @key in a "key value" file, -1 if it is not there. */
static long long stat_in(const char *path, const char *key)
{
	long long value, found = -1;
	char name[64];
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (fscanf(f, "%63s %lld", name, &value) == 2)
		if (!strcmp(name, key))
			found = value;
	fclose(f);
	return found;
}

/*
 * Memory that the kernel has in slabs for a cgroup. On many processors the counters lag far
 * behind, and reading cpu.stat has the kernel add up all of them.
 */
static long long slab_of(const char *group)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/cpu.stat", group);
	stat_in(path, "usage_usec");
	snprintf(path, sizeof(path), "%s/memory.stat", group);
	return stat_in(path, "slab");
}

/* Items are charged to the memory cgroup of the process that adds them */
TEST_F_TIMEOUT(many, memory_cgroup, 800)
{
	char group[64], procs[96];
	long long before, after;
	pid_t pid;
	int ret;

	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	snprintf(group, sizeof(group), "/sys/fs/cgroup/evpoll-%d", getpid());
	if (mkdir(group, 0700))
		SKIP(return, "%s: %s", group, strerror(errno));
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", group);
	if (slab_of(group) < 0) {
		rmdir(group);
		SKIP(return, "%s: no slab in memory.stat", group);
	}
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		static int e[1000];

		ASSERT_EQ(0, write_file(procs, "0"));
		for (int i = 0; i < 1000; i++) {
			e[i] = eventfd(0, 0);
			ASSERT_EQ(0, ep_add(variant->by, self->ep, e[i], EPOLLIN));
		}
		before = slab_of(group);
		for (int i = 0; i < 10; i++) {
			int ep = ep_create(variant->by, 0);

			for (int j = 0; j < 1000; j++) {
				ASSERT_EQ(0, ep_add(variant->by, ep, e[j], EPOLLIN));
			}
		}
		after = slab_of(group);
		/* 10000 watches of 100 bytes or more, less what the counters lag behind */
		EXPECT_LT(750000, after - before) TH_LOG("%lld to %lld", before, after);
		_exit(0);
	}
	ret = reap(pid);
	EXPECT_EQ(0, ret);
	rmdir(group);
}

/* An instance with ten files takes the same memory on each machine: none of it is per CPU. */
TEST(memory_of_an_instance)
{
	enum { INSTANCES = 1000, FILES = 10 };
	long long percpu, slab;
	int ep[INSTANCES], fd[FILES];

	ASSERT_EQ(0, allow_files(INSTANCES + 100));
	for (int i = 0; i < FILES; i++)
		fd[i] = eventfd(0, 0);
	/* what the first instance of a user allocates for all */
	ASSERT_LE(0, ep_create(BY_WAIT, O_CLOEXEC));
	percpu = memory_figure("Percpu:");
	slab = memory_figure("Slab:");
	for (int i = 0; i < INSTANCES; i++) {
		ep[i] = ep_create(BY_WAIT, O_CLOEXEC);
		ASSERT_LE(0, ep[i]);
		for (int j = 0; j < FILES; j++)
			ASSERT_EQ(0, ep_add(BY_WAIT, ep[i], fd[j], EPOLLIN | EPOLLET));
	}
	for (int j = 0; j < FILES; j++)
		ASSERT_EQ(0, eventfd_write(fd[j], 1));
	percpu = memory_figure("Percpu:") - percpu;
	slab = memory_figure("Slab:") - slab;
	TH_LOG("an instance, its struct file and %d items: %lld bytes, %lld bytes per CPU", FILES,
	       slab / INSTANCES, percpu / INSTANCES);
	EXPECT_GE(64, percpu / INSTANCES);
	for (int i = 0; i < INSTANCES; i++)
		close(ep[i]);
}

TEST_HARNESS_MAIN
