// SPDX-License-Identifier: GPL-2.0-only
/*
 * Out of memory (epoll_ctl(2), epoll_create(2): ENOMEM): every allocation that a call makes
 * fails once, by /proc/thread-self/fail-nth of Documentation/fault-injection. What comes back is
 * ENOMEM, or success where it can be done without; then nothing has changed, and the same call
 * works afterwards. Copies from and to user memory fail alike where the kernel can make them
 * (EFAULT). What leaks is found at the end of the run, by kmemleak and by unloading.
 */
#include "evpoll_burst.h"

#include <sys/eventfd.h>

/* More than any call here needs, and more than loading the module does */
#define MANY 2000
#define ENDLESS 1000000

/* Loading the module takes seconds where everything is checked. */
#define LOAD_MS 150000

#define DEBUGFS "/sys/kernel/debug/"
#define PM_SLEEP "/sys/power/wakeup_count"

FIXTURE(fault) {
	int nth;	/* fail-nth of this thread */
	int ep;
	int witness;	/* watched, readable: the event that must always be there */
	int fd;		/* for the test */
	int ep_with_ring;
	size_t ring_size;
};

/* Which allocations may fail: all; and without a stack on the console for each. */
static int allow_faults(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (write_file(settings[i][0], settings[i][1]))
			return -1;
	if (!access(DEBUGFS "fail_usercopy", F_OK))
		return write_file(DEBUGFS "fail_usercopy/verbose", "0");
	return 0;
}

FIXTURE_SETUP(fault)
{
	if (access("/proc/thread-self/fail-nth", W_OK))
		SKIP(return, "this kernel has no fault injection (CONFIG_FAULT_INJECTION)");
	if (allow_faults())
		SKIP(return, "no CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC in debugfs: %s",
		     strerror(errno));
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->nth);
	self->ep = ep_create(BY_WAIT, O_CLOEXEC);
	self->witness = eventfd(1, EFD_CLOEXEC);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->ep, self->witness, EPOLLIN));
	self->fd = -1;
}

FIXTURE_TEARDOWN(fault)
{
	close(self->ep);
	close(self->witness);
	close(self->fd);
	close(self->nth);
}

/*
 * From now on the @n'th allocation of this thread fails; 0: none. What is left of an older count
 * may hit the copy of the number itself.
 */
static void arm(const FIXTURE_DATA(fault) *self, int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%d", n);
	ssize_t ret;

	while ((ret = pwrite(self->nth, buf, len, 0)) < 0 && errno == EFAULT)
		;
	if (ret != len)
		abort();
}

/* None fails any more; true if one did. */
static bool disarm(const FIXTURE_DATA(fault) *self)
{
	char buf[16] = "";
	ssize_t ret = pread(self->nth, buf, sizeof(buf) - 1, 0);

	/* EFAULT: the first that fails is the copy of the answer. */
	if (ret <= 0 && errno != EFAULT)
		abort();
	arm(self, 0);
	return ret > 0 && !atoi(buf);
}

/*
 * Does @call with its first allocation failing, its second, and so on until none fails. Each must
 * return 0, which @undo then takes back, or fail with a good errno and leave @items in the instance
 * and the event of the witness. Returns how many failed.
 */
static int walk(struct __test_metadata *_metadata, FIXTURE_DATA(fault) *self,
		int (*call)(FIXTURE_DATA(fault) *self), void (*undo)(FIXTURE_DATA(fault) *self),
		int items)
{
	int n, ret, err, failed = 0;
	bool injected = true;

	for (n = 1; injected && n < MANY; n++) {
		arm(self, n);
		ret = call(self);
		err = errno;
		injected = disarm(self);
		if (ret >= 0) {
			undo(self);
		} else {
			failed++;
			EXPECT_TRUE(injected && (err == ENOMEM || err == EFAULT))
				TH_LOG("allocation %d: %s", n, strerror(err));
		}
		ASSERT_EQ(items, ep_items(self->ep)) TH_LOG("allocation %d", n);
		ASSERT_EQ(EPOLLIN, ep_mask(BY_WAIT, self->ep, self->witness, 0));
	}
	EXPECT_FALSE(injected);
	TH_LOG("%d places, %d of them an error", n - 2, failed);
	return failed;
}

