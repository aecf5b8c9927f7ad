// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unmodified servers, with epoll and with libevpoll-preload.so. A run is a request over TCP: the
 * instructions of the server and of this client count. The servers have their own root file system,
 * see qemu/shared/servers.sh.
 */
#include "bench.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ROOT "/servers"

struct server {
	char *const *argv;
	int port;
	const char *request;
	const char *reply;
};

static const struct server redis = {
	.argv = (char *[]){ "/usr/bin/redis-server", "--port", "6379", "--bind", "127.0.0.1",
			    "--save", "", "--appendonly", "no", NULL },
	.port = 6379, .request = "GET key\r\n", .reply = "$-1\r\n",
};

static const struct server memcached = {
	.argv = (char *[]){ "/usr/bin/memcached", "-t", "1", "-u", "nobody", "-l", "127.0.0.1",
			    "-U", "0", NULL },
	.port = 11211, .request = "get key\r\n", .reply = "END\r\n",
};

static const struct server *server;

static pid_t start(bool preload)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (preload) {
		setenv("LD_PRELOAD", "/libevpoll-preload.so", 1);
		setenv("EVPOLL_PRELOAD_STRICT", "1", 1);
	}
	if (chroot(ROOT) || chdir("/") || !freopen("/tmp/server.log", "w", stdout) ||
	    dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		_exit(1);
	execv(server->argv[0], server->argv);
	_exit(1);
}

/* The server does not announce that it listens, so try to connect until it does. */
static int connection(pid_t pid)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(server->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		if (waitpid(pid, NULL, WNOHANG))
			errx(1, "%s ended, see %s/tmp/server.log", server->argv[0], ROOT);
		usleep(10000);
	}
	return fd;
}

static void server_setup(struct set *set)
{
	set->other = start(set->by->bit != EPOLL);
	for (int i = 0; i < set->n; i++) {
		close(set->fd[i]);
		set->fd[i] = connection(set->other);
	}
}

static void redis_setup(struct set *set)
{
	server = &redis;
	server_setup(set);
}

static void memcached_setup(struct set *set)
{
	server = &memcached;
	server_setup(set);
}

static void server_end(struct set *set)
{
	kill(set->other, SIGKILL);
	waitpid(set->other, NULL, 0);
}

/* Send a request on each connection, then read all replies. */
static void requests(struct set *set)
{
	size_t length = strlen(server->reply);
	char reply[64];

	for (int i = 0; i < set->n; i++)
		sys3(SYS_write, set->fd[i], (long)server->request, strlen(server->request));
	for (int i = 0; i < set->n; i++)
		if (sys3(SYS_read, set->fd[i], (long)reply, sizeof(reply)) != length ||
		    memcmp(reply, server->reply, length))
			errx(1, "not the reply of %s", server->argv[0]);
}

const struct bench_case cases_servers[] = {
	{ .name = "redis", .what = "a GET of redis, n connections have one each under way",
	  .by = EPOLL | EVPOLL_WAIT, .n = { 1, 50 }, .each = true, .cycle = 16,
	  .needs = ROOT "/usr/bin/redis-server",
	  .setup = redis_setup, .run = requests, .teardown = server_end },
	{ .name = "memcached", .what = "a get of memcached, n connections have one each under way",
	  .by = EPOLL | EVPOLL_WAIT, .n = { 1, 50 }, .each = true, .cycle = 16,
	  .needs = ROOT "/usr/bin/memcached",
	  .setup = memcached_setup, .run = requests, .teardown = server_end },
	{ }
};
