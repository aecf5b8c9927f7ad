// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a ring: EVPOLL_IOC_RING and mmap() with every wrong argument (uapi/linux/evpoll.h),
 * who may map the memory and how, how long it lives, and who pays for it.
 */
#include "evpoll_ring_test.h"

#include <linux/mman.h>
#include <setjmp.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#define LIMIT "/proc/sys/fs/evpoll/max_user_watches"

/* A user that nothing else in the machine runs as */
#define USER 65531

#define PAGE 4096

/* Enough for several pages */
#define SLOTS 1024

static int make_ring(int ep, unsigned int slots, struct evpoll_ring_setup *setup)
{
	*setup = (struct evpoll_ring_setup){ .slots = slots };
	return ioctl(ep, EVPOLL_IOC_RING, setup);
}

/* As the uapi says. Returns the mapping or MAP_FAILED. */
static void *map_ring(int ep, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ep, 0);
}

/* mmap() of a whole ring, in a way of its own. Must fail with @error. */
#define EXPECT_NO_MAP(error, size, prot, flags, ep, offset) do {		\
	errno = 0;								\
	EXPECT_EQ(MAP_FAILED, mmap(NULL, size, prot, flags, ep, offset));	\
	EXPECT_EQ(error, errno);						\
} while (0)

/* How many entries from the beginning on have been stored and not cleared? */
static unsigned int entries_in(const void *map, const struct evpoll_ring_setup *setup)
{
	const uint32_t *index = map + setup->index_offset;
	unsigned int n = 0;

	while (n < setup->slots && __atomic_load_n(&index[n], __ATOMIC_ACQUIRE))
		n++;
	return n;
}

FIXTURE(ring_mmap) {
	int ep;
	int fd;		/* an eventfd */
	struct evpoll_ring_setup setup;
};

FIXTURE_SETUP(ring_mmap)
{
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
	self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

FIXTURE_TEARDOWN(ring_mmap)
{
	close(self->ep);
	close(self->fd);
}

/* The parts are in the memory, do not overlap, and are zero. */
TEST_F(ring_mmap, layout)
{
	for (unsigned int slots = 1; slots <= 4096; slots *= 2) {
		int ep = ep_create(BY_WAIT, O_CLOEXEC);
		struct evpoll_ring_setup *s = &self->setup;
		char *map, zero[PAGE] = {};

		ASSERT_EQ(0, make_ring(ep, slots, s)) TH_LOG("%u slots", slots);
		EXPECT_EQ(slots, s->slots);
		EXPECT_EQ(0, s->size % PAGE);
		EXPECT_EQ(0, (s->flags_offset | s->head_offset | s->index_offset) % 4);
		EXPECT_EQ(0, s->slots_offset % sizeof(struct evpoll_ring_slot));
		EXPECT_LE(s->flags_offset + 4, s->head_offset);
		EXPECT_LE(s->head_offset + 4, s->index_offset);
		EXPECT_LE(s->index_offset + 4 * slots, s->slots_offset);
		EXPECT_LE(s->slots_offset + slots * sizeof(struct evpoll_ring_slot), s->size);
		map = map_ring(ep, s->size);
		ASSERT_NE(MAP_FAILED, map);
		for (size_t at = 0; at < s->size; at += PAGE)
			EXPECT_EQ(0, memcmp(map + at, zero, PAGE));
		munmap(map, s->size);
		close(ep);
	}
}

TEST_F(ring_mmap, wrong_slots)
{
	static const unsigned int wrong[] = {
		0, 3, 5, 6, 7, 9, 1000, EVPOLL_RING_MAX_SLOTS - 1, EVPOLL_RING_MAX_SLOTS + 1,
		EVPOLL_RING_MAX_SLOTS * 2, 1U << 31, -1U,
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_ERRNO(EINVAL, make_ring(self->ep, wrong[i], &self->setup));
	/* and none of them has left something */
	EXPECT_EQ(0, make_ring(self->ep, 1, &self->setup));
}

TEST_F(ring_mmap, wrong_flags)
{
	for (int bit = 0; bit < 32; bit++) {
		self->setup = (struct evpoll_ring_setup){ .slots = 8, .flags = 1U << bit };
		EXPECT_ERRNO(EINVAL, ioctl(self->ep, EVPOLL_IOC_RING, &self->setup));
	}
	EXPECT_EQ(0, make_ring(self->ep, 8, &self->setup));
}

/* The argument cannot be read, or cannot be written. */
TEST_F(ring_mmap, wrong_pointers)
{
	struct evpoll_ring_setup *setup;

	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_RING, NULL));
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_RING, (void *)-8L));
	setup = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, setup);
	setup->slots = 8;
	ASSERT_EQ(0, mprotect(setup, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->ep, EVPOLL_IOC_RING, setup));
	munmap(setup, PAGE);
	/* The ring may be there or not. The instance works. */
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->fd, SOON));
}

