// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model 5, asynchronous I/O: the program starts an operation and gives it a buffer. The kernel does
 * the operation, and tells the program when it is complete. Models 3 and 4 tell the program that it
 * can read; here the data is in its buffer already. io_uring takes operations from one queue, in
 * memory that it shares with the program, and puts completions into another. One system call
 * serves both queues.
 */
#include <err.h>
#include <errno.h>
#include <liburing.h>
#include <unistd.h>

#include "echo.h"

struct connection {
	int fd;
	char message[SIZE];
};

static struct io_uring_sqe *next(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		errx(1, "the queue is full");
	return sqe;
}

static void start_recv(struct io_uring *ring, struct connection *c)
{
	struct io_uring_sqe *sqe = next(ring);

	io_uring_prep_recv(sqe, c->fd, c->message, sizeof(c->message), 0);
	io_uring_sqe_set_data(sqe, c);
}

/* The next operation is linked: it starts after the send. The send itself reports errors only. */
static void start_send(struct io_uring *ring, struct connection *c, size_t len)
{
	struct io_uring_sqe *sqe = next(ring);

	io_uring_prep_send(sqe, c->fd, c->message, len, MSG_WAITALL);
	io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
	io_uring_sqe_set_data(sqe, c);
}

int main(void)
{
	struct connection connections[CONNECTIONS];
	int fds[CONNECTIONS], open = CONNECTIONS;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	unsigned int head, seen;

	errno = -io_uring_queue_init(2 * CONNECTIONS, &ring, 0);
	if (errno)
		err(1, "io_uring_queue_init");
	clients_start(fds);
	for (int i = 0; i < CONNECTIONS; i++) {
		connections[i].fd = fds[i];
		start_recv(&ring, &connections[i]);
	}

	while (open) {
		int ret = io_uring_submit_and_wait(&ring, 1);

		if (ret < 0) {
			errno = -ret;
			err(1, "io_uring_submit_and_wait");
		}
		seen = 0;
		io_uring_for_each_cqe(&ring, head, cqe) {
			struct connection *c = io_uring_cqe_get_data(cqe);

			seen++;
			if (cqe->res < 0) {
				errno = -cqe->res;
				err(1, "connection %d", c->fd);
			}
			if (cqe->res) {
				start_send(&ring, c, cqe->res);
				start_recv(&ring, c);
			} else {
				close(c->fd);	/* the client has ended */
				open--;
			}
		}
		io_uring_cq_advance(&ring, seen);
	}
	io_uring_queue_exit(&ring);
	return clients_end("async");
}
