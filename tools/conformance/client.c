// SPDX-License-Identifier: GPL-2.0-only
/*
 * client redis|memcached|http PORT CONNECTIONS REQUESTS: send REQUESTS requests on each of
 * CONNECTIONS connections to a server on this machine, and compare every byte of each reply with
 * what it must be. The exit status is 0 if all replies are right.
 *
 * client wait PORT: return when a server listens on the port.
 * client body N: print the body that the server must send for /N, for 'http'.
 *
 * Requests are small and large. The client sends some of them in two parts, and closes and reopens
 * a connection from time to time. It uses poll(), because it tests evpoll and epoll.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODIES 8		/* files of the web server */
#define PER_CONNECTION 16	/* requests, then the client opens it again */
#define MAX_VALUE 200000	/* bytes */
#define BUFFER (MAX_VALUE + 4096)
#define PATIENCE 60000		/* ms without a byte from any connection */

/* A connection, with one request at a time */
struct conn {
	int fd;
	unsigned int id;
	unsigned int request;	/* number of the current request */
	char *out, *want, *in;
	size_t out_len, sent;
	size_t want_len, in_len;
	bool half;		/* the second part waits for the next turn */
};

static const char *protocol;
static unsigned int requests;
static int port;

static void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

/* Different for each seed, and never the same byte twice. */
static size_t value_of(unsigned int seed, char *to)
{
	static const size_t sizes[] = { 1, 10, 100, 1000, 4096, 10000, 40000, MAX_VALUE };
	size_t i, n = sizes[seed % 8];

	for (i = 0; i < n; i++)
		to[i] = 'a' + (seed * 7 + i + i / 26) % 26;
	return n;
}

/* Two requests share a key: the first sets it, the second gets it. Large values are rare. */
static unsigned int seed_of(const struct conn *conn)
{
	unsigned int seed = conn->id * requests + conn->request / 2;

	return seed % 8 == 7 && seed % 64 != 7 ? seed - 7 : seed;
}

static size_t put(char *to, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsprintf(to, format, ap);
	va_end(ap);
	return n;
}