/* A later version may add fields. The kernel refuses what it does not know, if it is not zero. */
TEST_F(ring_mmap, longer_structure)
{
	struct {
		struct evpoll_ring_setup setup;
		uint64_t more;
	} longer = { .setup.slots = 8, .more = 1 };
	const unsigned long cmd = _IOC(_IOC_READ | _IOC_WRITE, EVPOLL_IOC_MAGIC, 7, sizeof(longer));

	EXPECT_ERRNO(E2BIG, ioctl(self->ep, cmd, &longer));
	longer.more = 0;
	EXPECT_EQ(0, ioctl(self->ep, cmd, &longer));
	EXPECT_LT(0, longer.setup.size);
	EXPECT_ERRNO(EINVAL, ioctl(self->ep, cmd - (16U << _IOC_SIZESHIFT), &longer));
}

TEST_F(ring_mmap, second_ring)
{
	ASSERT_EQ(0, make_ring(self->ep, 8, &self->setup));
	EXPECT_ERRNO(EEXIST, make_ring(self->ep, 8, &self->setup));
	EXPECT_ERRNO(EINVAL, make_ring(self->ep, 3, &self->setup));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	EXPECT_ERRNO(EEXIST, make_ring(self->ep, 8, &self->setup));
}

TEST_F(ring_mmap, after_the_first_registration)
{
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN));
	EXPECT_ERRNO(EBUSY, make_ring(self->ep, 8, &self->setup));
	EXPECT_NO_MAP(ENODEV, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->ep, 0);
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->fd, SOON));
	ASSERT_EQ(0, ep_del(BY_WAIT, self->ep, self->fd));
	EXPECT_EQ(0, make_ring(self->ep, 8, &self->setup));
}

TEST_F(ring_mmap, wrong_mappings)
{
	const int rw = PROT_READ | PROT_WRITE;
	size_t size;

	EXPECT_NO_MAP(ENODEV, PAGE, rw, MAP_SHARED, self->ep, 0);
	ASSERT_EQ(0, make_ring(self->ep, SLOTS, &self->setup));
	size = self->setup.size;
	ASSERT_LT(2 * PAGE, size);
	EXPECT_NO_MAP(EINVAL, size - PAGE, rw, MAP_SHARED, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, size + PAGE, rw, MAP_SHARED, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, PAGE, rw, MAP_SHARED, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, 0, rw, MAP_SHARED, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, size, rw, MAP_SHARED, self->ep, PAGE);
	EXPECT_NO_MAP(EINVAL, size - PAGE, rw, MAP_SHARED, self->ep, PAGE);
	EXPECT_NO_MAP(EINVAL, size, rw, MAP_SHARED, self->ep, (off_t)1 << 40);
	EXPECT_NO_MAP(EINVAL, size, rw, MAP_PRIVATE, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_READ, MAP_SHARED, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_READ, MAP_PRIVATE, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_NONE, MAP_SHARED, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, size, rw | PROT_EXEC, MAP_SHARED, self->ep, 0);
	EXPECT_NO_MAP(EINVAL, size, PROT_READ | PROT_EXEC, MAP_SHARED, self->ep, 0);
	/* and none of them is in the way */
	EXPECT_NE(MAP_FAILED, map_ring(self->ep, size));
}