static void undo_nothing(FIXTURE_DATA(fault) *self)
{
}

static int call_open(FIXTURE_DATA(fault) *self)
{
	return self->fd = ep_create(BY_WAIT, O_CLOEXEC);
}

static void undo_open(FIXTURE_DATA(fault) *self)
{
	close(self->fd);
	self->fd = -1;
}

/* O_ASYNC: its memory is there, or nothing is */
static int call_async(FIXTURE_DATA(fault) *self)
{
	return ioctl(self->ep, FIOASYNC, &(int){ 1 });
}

static void undo_async(FIXTURE_DATA(fault) *self)
{
	if (!(fcntl(self->ep, F_GETFL) & O_ASYNC) || ioctl(self->ep, FIOASYNC, &(int){ 0 }))
		abort();
}

TEST_F(fault, async)
{
	EXPECT_LT(0, walk(_metadata, self, call_async, undo_async, 1));
	EXPECT_FALSE(fcntl(self->ep, F_GETFL) & O_ASYNC);
}

/* epoll_create(2): ENOMEM */
TEST_F(fault, open)
{
	EXPECT_LT(0, walk(_metadata, self, call_open, undo_open, 1));
}

static int call_add(FIXTURE_DATA(fault) *self)
{
	return ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN);
}

static int call_add_wakeup(FIXTURE_DATA(fault) *self)
{
	return ep_add(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLWAKEUP);
}

/* What came to be works: the file is readable. */
static void undo_add(FIXTURE_DATA(fault) *self)
{
	if (!ep_mask(BY_WAIT, self->ep, self->fd, 0) || ep_del(BY_WAIT, self->ep, self->fd))
		abort();
}

/* epoll_ctl(2): ENOMEM. The first item of a file, and a further one in another instance */
TEST_F(fault, add)
{
	int other = ep_create(BY_WAIT, O_CLOEXEC);

	self->fd = eventfd(1, EFD_CLOEXEC);
	EXPECT_LT(0, walk(_metadata, self, call_add, undo_add, 1));
	ASSERT_EQ(0, ep_add(BY_WAIT, other, self->fd, EPOLLIN));
	EXPECT_LT(0, walk(_metadata, self, call_add, undo_add, 1));
	EXPECT_EQ(EPOLLIN, ep_mask(BY_WAIT, other, self->fd, 0));
	close(other);
}

/* It is there, with and without memory. */
static int call_add_again(FIXTURE_DATA(fault) *self)
{
	int ret = ep_add(BY_WAIT, self->ep, self->witness, EPOLLIN);

	if (ret && errno == EEXIST)
		return 0;
	if (ret && errno == ENOMEM)
		errno = EEXIST;
	return -1;
}

/* do_epoll_ctl(): EEXIST comes before anything is allocated. Here it comes whatever fails. */
TEST_F(fault, add_again)
{
	walk(_metadata, self, call_add_again, undo_nothing, 1);
}

/* A terminal has a second wait queue, and so a second wait entry, which is allocated. */
TEST_F(fault, add_tty)
{
	int tty, unlock = 0;

	self->fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, TIOCSPTLCK, &unlock));
	tty = ioctl(self->fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_EQ(2, write(tty, "x\n", 2));
	EXPECT_LT(0, walk(_metadata, self, call_add, undo_add, 1));
	close(tty);
}

/* EPOLLWAKEUP: wakeup sources of the instance and of the item */
TEST_F(fault, add_wakeup)
{
	if (access(PM_SLEEP, F_OK))
		SKIP(return, "this kernel has no CONFIG_PM_SLEEP");
	self->fd = eventfd(1, EFD_CLOEXEC);
	EXPECT_LT(0, walk(_metadata, self, call_add_wakeup, undo_add, 1));
}

