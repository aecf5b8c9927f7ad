// SPDX-License-Identifier: GPL-2.0-only
/*
 * A processor goes offline and comes back while events come from it. Its part of NAPI, its softirqs
 * and its timers then go on elsewhere, and each event must reach the reader.
 */
#include "evpoll_burst.h"

#define ONLINE "/sys/devices/system/cpu/cpu1/online"
#define FILES 8
#define INSTANCES 200
#define CYCLES 4
#define IN_FLIGHT 64		/* datagrams: fewer than a socket holds */

static int set_online(bool on)
{
	return write_file(ONLINE, on ? "1" : "0");
}

#define NO_HOTPLUG "no " ONLINE ": one processor, no CONFIG_HOTPLUG_CPU, or not root"

/* Files with events, and the threads that make the events and take them */
struct load {
	int ep;
	int rd[FILES], wr[FILES];
	int end;		/* an eventfd that ends the taker */
	int context;		/* of the events of lines */
	atomic_int taken;
	int made;
	int ret;		/* of the producer */
	_Atomic bool stop;
};

static void *taker_main(void *arg)
{
	struct load *load = arg;
	struct epoll_event ev[FILES];
	uint64_t value;
	int n;

	for (;;) {
		n = ep_wait(BY_WAIT, load->ep, ev, FILES, -1);
		while (n-- > 0) {
			if (ev[n].data.fd == load->end)
				return NULL;
			while (read(ev[n].data.fd, &value, sizeof(value)) == sizeof(value))
				load->taken += value;
		}
	}
}

/* One burst after another. Its timers stay on processor 1 for as long as that is online. */
static void *lines_main(void *arg)
{
	struct load *load = arg;
	struct evpoll_source_burst b = {
		.fds = (uintptr_t)load->rd, .nr = FILES, .context = load->context,
		.pause_ns = 300 * USEC, .repeat = 500, .cpu = -1,
	};

	on_cpu(1);		/* fails while it is offline */
	while (!load->stop && !load->ret) {
		if (!burst_ioctl(load->rd[0], &b))
			load->made += b.nr * b.repeat;
		else if (errno == EBUSY)	/* the last burst goes on */
			sched_yield();
		else
			load->ret = errno;
	}
	return NULL;
}

static void *udp_main(void *arg)
{
	struct load *load = arg;

	on_cpu(1);		/* fails while it is offline */
	while (!load->stop && !load->ret) {
		if (load->made - load->taken >= IN_FLIGHT) {
			sched_yield();
			continue;
		}
		load->ret = poke(load->wr[load->made % FILES]);
		load->made++;
	}
	return NULL;
}

static int load_create(struct load *load)
{
	load->ep = ep_create(BY_WAIT, O_CLOEXEC);
	load->end = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return ep_add(BY_WAIT, load->ep, load->end, EPOLLIN);
}

/*
 * Processor 1 goes offline and comes back, by turns, each time while @produce makes events: first
 * without a window, then with one.
 */
static void cycle_under_load(struct __test_metadata *_metadata, struct load *load,
			     void *(*produce)(void *))
{
	pthread_t taker, producer;
	eventfd_t value;

	for (int i = 0; i < CYCLES; i++) {
		long long end = now_ms() + SOON;

		ASSERT_EQ(0, set_window(load->ep, i < CYCLES / 2 ? 0 : 500, 0));
		load->taken = 0;
		load->made = 0;
		load->ret = 0;
		load->stop = false;
		ASSERT_EQ(0, pthread_create(&taker, NULL, taker_main, load));
		ASSERT_EQ(0, pthread_create(&producer, NULL, produce, load));
		while (!load->taken && now_ms() < end)
			sched_yield();
		EXPECT_EQ(0, set_online(i % 2)) TH_LOG("%s", strerror(errno));
		load->stop = true;
		pthread_join(producer, NULL);
		EXPECT_EQ(0, load->ret);
		EXPECT_TRUE(becomes(&load->taken, load->made))
			TH_LOG("%d of %d events in cycle %d", load->taken, load->made, i);
		ASSERT_EQ(0, eventfd_write(load->end, 1));
		pthread_join(taker, NULL);
		ASSERT_EQ(0, eventfd_read(load->end, &value));
	}
}

FIXTURE(hotplug) {
	struct load load;
	struct reader reader;
};

FIXTURE_VARIANT(hotplug) {
	int context;
};

CONTEXT_VARIANTS(hotplug);

FIXTURE_SETUP(hotplug)
{
	const char *why;

	if (access(ONLINE, W_OK))
		SKIP(return, NO_HOTPLUG);
	why = no_source(variant->context);
	if (why)
		SKIP(return, "%s", why);
	self->load.context = variant->context;
	ASSERT_EQ(0, load_create(&self->load)) TH_LOG("no instance: %s", strerror(errno));
	ASSERT_EQ(0, lines_open(self->load.rd, FILES));
	ASSERT_EQ(0, lines_add(BY_WAIT, self->load.ep, self->load.rd, FILES, EPOLLIN | EPOLLET));
}

FIXTURE_TEARDOWN(hotplug)
{
	set_online(true);
	lines_close(self->load.rd, FILES);
	close(self->load.end);
	close(self->load.ep);
}

/* Events of each context, whose source is on the processor that goes away */
TEST_F_TIMEOUT(hotplug, under_load, 300)
{
	cycle_under_load(_metadata, &self->load, lines_main);
}