/* Who may not read and write the instance may not map its ring for both. */
TEST_F(ring_mmap, wrong_modes)
{
	static const int modes[] = { O_RDONLY, O_WRONLY };

	for (int i = 0; i < 2; i++) {
		int ep = open(EVPOLL_DEV, modes[i] | O_CLOEXEC);

		ASSERT_EQ(0, make_ring(ep, 8, &self->setup));
		EXPECT_NO_MAP(EACCES, self->setup.size, PROT_READ | PROT_WRITE, MAP_SHARED, ep, 0);
		EXPECT_NO_MAP(modes[i] == O_RDONLY ? EINVAL : EACCES, self->setup.size, PROT_READ,
			      MAP_SHARED, ep, 0);
		close(ep);
	}
}

TEST_F(ring_mmap, protection)
{
	char *map;

	ASSERT_EQ(0, make_ring(self->ep, SLOTS, &self->setup));
	map = map_ring(self->ep, self->setup.size);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_ERRNO(EACCES, mprotect(map, self->setup.size, PROT_READ | PROT_EXEC));
	EXPECT_ERRNO(EACCES, mprotect(map, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	EXPECT_EQ(0, mprotect(map, self->setup.size, PROT_READ));
	EXPECT_EQ(0, mprotect(map, self->setup.size, PROT_READ | PROT_WRITE));
	map[self->setup.size - 1] = 1;
}

/* mremap(): the mapping may move and shrink, and it does not grow. */
TEST_F(ring_mmap, moves)
{
	struct evpoll_ring_setup *s = &self->setup;
	char *map, *to;

	ASSERT_EQ(0, make_ring(self->ep, SLOTS, s));
	map = map_ring(self->ep, s->size);
	ASSERT_NE(MAP_FAILED, map);
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mremap(map, s->size, s->size + PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	to = mmap(NULL, s->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, to);
	ASSERT_EQ(to, mremap(map, s->size, s->size, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, entries_in(to, s));
	/* without the last page */
	EXPECT_EQ(to, mremap(to, s->size, s->size - PAGE, 0));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, entries_in(to, s));
}

/* Two mappings show the same memory. */
TEST_F(ring_mmap, mapped_twice)
{
	struct evpoll_ring_setup *s = &self->setup;
	char *map[2];

	ASSERT_EQ(0, make_ring(self->ep, 8, s));
	for (int i = 0; i < 2; i++) {
		map[i] = map_ring(self->ep, s->size);
		ASSERT_NE(MAP_FAILED, map[i]);
	}
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, entries_in(map[0], s));
	EXPECT_EQ(1, entries_in(map[1], s));
	munmap(map[0], s->size);
	*(uint32_t *)(map[1] + s->index_offset) = 0;
	EXPECT_EQ(0, entries_in(map[1], s));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, s->size, PROT_READ, MAP_SHARED, self->ep, 0));
}

/* The kernel needs no mapping to publish. What is mapped later has what came before. */
TEST_F(ring_mmap, unmapped)
{
	struct evpoll_ring_setup *s = &self->setup;
	char *map;

	ASSERT_EQ(0, make_ring(self->ep, SLOTS, s));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	map = map_ring(self->ep, s->size);
	ASSERT_NE(MAP_FAILED, map);
	/* A hole in the middle, then the first page, then the rest */
	ASSERT_EQ(0, munmap(map + PAGE, PAGE));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_EQ(1, entries_in(map, s));
	map[s->size - 1] = 1;
	ASSERT_EQ(0, munmap(map, PAGE));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	ASSERT_EQ(0, munmap(map + 2 * PAGE, s->size - 2 * PAGE));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	map = map_ring(self->ep, s->size);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(1, entries_in(map, s));
	EXPECT_EQ(1, map[s->size - 1]);
}

static sigjmp_buf after_sigbus;

static void on_sigbus(int sig)
{
	siglongjmp(after_sigbus, sig);
}