static void redis_request(struct conn *conn)
{
	static char value[MAX_VALUE];
	size_t n = value_of(seed_of(conn), value);
	char key[32];
	char *p = conn->out;

	put(key, "%u:%u", conn->id, conn->request / 2);
	if (conn->request % 2) {
		p += put(p, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
		conn->want_len = put(conn->want, "$%zu\r\n%.*s\r\n", n, (int)n, value);
	} else {
		p += put(p, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%.*s\r\n", strlen(key), key,
			 n, (int)n, value);
		conn->want_len = put(conn->want, "+OK\r\n");
	}
	conn->out_len = p - conn->out;
}

static void memcached_request(struct conn *conn)
{
	static char value[MAX_VALUE];
	int n = value_of(seed_of(conn), value);
	char key[32];

	put(key, "%u:%u", conn->id, conn->request / 2);
	if (conn->request % 2) {
		conn->out_len = put(conn->out, "get %s\r\n", key);
		conn->want_len = put(conn->want, "VALUE %s 0 %d\r\n%.*s\r\nEND\r\n", key, n, n,
				     value);
	} else {
		conn->out_len = put(conn->out, "set %s 0 0 %d\r\n%.*s\r\n", key, n, n, value);
		conn->want_len = put(conn->want, "STORED\r\n");
	}
}

static void http_request(struct conn *conn)
{
	unsigned int body = seed_of(conn) % BODIES;

	conn->out_len = put(conn->out, "GET /%u HTTP/1.1\r\nHost: test\r\n\r\n", body);
	conn->want_len = value_of(body, conn->want);
}

static void make_request(struct conn *conn)
{
	if (!strcmp(protocol, "redis"))
		redis_request(conn);
	else if (!strcmp(protocol, "memcached"))
		memcached_request(conn);
	else
		http_request(conn);
	conn->sent = 0;
	conn->in_len = 0;
	conn->half = conn->request % 3 == 0;
}

static int try_connect(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %m");
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	close(fd);
	return -1;
}

static void open_conn(struct conn *conn)
{
	conn->fd = try_connect();
	if (conn->fd < 0)
		die("connect: %m");
	fcntl(conn->fd, F_SETFL, O_NONBLOCK);
}

static void mismatch(const struct conn *conn, const char *what)
{
	die("connection %u, request %u: %s; %zu bytes came in place of %zu: %.200s", conn->id,
	    conn->request, what, conn->in_len, conn->want_len, conn->in);
}

/* Offset of the body in the reply of a web server, 0 while the head is not complete. */
static size_t http_head(const struct conn *conn)
{
	char *end = memmem(conn->in, conn->in_len, "\r\n\r\n", 4);
	char length[64];

	if (!end)
		return 0;
	put(length, "\r\nContent-Length: %zu\r\n", conn->want_len);
	if (strncmp(conn->in, "HTTP/1.1 200 ", 13) ||
	    !(strcasestr(conn->in, length) && strcasestr(conn->in, length) < end))
		mismatch(conn, "not the head that it should be");
	return end + 4 - conn->in;
}

/* True if the reply is complete and right. */
static bool complete(const struct conn *conn)
{
	size_t head = 0;
	size_t n;

	if (!strcmp(protocol, "http")) {
		head = http_head(conn);
		if (!head)
			return false;
	}
	n = conn->in_len - head;
	if (n > conn->want_len || memcmp(conn->in + head, conn->want, n))
		mismatch(conn, "another reply than it should be");
	return n == conn->want_len;
}

static void receive(struct conn *conn)
{
	/* Leave the last byte, so that the buffer is a string. */
	ssize_t n = recv(conn->fd, conn->in + conn->in_len, BUFFER - 1 - conn->in_len, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		mismatch(conn, n ? strerror(errno) : "the server closed the connection");
	conn->in_len += n;
	conn->in[conn->in_len] = 0;
	if (!complete(conn))
		return;
	if (++conn->request % PER_CONNECTION == 0) {
		close(conn->fd);
		if (conn->request < requests)
			open_conn(conn);
	}
	if (conn->request < requests)
		make_request(conn);
}

static void transmit(struct conn *conn)
{
	size_t end = conn->half ? conn->out_len / 2 : conn->out_len;
	ssize_t n = send(conn->fd, conn->out + conn->sent, end - conn->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		mismatch(conn, strerror(errno));
	if (n > 0)
		conn->sent += n;
	if (conn->sent == end)
		conn->half = false;
}

/* One turn of all connections; false when no request is left. */
static bool turn(struct conn *conns, struct pollfd *pfds, int n)
{
	bool busy = false;
	int i;

	for (i = 0; i < n; i++) {
		bool done = conns[i].request == requests;

		busy |= !done;
		pfds[i].fd = done ? -1 : conns[i].fd;
		pfds[i].events = POLLIN | (conns[i].sent < conns[i].out_len ? POLLOUT : 0);
		pfds[i].revents = 0;
	}
	if (!busy)
		return false;
	if (poll(pfds, n, PATIENCE) <= 0)
		die("no byte for %d s", PATIENCE / 1000);
	for (i = 0; i < n; i++) {
		if (pfds[i].revents & POLLOUT)
			transmit(&conns[i]);
		if (pfds[i].revents & ~POLLOUT)
			receive(&conns[i]);
	}
	return true;
}

static int drive(int n)
{
	struct conn *conns = calloc(n, sizeof(*conns));
	struct pollfd *pfds = calloc(n, sizeof(*pfds));
	int i;

	for (i = 0; i < n; i++) {
		conns[i].id = i;
		conns[i].in = malloc(BUFFER);
		conns[i].out = malloc(BUFFER);
		conns[i].want = malloc(BUFFER);
		if (!conns[i].in || !conns[i].out || !conns[i].want)
			die("no memory");
		open_conn(&conns[i]);
		make_request(&conns[i]);
	}
	while (turn(conns, pfds, n))
		;
	printf("%u replies, each as it must be\n", n * requests);
	return 0;
}

/* A server does not announce that it listens, so try to connect until it does. */
static int wait_for_server(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int i;

	for (i = 0; i < PATIENCE / 10; i++) {
		if (try_connect() >= 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	die("nothing listens on port %d", port);
	return 1;
}

static int print_body(unsigned int n)
{
	static char value[MAX_VALUE];

	return fwrite(value, value_of(n, value), 1, stdout) != 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "body"))
		return print_body(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "wait")) {
		port = atoi(argv[2]);
		return wait_for_server();
	}
	if (argc != 5)
		die("usage: client redis|memcached|http PORT CONNECTIONS REQUESTS");
	protocol = argv[1];
	port = atoi(argv[2]);
	requests = atoi(argv[4]);
	return drive(atoi(argv[3]));
}
