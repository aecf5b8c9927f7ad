// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPOLLWAKEUP (R20): an event of such an item keeps the system awake until the next wait. Seen in
 * /sys/class/wakeup, where an item's wakeup source has the name of the watched file.
 */
#include "evpoll_util.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sys/stat.h>

#define WAKEUP_DIR "/sys/class/wakeup"
#define WAKEUP_COUNT "/sys/power/wakeup_count"

/* A wakeup source's attribute, by the name of the source; -1: no such source. */
static long long source(const char *name, const char *attribute)
{
	char path[512], got[64];
	long long value = -1;
	struct dirent *entry;
	DIR *dir = opendir(WAKEUP_DIR);
	FILE *f;

	while (dir && value < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), WAKEUP_DIR "/%s/name", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%63s", got) == 1 && !strcmp(got, name)) {
			snprintf(path, sizeof(path), WAKEUP_DIR "/%s/%s", entry->d_name, attribute);
			value = number_in(path);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return value;
}

/* True once the source is active: the time since it became so is shown in whole ms. */
static bool awake(const char *name)
{
	long long end = now_ms() + SOON;

	while (now_ms() < end) {
		if (source(name, "active_time_ms") > 0)
			return true;
		/* it was relaxed already: no use to wait for it */
		if (source(name, "active_count") <= 0)
			return false;
		usleep(1000);
	}
	return false;
}

/* Active sources show a time that grows: twice nothing, some ms apart, is inactive. */
static bool relaxed(const char *name)
{
	if (source(name, "active_time_ms"))
		return false;
	usleep(5000);
	return source(name, "active_time_ms") == 0;
}

/* True once there is no such source. A worker may destroy it some time later. */
static bool gone(const char *name)
{
	long long end = now_ms() + SOON;

	while (source(name, "active_count") >= 0) {
		if (now_ms() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* True when fdinfo shows the item's mask with EPOLLWAKEUP. */
static bool has_wakeup_flag(int ep)
{
	unsigned int mask = 0;
	char line[256];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", ep);
	f = fopen(line, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "tfd: %*d events: %x", &mask) == 1)
			break;
	if (f)
		fclose(f);
	return mask & EPOLLWAKEUP;
}

/* Give up one capability, in all sets. */
static int drop_capability(int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	data[CAP_TO_INDEX(cap)].permitted &= ~CAP_TO_MASK(cap);
	return syscall(SYS_capset, &header, data);
}

FIXTURE(wakeup) {
	int ep;
	int fifo;
	char path[64];
	const char *name;	/* of the FIFO, and so of its wakeup source */
};

FIXTURE_VARIANT(wakeup) {
	enum mechanism by;
};

EP_VARIANTS(wakeup);

FIXTURE_SETUP(wakeup)
{
	if (access(WAKEUP_DIR, R_OK))
		SKIP(return, "no " WAKEUP_DIR ": the kernel has no CONFIG_PM_SLEEP");
	snprintf(self->path, sizeof(self->path), "/tmp/wakeup-%d-%d", variant->by, getpid());
	self->name = self->path + strlen("/tmp/");
	ASSERT_EQ(0, mkfifo(self->path, 0600));
	self->fifo = open(self->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	unlink(self->path);
	ASSERT_LE(0, self->fifo);
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep) TH_LOG("no instance: %s", strerror(errno));
}

FIXTURE_TEARDOWN(wakeup)
{
	close(self->ep);
	close(self->fifo);
}

/* R20: awake from the event, over the wait that reports it, to the next wait */
TEST_F(wakeup, from_event_to_next_wait)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	EXPECT_TRUE(has_wakeup_flag(self->ep));
	EXPECT_TRUE(relaxed(self->name));
	EXPECT_EQ(0, source(self->name, "active_count"));
	ASSERT_EQ(0, put_byte(self->fifo));
	EXPECT_TRUE(awake(self->name));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, self->fifo, ev);
	EXPECT_TRUE(awake(self->name));
	/* processed, but only the next wait says so */
	ASSERT_EQ(0, get_byte(self->fifo));
	EXPECT_TRUE(awake(self->name));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_TRUE(relaxed(self->name));
	/* and the next event begins it anew */
	ASSERT_EQ(0, put_byte(self->fifo));
	EXPECT_TRUE(awake(self->name));
	EXPECT_LE(2, source(self->name, "active_count"));
}