/* Memory that the program gives back is gone from that mapping, and from no other. */
TEST_F(ring_mmap, given_back)
{
	struct evpoll_ring_setup *s = &self->setup;
	char *map, *other;

	ASSERT_EQ(0, make_ring(self->ep, 8, s));
	map = map_ring(self->ep, s->size);
	other = map_ring(self->ep, s->size);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	if (!madvise(map, s->size, MADV_DONTNEED)) {
		signal(SIGBUS, on_sigbus);
		if (!sigsetjmp(after_sigbus, 1)) {
			EXPECT_EQ(1, entries_in(map, s));
		}
	}
	EXPECT_EQ(1, entries_in(other, s));
}

/* A child has the same memory, with the instance and without it. */
TEST_F(ring_mmap, fork)
{
	struct evpoll_ring ring;
	struct epoll_event ev;
	int go[2], done[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(done));
	ASSERT_EQ(0, evpoll_ring_create(&ring, self->ep, 8));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	pid = fork();
	if (!pid) {
		close(self->ep);
		for (int i = 0; i < 10; i++)
			if (get_byte(go[0]) || evpoll_ring_harvest(&ring, &ev, 1) != 1 ||
			    ev.data.fd != self->fd || put_byte(done[1]))
				_exit(1);
		_exit(0);
	}
	close(done[1]);
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		ASSERT_EQ(0, put_byte(go[1]));
		ASSERT_EQ(0, get_byte(done[0]));
		EXPECT_NO_HARVEST(&ring);
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
		EXPECT_HARVEST(&ring, EPOLLIN, self->fd);
	}
	EXPECT_EQ(0, reap(pid));
	evpoll_ring_close(&ring);
}

TEST_F(ring_mmap, after_close)
{
	int copy;

	ASSERT_EQ(0, make_ring(self->ep, 8, &self->setup));
	copy = dup(self->ep);
	close(self->ep);
	EXPECT_NO_MAP(EBADF, self->setup.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->ep, 0);
	EXPECT_NE(MAP_FAILED, map_ring(copy, self->setup.size));
	close(copy);
}

/*
 * The mapping does not keep the instance: its close ends the registrations. The memory stays, and
 * nothing comes into it.
 */
TEST_F(ring_mmap, outlives_the_instance)
{
	struct evpoll_ring ring;
	char *before;

	ASSERT_EQ(0, evpoll_ring_create(&ring, self->ep, SLOTS));
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, eventfd_write(self->fd, 1));
	EXPECT_HARVEST(&ring, EPOLLIN, self->fd);
	close(self->ep);
	before = malloc(ring.size);
	memcpy(before, ring.map, ring.size);
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(0, eventfd_write(self->fd, 1));
	close(self->fd);
	EXPECT_EQ(0, memcmp(before, ring.map, ring.size));
	memset(ring.map, 0xff, ring.size);
	EXPECT_EQ(-1U, *ring.index);
	evpoll_ring_close(&ring);
	free(before);
}

FIXTURE(ring_limit) {
	char old[32];
	struct evpoll_ring_setup setup;
};

FIXTURE_SETUP(ring_limit)
{
	snprintf(self->old, sizeof(self->old), "%lld", number_in(LIMIT));
	ASSERT_EQ(0, write_file(LIMIT, "60"));
	/* New instances belong to this user. Other permissions stay those of root. */
	ASSERT_EQ(0, setresuid(USER, 0, 0));
}

/* In the parent, so that it is done after a failure too. */
FIXTURE_TEARDOWN_PARENT(ring_limit)
{
	EXPECT_EQ(0, write_file(LIMIT, self->old));
}

/* How many registrations does the user have left? */
static int room(void)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC), n = 0;

	while (n < 100 && !ep_add(BY_WAIT, ep, eventfd(0, EFD_CLOEXEC), EPOLLIN))
		n++;
	if (n < 100 && errno != ENOSPC)
		n = -1;
	close(ep);
	return n;
}

/* The same, once it is @n. A ring is freed some time after the close of its instance. */
static int room_becomes(int n)
{
	long long end = now_ms() + SOON;
	int now;

	while ((now = room()) != n && now_ms() < end)
		sched_yield();
	return now;
}