/* An instance: the checks of the graph */
TEST_F(fault, add_instance)
{
	self->fd = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, ep_add(BY_WAIT, self->fd, self->witness, EPOLLIN));
	EXPECT_LT(0, walk(_metadata, self, call_add, undo_add, 1));
}

static int call_mod(FIXTURE_DATA(fault) *self)
{
	return ep_mod(BY_WAIT, self->ep, self->fd, EPOLLIN | EPOLLWAKEUP);
}

static void undo_mod(FIXTURE_DATA(fault) *self)
{
	if (!ep_mask(BY_WAIT, self->ep, self->fd, 0) ||
	    ep_mod(BY_WAIT, self->ep, self->fd, EPOLLIN))
		abort();
}

/* Without memory for the wakeup source MOD succeeds, as with epoll. */
TEST_F(fault, mod)
{
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_EQ(0, call_add(self));
	walk(_metadata, self, call_mod, undo_mod, 2);
}

static int call_wait(FIXTURE_DATA(fault) *self)
{
	struct timespec none = { 0 };
	struct epoll_event ev[2];
	sigset_t mask;
	int n;

	sigemptyset(&mask);
	n = ep_pwait2(BY_WAIT, self->ep, ev, 2, &none, &mask);
	return n < 0 ? n : n - 1;	/* success is one event */
}

static int call_read(FIXTURE_DATA(fault) *self)
{
	struct epoll_event ev;

	return read(self->ep, &ev, sizeof(ev)) - (int)sizeof(ev);
}

/* A wait allocates nothing, but copies: EFAULT, and the event stays. */
TEST_F(fault, wait)
{
	if (access(DEBUGFS "fail_usercopy", F_OK))
		SKIP(return, "this kernel has no CONFIG_FAULT_INJECTION_USERCOPY");
	EXPECT_LT(0, walk(_metadata, self, call_wait, undo_nothing, 1));
	walk(_metadata, self, call_read, undo_nothing, 1);
}

static int call_ring(FIXTURE_DATA(fault) *self)
{
	struct evpoll_ring_setup setup = { .slots = 1024 };

	if (!ioctl(self->fd, EVPOLL_IOC_RING, &setup))
		return 0;
	/* The instance may have the ring. */
	if (errno == EFAULT) {
		undo_open(self);
		call_open(self);
		errno = EFAULT;
	}
	return -1;
}

static void undo_ring(FIXTURE_DATA(fault) *self)
{
	undo_open(self);
	if (call_open(self) < 0)
		abort();
}

/* EVPOLL_IOC_RING: the pages, their mapping in the kernel, and what describes them */
TEST_F(fault, ring)
{
	ASSERT_LE(0, call_open(self));
	EXPECT_LT(0, walk(_metadata, self, call_ring, undo_ring, 1));
}

static void *mapped;