/* The timer of an open window, and what is pending in it, move away */
TEST_F_TIMEOUT(hotplug, open_window, 300)
{
	ASSERT_EQ(0, set_window(self->load.ep, 500000, 0));
	for (int i = 0; i < CYCLES / 2; i++) {
		ASSERT_TRUE(reader_start(&self->reader, BY_WAIT, self->load.ep, FILES));
		ASSERT_EQ(0, on_cpu(1));
		ASSERT_EQ(0, burst(variant->context, self->load.rd, FILES));
		ASSERT_TRUE(queued_become(self->load.ep, (i + 1) * FILES));
		ASSERT_EQ(0, set_online(false)) TH_LOG("%s", strerror(errno));
		EXPECT_EQ(FILES, reader_join(&self->reader));
		EXPECT_EQ(i + 1, stats_of(self->load.ep).timer_flushes);
		for (int k = 0; k < FILES; k++)
			ASSERT_EQ(0, line_read(self->load.rd[k], &(struct evpoll_source_event){}));
		ASSERT_EQ(0, set_online(true)) TH_LOG("%s", strerror(errno));
	}
}

FIXTURE(processor) {
};

FIXTURE_SETUP(processor)
{
	if (access(ONLINE, W_OK))
		SKIP(return, NO_HOTPLUG);
}

FIXTURE_TEARDOWN(processor)
{
	set_online(true);
}

/* Events of sockets, whose softirq runs on the processor that goes away */
TEST_F_TIMEOUT(processor, udp_under_load, 300)
{
	struct load load = {};

	ASSERT_EQ(0, load_create(&load)) TH_LOG("no instance: %s", strerror(errno));
	for (int i = 0; i < FILES; i++) {
		ASSERT_EQ(0, source_open(UDP, &load.rd[i], &load.wr[i]));
		ASSERT_EQ(0, ep_add(BY_WAIT, load.ep, load.rd[i], EPOLLIN | EPOLLET));
	}
	cycle_under_load(_metadata, &load, udp_main);
}

struct writer {
	int fd;
	_Atomic bool stop;
};

static void *writer_main(void *arg)
{
	struct writer *writer = arg;

	on_cpu(1);
	while (!writer->stop) {
		long long end = now_ms() + 300;

		while (!writer->stop && now_ms() < end)
			poke(writer->fd);
		/* A task of PREEMPT_RT that never sleeps may keep the processor online. */
		sched_yield();
	}
	return NULL;
}

/* Takes what @epoll and the instances in @ep report, and returns how many @epoll reports. */
static int take_all(int epoll, const int *ep, struct epoll_event *ev, int timeout_ms)
{
	int n = ep_wait(BY_EPOLL, epoll, ev, INSTANCES, timeout_ms);
	struct epoll_event one;

	for (int i = 0; i < n; i++)
		ep_wait(BY_WAIT, ep[ev[i].data.u64], &one, 1, 0);
	return n;
}

/*
 * NAPI wakes the pollers of an instance for a waker in process context. On PREEMPT_RT such a waker
 * cannot leave its processor while it holds the lock of the wait queue, so it may still run there
 * when the processor's threads are parked.
 */
TEST_F_TIMEOUT(processor, pollers, 300)
{
	struct epoll_event ev[INSTANCES];
	struct writer writer = {};
	int ep[INSTANCES], epoll;
	pthread_t thread;

	epoll = ep_create(BY_EPOLL, O_CLOEXEC);
	writer.fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, writer.fd);
	for (int i = 0; i < INSTANCES; i++) {
		ep[i] = ep_create(BY_WAIT, O_CLOEXEC);
		ASSERT_LE(0, ep[i]) TH_LOG("no instance: %s", strerror(errno));
		ASSERT_EQ(0, ep_add(BY_WAIT, ep[i], writer.fd, EPOLLIN | EPOLLET));
		ASSERT_EQ(0, ep_ctl(BY_EPOLL, epoll, EPOLL_CTL_ADD, ep[i], EPOLLIN | EPOLLET, i));
	}
	for (int i = 0; i < CYCLES; i++) {
		int woken = 0, n;

		writer.stop = false;
		ASSERT_EQ(0, pthread_create(&thread, NULL, writer_main, &writer));
		for (int k = 0; k < 20; k++)
			ASSERT_LT(0, take_all(epoll, ep, ev, SOON));
		ASSERT_EQ(0, set_online(false)) TH_LOG("%s", strerror(errno));
		writer.stop = true;
		pthread_join(thread, NULL);
		/* Nothing is ready from here on, and NAPI has no more to do. */
		for (int k = 0; k < INSTANCES; k++)
			ep_wait(BY_WAIT, ep[k], ev, 1, 0);
		while (take_all(epoll, ep, ev, 100) > 0)
			;
		ASSERT_EQ(0, poke(writer.fd));
		while (woken < INSTANCES && (n = take_all(epoll, ep, ev, SOON)) > 0)
			woken += n;
		EXPECT_EQ(INSTANCES, woken) TH_LOG("in cycle %d", i);
		ASSERT_EQ(0, set_online(true)) TH_LOG("%s", strerror(errno));
	}
	lines_close(ep, INSTANCES);
	close(epoll);
	close(writer.fd);
}

TEST_HARNESS_MAIN