/* A ring counts as the watches that would take as much memory, 160 bytes each. */
TEST_F(ring_limit, counts_as_watches)
{
	static const struct { unsigned int slots, watches; } rings[] = {
		{ 1, PAGE / 160 }, { 64, PAGE / 160 }, { 256, 2 * PAGE / 160 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		int ep = ep_create(BY_WAIT, O_CLOEXEC);

		ASSERT_EQ(0, make_ring(ep, rings[i].slots, &self->setup));
		EXPECT_EQ(60 - rings[i].watches, room()) TH_LOG("%u slots", rings[i].slots);
		close(ep);
		EXPECT_EQ(60, room_becomes(60));
	}
}

/* A ring that does not come to be does not count. */
TEST_F(ring_limit, enospc)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC), other = ep_create(BY_WAIT, O_CLOEXEC);

	EXPECT_ERRNO(ENOSPC, make_ring(ep, 512, &self->setup));
	EXPECT_ERRNO(ENOSPC, make_ring(ep, EVPOLL_RING_MAX_SLOTS, &self->setup));
	EXPECT_EQ(60, room());
	ASSERT_EQ(0, make_ring(ep, 64, &self->setup));
	EXPECT_ERRNO(ENOSPC, make_ring(other, 256, &self->setup));
	EXPECT_EQ(35, room());
	ASSERT_EQ(0, make_ring(other, 16, &self->setup));
	EXPECT_EQ(10, room());
	close(ep);
	EXPECT_EQ(35, room_becomes(35));
	for (int i = 0; i < 100; i++) {
		EXPECT_ERRNO(EEXIST, make_ring(other, 8, &self->setup));
		EXPECT_ERRNO(EINVAL, make_ring(other, 7, &self->setup));
	}
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, ep_add(BY_WAIT, ep, eventfd(0, EFD_CLOEXEC), EPOLLIN));
	for (int i = 0; i < 100; i++)
		EXPECT_ERRNO(EBUSY, make_ring(ep, 8, &self->setup));
	close(ep);
	close(other);
	EXPECT_EQ(60, room_becomes(60));
	ASSERT_EQ(0, write_file(LIMIT, "0"));
	ep = ep_create(BY_WAIT, O_CLOEXEC);
	EXPECT_ERRNO(ENOSPC, make_ring(ep, 1, &self->setup));
}

/* The close of the instance ends the registrations and gives all watches back. */
TEST_F(ring_limit, mapping_counts_for_nothing)
{
	int ep = ep_create(BY_WAIT, O_CLOEXEC);
	void *map;

	ASSERT_EQ(0, make_ring(ep, 64, &self->setup));
	map = map_ring(ep, self->setup.size);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ep_add(BY_WAIT, ep, eventfd(0, EFD_CLOEXEC), EPOLLIN));
	EXPECT_EQ(34, room());
	close(ep);
	EXPECT_EQ(60, room_becomes(60));
	munmap(map, self->setup.size);
	EXPECT_EQ(60, room());
}

/* So does the death of the process, whatever it was doing. */
TEST_F(ring_limit, nothing_leaks)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			int ep = ep_create(BY_WAIT, 0);

			/* The ring before this one may not be freed yet. */
			if (room_becomes(60) != 60 || make_ring(ep, 32, &self->setup) ||
			    map_ring(ep, self->setup.size) == MAP_FAILED ||
			    ep_add(BY_WAIT, ep, eventfd(1, 0), EPOLLIN))
				_exit(1);
			/* half of the children end in the act */
			if (i % 2)
				raise(SIGKILL);
			_exit(0);
		}
		EXPECT_EQ(i % 2 ? -1 : 0, reap(pid));
	}
	EXPECT_EQ(60, room_becomes(60));
}

/* The number behind @key in a "key value" file, -1 if it is not there */
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

/* What @group has in use, once the kernel has added up the counters of all processors */
static long long memory_of(const char *group)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/memory.stat", group);
	stat_in(path, "slab");
	snprintf(path, sizeof(path), "%s/memory.current", group);
	return number_in(path);
}