static int call_map_ring(FIXTURE_DATA(fault) *self)
{
	mapped = mmap(NULL, self->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	return mapped == MAP_FAILED ? -1 : 0;
}

static void undo_map_ring(FIXTURE_DATA(fault) *self)
{
	*(char *)mapped = 1;
	munmap(mapped, self->ring_size);
}

TEST_F(fault, map_ring)
{
	struct evpoll_ring_setup setup = { .slots = 1 << 16 };

	ASSERT_LE(0, call_open(self));
	ASSERT_EQ(0, ioctl(self->fd, EVPOLL_IOC_RING, &setup));
	self->ring_size = setup.size;
	EXPECT_LT(0, walk(_metadata, self, call_map_ring, undo_map_ring, 1));
}

/* A slot costs memory in the kernel at times. Without it the event comes the way without a ring. */
static int call_add_to_ring(FIXTURE_DATA(fault) *self)
{
	return ep_add(BY_WAIT, self->ep_with_ring, self->fd, EPOLLIN | EPOLLET);
}

static void undo_add_to_ring(FIXTURE_DATA(fault) *self)
{
	/* The first event is that of ADD. */
	if (!ep_mask(BY_WAIT, self->ep_with_ring, self->fd, 0) || eventfd_write(self->fd, 1) ||
	    !ep_mask(BY_WAIT, self->ep_with_ring, self->fd, 0) ||
	    ep_del(BY_WAIT, self->ep_with_ring, self->fd))
		abort();
}

TEST_F(fault, add_to_ring)
{
	struct evpoll_ring_setup setup = { .slots = 1024 };

	self->ep_with_ring = ep_create(BY_WAIT, O_CLOEXEC);
	ASSERT_EQ(0, ioctl(self->ep_with_ring, EVPOLL_IOC_RING, &setup));
	self->fd = eventfd(1, EFD_CLOEXEC);
	EXPECT_LT(0, walk(_metadata, self, call_add_to_ring, undo_add_to_ring, 1));
	EXPECT_EQ(0, ep_items(self->ep_with_ring));
	close(self->ep_with_ring);
}

static int call_params(FIXTURE_DATA(fault) *self)
{
	struct evpoll_params params;

	if (ioctl(self->ep, EVPOLL_IOC_GET_PARAMS, &params))
		return -1;
	/* The first time it allocates the counters. */
	params.flags = EVPOLL_LATENCY;
	return set_params(self->ep, &params);
}

static int call_stats(FIXTURE_DATA(fault) *self)
{
	struct evpoll_stats stats;

	return ioctl(self->ep, EVPOLL_IOC_GET_STATS, &stats);
}

TEST_F(fault, params_and_stats)
{
	if (access(DEBUGFS "fail_usercopy", F_OK))
		SKIP(return, "this kernel has no CONFIG_FAULT_INJECTION_USERCOPY");
	EXPECT_LT(0, walk(_metadata, self, call_params, undo_nothing, 1));
	EXPECT_LT(0, walk(_metadata, self, call_stats, undo_nothing, 1));
}

/* A program that tries again gets there: several changes in one call, each fails by itself. */
TEST_F(fault, ctlv)
{
	enum { NR = 8 };
	struct evpoll_ctl changes[NR];
	struct evpoll_ctlv ctlv = { .changes = (uintptr_t)changes, .nr = NR };
	bool injected = true;
	int fd[NR];

	for (int i = 0; i < NR; i++)
		fd[i] = eventfd(1, EFD_CLOEXEC);
	for (int n = 1; injected && n < MANY; n++) {
		int ret, added;

		for (int i = 0; i < NR; i++)
			changes[i] = (struct evpoll_ctl){
				.op = EPOLL_CTL_ADD, .fd = fd[i], .events = EPOLLIN, .result = 1,
			};
		arm(self, n);
		ret = ioctl(self->ep, EVPOLL_IOC_CTLV, &ctlv);
		injected = disarm(self);
		added = ep_items(self->ep) - 1;
		EXPECT_TRUE(ret == 0 ? added == NR : injected && added <= NR);
		if (ret > 0) {
			EXPECT_EQ(NR - added, ret);
			EXPECT_EQ(ret, (int)ctlv.failed);
		}
		for (int i = 0; i < NR; i++)
			added -= !ep_del(BY_WAIT, self->ep, fd[i]);
		EXPECT_EQ(0, added) TH_LOG("allocation %d", n);
	}
	EXPECT_FALSE(injected);
	for (int i = 0; i < NR; i++)
		close(fd[i]);
}

/* The table of watched files grows on the way, and cannot at times. */
TEST_F(fault, growing_table)
{
	enum { NR = 3000 };
	int *fd = calloc(NR, sizeof(*fd)), failed = 0;

	ASSERT_EQ(0, allow_files(NR + 100));
	for (int i = 0; i < NR; i++) {
		int ret = -1;

		fd[i] = eventfd(1, EFD_CLOEXEC);
		ASSERT_LE(0, fd[i]);
		for (int n = 1 + i % 3; ret; n += 3) {
			arm(self, n);
			ret = ep_add(BY_WAIT, self->ep, fd[i], EPOLLIN | EPOLLET);
			disarm(self);
			failed += !!ret;
		}
	}
	EXPECT_LT(0, failed);
	EXPECT_EQ(NR + 1, ep_items(self->ep));
	for (int i = 0; i < NR; i++)
		close(fd[i]);
	EXPECT_EQ(1, ep_items(self->ep));
	free(fd);
}

static int open_module(void)
{
	return open(getenv("EVPOLL_KO") ?: "/evpoll.ko", O_RDONLY | O_CLOEXEC);
}

static int load(int fd)
{
	return syscall(SYS_finit_module, fd, "", 0);
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

FIXTURE(fault_load) {
	FIXTURE_DATA(fault) fault;
};

FIXTURE_SETUP(fault_load)
{
	if (access("/proc/thread-self/fail-nth", W_OK))
		SKIP(return, "this kernel has no fault injection (CONFIG_FAULT_INJECTION)");
	if (allow_faults())
		SKIP(return, "no CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC in debugfs: %s",
		     strerror(errno));
	if (access("/sys/module/evpoll/refcnt", F_OK))
		SKIP(return, "evpoll is not loaded as a module");
	if (access(getenv("EVPOLL_KO") ?: "/evpoll.ko", R_OK))
		SKIP(return, "no module file: EVPOLL_KO= says where it is");
	self->fault.nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fault.nth);
	self->fault.fd = open_module();
	ASSERT_LE(0, self->fault.fd);
}

/* In the parent, so that the module is there for the next test whatever happened. */
FIXTURE_TEARDOWN_PARENT(fault_load)
{
	if (access("/sys/module/evpoll", F_OK)) {
		EXPECT_EQ(0, load(open_module())) TH_LOG("load: %s", strerror(errno));
	}
}

/* How many allocations may fail while the module is loaded with these parameters */
static int allocations(const FIXTURE_DATA(fault) *self, const char *parameters)
{
	char buf[16] = "";

	arm(self, ENDLESS);
	syscall(SYS_finit_module, self->fd, parameters, 0);
	if (pread(self->nth, buf, sizeof(buf) - 1, 0) <= 0)
		abort();
	arm(self, 0);
	return ENDLESS - atoi(buf);
}

/*
 * init_module(2): ENOMEM, and nothing is left: the next one loads. The kernel's own part of loading
 * ends where the parameters are read, and is left out: some of it warns when memory runs out. From
 * the last allocation back, as far as a slow machine gets in its time.
 */
TEST_F_TIMEOUT(fault_load, load, 800)
{
	long long end = now_ms() + LOAD_MS;
	int failed = 0, first, last, n, ret, err;
	bool injected;

	ASSERT_EQ(0, unload());
	first = allocations(&self->fault, "budget=0");
	ASSERT_NE(0, access(EVPOLL_DEV, F_OK));
	last = allocations(&self->fault, "");
	ASSERT_EQ(0, unload());
	EXPECT_LT(first, last);
	for (n = last; n > first && now_ms() < end; n--) {
		arm(&self->fault, n);
		ret = load(self->fault.fd);
		err = errno;
		injected = disarm(&self->fault);
		if (!ret) {
			ASSERT_EQ(0, unload()) TH_LOG("allocation %d: %s", n, strerror(errno));
			continue;
		}
		failed++;
		ASSERT_TRUE(injected && (err == ENOMEM || err == EFAULT))
			TH_LOG("allocation %d: %s", n, strerror(err));
		ASSERT_NE(0, access(EVPOLL_DEV, F_OK)) TH_LOG("allocation %d", n);
	}
	EXPECT_LT(0, failed);
	TH_LOG("%d of %d places, %d of them an error", last - n, last - first, failed);
	ASSERT_EQ(0, load(self->fault.fd));
	self->fault.ep = ep_create(BY_WAIT, O_CLOEXEC);
	EXPECT_LE(0, self->fault.ep);
	close(self->fault.ep);
}

TEST_HARNESS_MAIN
