// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers that accept connections from one listening socket. Each worker is a process with an
 * instance of its own, as those of nginx are: it accepts one connection for each wakeup, reads a
 * request, works for it, answers, and waits again. n clients connect, get their answer, pause and
 * connect again. So at most n connections wait or are served at a time.
 */
#include "bench.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "../../selftests/evpoll_net.h"
#include "../../selftests/evpoll_task.h"

#define WORKERS		8
#define CONNECTIONS	480	/* of all clients together */
#define FIRST		160	/* before them, not measured */
#define MAX_CLIENTS	16
#define WORK		5000	/* loops for a request, two instructions each */
#define PAUSE_US	200	/* of a client; longer than a worker takes until it waits again */

/**
 * struct worker - what a worker has done; it writes this, and the parent reads it
 * @connections: those that it served
 * @waits: waits that returned
 */
struct worker {
	int connections;
	int waits;
};

/**
 * struct client - a thread that connects again and again
 * @thread: the thread
 * @connections: how often
 * @sum_ns: the times from each connect() to the answer, added up
 * @longest_ns: the longest of these times
 */
struct client {
	pthread_t thread;
	int connections;
	uint64_t sum_ns;
	uint64_t longest_ns;
};

static struct {
	struct sockaddr_in addr;
	pid_t pid[WORKERS];
	struct worker *worker;	/* shared with the workers */
} server;

static void work(void)
{
	long left = WORK;

	asm volatile("1: dec %0; jnz 1b" : "+r" (left));
}

/* False if another worker has taken the connection */
static bool serve(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char request;

	if (fd < 0 && errno == EAGAIN)
		return false;
	if (fd < 0 || read(fd, &request, 1) != 1)
		err(1, "no request");
	work();
	if (write(fd, &request, 1) != 1)
		err(1, "no answer");
	close(fd);
	return true;
}

static void worker_main(struct set *set, int index)
{
	uint32_t events = EPOLLIN | EPOLLEXCLUSIVE;

	/* The parent's instance is not this worker's. */
	set->by->close(set);
	set_open_instance(set);
	if (set->by->bit == ROTATE)
		events |= EVPOLLROTATE;
	set_ctl(set, EPOLL_CTL_ADD, index, events);
	for (;;) {
		wait_for(set, 1);
		server.worker[index].waits++;
		server.worker[index].connections += serve(set->fd[index]);
	}
}

static void listener_open(struct set *set, int index)
{
	int one = 1;

	close(set->fd[index]);
	if (index && set->by->bit != REUSEPORT) {
		set->fd[index] = dup(set->fd[0]);
		return;
	}
	set->fd[index] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (set->by->bit == REUSEPORT)
		setsockopt(set->fd[index], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	/* All sockets with SO_REUSEPORT have the port that the kernel chose for the first. */
	if (index ? bind(set->fd[index], (struct sockaddr *)&server.addr, sizeof(server.addr)) :
		    bind_loopback(set->fd[index], &server.addr))
		err(1, "bind");
	if (listen(set->fd[index], MAX_CLIENTS))
		err(1, "listen");
}

static void worker_sleeps(struct set *set, int index)
{
	if (server.pid[index] < 0 || !asleep(server.pid[index]))
		errx(1, "%s: worker %d does not wait", set->by->name, index);
}

static void accept_setup(struct set *set)
{
	size_t size = WORKERS * sizeof(*server.worker);

	set->max = 1;
	set->wait.maxevents = 1;
	server.worker = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (server.worker == MAP_FAILED)
		err(1, "mmap");
	for (int i = 0; i < WORKERS; i++)
		listener_open(set, i);
	for (int i = 0; i < WORKERS; i++) {
		server.pid[i] = fork();
		if (!server.pid[i])
			worker_main(set, i);
		worker_sleeps(set, i);
	}
}

static void accept_end(struct set *set)
{
	for (int i = 0; i < WORKERS; i++) {
		kill(server.pid[i], SIGKILL);
		waitpid(server.pid[i], NULL, 0);
	}
	munmap(server.worker, WORKERS * sizeof(*server.worker));
}

static void *client_main(void *arg)
{
	struct client *client = arg;
	uint64_t start, ns;
	char byte = 0;
	int fd;

	for (int i = 0; i < client->connections; i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		start = now_ns();
		if (connect(fd, (struct sockaddr *)&server.addr, sizeof(server.addr)) ||
		    write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			err(1, "no connection");
		ns = now_ns() - start;
		close(fd);
		client->sum_ns += ns;
		if (ns > client->longest_ns)
			client->longest_ns = ns;
		usleep(PAUSE_US);
	}
	return NULL;
}

/* The most loaded worker comes first. */
static int compare(const void *a, const void *b)
{
	return ((const struct worker *)b)->connections - ((const struct worker *)a)->connections;
}

/*
 * Returns the mean time to the answer in ns, and the longest one in @longest_ns. Afterwards all
 * workers sleep.
 */
static double clients_run(struct set *set, int connections, uint64_t *longest_ns)
{
	struct client clients[MAX_CLIENTS] = { };
	uint64_t sum_ns = 0;

	*longest_ns = 0;
	for (int i = 0; i < set->n; i++) {
		clients[i].connections = connections / set->n;
		if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]))
			errx(1, "no thread");
	}
	for (int i = 0; i < set->n; i++) {
		pthread_join(clients[i].thread, NULL);
		sum_ns += clients[i].sum_ns;
		if (clients[i].longest_ns > *longest_ns)
			*longest_ns = clients[i].longest_ns;
	}
	/* A client may have its answer before the worker has counted the connection. */
	for (int i = 0; i < WORKERS; i++)
		worker_sleeps(set, i);
	return (double)sum_ns / connections;
}

/* A worker without connections counts as a worker with one, so that the ratio is a number. */
static void accept_measure(const struct bench_case *c, struct set *set)
{
	struct worker *worker = server.worker;
	uint64_t longest_ns;
	double mean_ns;
	char unit[16];
	int waits = 0;

	clients_run(set, FIRST, &longest_ns);
	memset(worker, 0, WORKERS * sizeof(*worker));
	mean_ns = clients_run(set, CONNECTIONS, &longest_ns);
	for (int i = 0; i < WORKERS; i++)
		waits += worker[i].waits;
	qsort(worker, WORKERS, sizeof(*worker), compare);
	result(c, set, "most/least",
	       (double)worker[0].connections / (worker[WORKERS - 1].connections ?: 1), 0);
	result(c, set, "us, mean", mean_ns / 1e3, 0);
	result(c, set, "us, longest", longest_ns / 1e3, 0);
	result(c, set, "wakeups/connection", (double)waits / CONNECTIONS, 0);
	for (int i = 0; i < WORKERS; i++) {
		snprintf(unit, sizeof(unit), "worker %d", i + 1);
		result(c, set, unit, worker[i].connections, 0);
	}
}

const struct bench_case cases_accept[] = {
	{ .name = "accept",
	  .what = "8 workers accept from n clients: most/least loaded, connect() to answer",
	  .by = EPOLL | REUSEPORT | EVPOLL_WAIT | ROTATE, .n = { 1, 2, 16 }, .files = WORKERS,
	  .block = true, .setup = accept_setup, .measure = accept_measure,
	  .teardown = accept_end },
	{ }
};