/* In a child: makes rings in a memory cgroup. Returns what differs, 0 if nothing does. */
static int rings_in(const char *group)
{
	enum { SIZE = 1 << 17, MORE = 2000000, LESS = 500000 };
	struct evpoll_ring_setup setup;
	long long before, end;
	int ep = ep_create(BY_WAIT, 0);
	char procs[96];
	void *map;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", group);
	if (write_file(procs, "0"))
		return 1;
	before = memory_of(group);
	if (make_ring(ep, SIZE, &setup))
		return 2;
	if (memory_of(group) - before < MORE)
		return 3;
	map = map_ring(ep, setup.size);
	close(ep);
	/* The mapping alone keeps it. */
	if (map == MAP_FAILED || memory_of(group) - before < MORE)
		return 4;
	munmap(map, setup.size);
	/* The instance is freed some time after its close. */
	end = now_ms() + SOON;
	while (memory_of(group) - before > LESS)
		if (now_ms() > end)
			return 5;
	return 0;
}

/* The memory is charged to the memory cgroup of the task that makes the ring. */
TEST_F(ring_mmap, memory_cgroup)
{
	char group[64];
	pid_t pid;

	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	snprintf(group, sizeof(group), "/sys/fs/cgroup/evpoll-ring-%d", getpid());
	if (mkdir(group, 0700))
		SKIP(return, "%s: %s", group, strerror(errno));
	if (memory_of(group) < 0) {
		rmdir(group);
		SKIP(return, "%s: no memory.current", group);
	}
	pid = fork();
	if (!pid)
		_exit(rings_in(group));
	EXPECT_EQ(0, reap(pid));
	rmdir(group);
}

static int load(void)
{
	int fd = open(getenv("EVPOLL_KO") ?: "/evpoll.ko", O_RDONLY | O_CLOEXEC), ret;

	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static int unload(void)
{
	long long end = now_ms() + SOON;
	int ret;

	while ((ret = syscall(SYS_delete_module, "evpoll", O_NONBLOCK)) && errno == EAGAIN &&
	       now_ms() < end)
		usleep(1000);
	return ret;
}

FIXTURE(ring_unload) {
};

FIXTURE_SETUP(ring_unload)
{
	if (access("/sys/module/evpoll/refcnt", F_OK))
		SKIP(return, "evpoll is not loaded as a module");
	if (access(getenv("EVPOLL_KO") ?: "/evpoll.ko", R_OK))
		SKIP(return, "no module file: EVPOLL_KO= says where it is");
}

/* In the parent, so that the module is there for the next test whatever happened. */
FIXTURE_TEARDOWN_PARENT(ring_unload)
{
	if (access("/sys/module/evpoll", F_OK)) {
		EXPECT_EQ(0, load());
	}
}

/* The memory needs no module. An instance does. */
TEST_F(ring_unload, only_the_mapping_is_left)
{
	struct evpoll_ring ring, other;
	int ep, fd = eventfd(0, 0);
	pid_t pid;

	ep = ring_open(&ring, SLOTS);
	ASSERT_LE(0, ep);
	ASSERT_EQ(0, ep_add(BY_WAIT, ep, fd, EPOLLIN | EPOLLET));
	EXPECT_ERRNO(EWOULDBLOCK, syscall(SYS_delete_module, "evpoll", O_NONBLOCK));
	close(ep);
	ASSERT_EQ(0, unload()) TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, eventfd_write(fd, 1));
	memset(ring.map, 0x5a, ring.size);
	pid = fork();
	if (!pid)
		_exit(*ring.index != 0x5a5a5a5a || munmap(ring.map, ring.size));
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, mprotect(ring.map, PAGE, PROT_READ));
	EXPECT_ERRNO(EACCES, mprotect(ring.map, PAGE, PROT_READ | PROT_EXEC));
	ASSERT_EQ(0, load());
	EXPECT_EQ(0x5a, *ring.map);
	ep = ring_open(&other, 8);
	ASSERT_LE(0, ep);
	ASSERT_EQ(0, ep_add(BY_WAIT, ep, fd, EPOLLIN | EPOLLET));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, ep, fd, SOON));
	ring_shut(&other);
	evpoll_ring_close(&ring);
}

TEST_HARNESS_MAIN