/* R20, ep_insert(), ep_modify(): what is ready when asked holds as well; MOD turns it off and on */
TEST_F(wakeup, by_add_and_mod)
{
	ASSERT_EQ(0, put_byte(self->fifo));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	EXPECT_TRUE(awake(self->name));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->fifo, EPOLLIN));
	EXPECT_TRUE(gone(self->name));
	EXPECT_FALSE(has_wakeup_flag(self->ep));
	ASSERT_EQ(0, ep_mod(variant->by, self->ep, self->fifo, EPOLLWAKEUP));
	EXPECT_TRUE(has_wakeup_flag(self->ep));
	EXPECT_EQ(0, source(self->name, "active_count"));
}

/* R20: a wait whose buffer is bad (R13) leaves the event, and the system awake */
TEST_F(wakeup, efault_stays_awake)
{
	struct epoll_event ev;

	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	ASSERT_EQ(0, put_byte(self->fifo));
	EXPECT_ERRNO(EFAULT, ep_wait(variant->by, self->ep, NULL, 1, 0));
	EXPECT_TRUE(awake(self->name));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
}

/* epoll_ctl(2): nothing is held once the item or the instance is gone */
TEST_F(wakeup, ends_with_the_item)
{
	int other = ep_create(variant->by, O_CLOEXEC);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, put_byte(self->fifo));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	EXPECT_TRUE(awake(self->name));
	ASSERT_EQ(0, ep_del(variant->by, self->ep, self->fifo));
	EXPECT_TRUE(gone(self->name));
	ASSERT_EQ(0, ep_add(variant->by, other, self->fifo, EPOLLIN | EPOLLWAKEUP));
	EXPECT_TRUE(awake(self->name));
	close(other);
	EXPECT_TRUE(gone(self->name));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	EXPECT_TRUE(awake(self->name));
	close(self->fifo);
	self->fifo = -1;
	EXPECT_TRUE(gone(self->name));
}

/* R20: with EPOLLET and EPOLLONESHOT the event holds until it is fetched, as in epoll */
TEST_F(wakeup, edge_and_oneshot)
{
	static const uint32_t mode[] = { EPOLLET, EPOLLONESHOT };
	struct epoll_event ev;

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fifo,
				    EPOLLIN | EPOLLWAKEUP | mode[i]));
		ASSERT_EQ(0, put_byte(self->fifo));
		EXPECT_TRUE(awake(self->name));
		EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
		EXPECT_TRUE(relaxed(self->name));
		ASSERT_EQ(0, get_byte(self->fifo));
		ASSERT_EQ(0, ep_del(variant->by, self->ep, self->fifo));
	}
}

/* R20: an event that comes while the system is about to suspend aborts this */
TEST_F(wakeup, aborts_suspend)
{
	struct epoll_event ev;
	long long count;
	char text[32];

	if (access(WAKEUP_COUNT, W_OK))
		SKIP(return, "no " WAKEUP_COUNT ": not root");
	ASSERT_EQ(0, ep_add(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	/* the read waits until nothing keeps the system awake */
	count = number_in(WAKEUP_COUNT);
	snprintf(text, sizeof(text), "%lld", count);
	ASSERT_EQ(0, write_file(WAKEUP_COUNT, text));
	ASSERT_EQ(0, put_byte(self->fifo));
	/* or the machine would really suspend */
	ASSERT_TRUE(awake(self->name));
	EXPECT_ERRNO(EBUSY, write_file("/sys/power/state", "freeze"));
	EXPECT_ERRNO(EINVAL, write_file(WAKEUP_COUNT, text));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, get_byte(self->fifo));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_LT(count, number_in(WAKEUP_COUNT));
}

/* R20: without CAP_BLOCK_SUSPEND the flag is taken and ignored, by ADD and by MOD */
TEST_F(wakeup, ignored_without_capability)
{
	struct epoll_event ev = {};

	ASSERT_EQ(0, drop_capability(CAP_BLOCK_SUSPEND));
	EXPECT_EQ(0, ep_add(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	EXPECT_FALSE(has_wakeup_flag(self->ep));
	EXPECT_EQ(0, ep_mod(variant->by, self->ep, self->fifo, EPOLLIN | EPOLLWAKEUP));
	EXPECT_FALSE(has_wakeup_flag(self->ep));
	EXPECT_EQ(-1, source(self->name, "active_count"));
	ASSERT_EQ(0, put_byte(self->fifo));
	EXPECT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EVENT(EPOLLIN, self->fifo, ev);
}

TEST_HARNESS_MAIN
