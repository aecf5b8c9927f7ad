// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose close ends what: watched files (R28, R31), their copies by dup, fork and
 * SCM_RIGHTS, exec, and the instance itself. lifetime_race.c has the same under fire.
 */
#include "evpoll_net.h"
#include "evpoll_util.h"

#include <sys/eventfd.h>

/* Not the value of any fd, so that only this item can have sent it. */
#define DATA 0x1122334455667788ULL

FIXTURE(lifetime) {
	int ep;
	int p[2];	/* a pipe, the read end watched */
};

FIXTURE_VARIANT(lifetime) {
	enum mechanism by;
};

EP_VARIANTS(lifetime);

FIXTURE_SETUP(lifetime)
{
	self->ep = ep_create(variant->by, O_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_EQ(0, pipe(self->p));
	ASSERT_EQ(0, ep_ctl(variant->by, self->ep, EPOLL_CTL_ADD, self->p[0], EPOLLIN, DATA));
}

/* Descriptors end with the process of the test. */
FIXTURE_TEARDOWN(lifetime)
{
}

/* R28: the last close takes the item away, with an event pending */
TEST_F(lifetime, close_removes)
{
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	ASSERT_EQ(1, ep_items(self->ep));

	close(self->p[0]);
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
}

/* R28, R24: all instances report the file, its close removes it from all */
TEST_F(lifetime, close_removes_from_every_instance)
{
	int ep[64];

	for (int i = 0; i < 64; i++) {
		ep[i] = ep_create(variant->by, O_CLOEXEC);
		ASSERT_EQ(0, ep_ctl(variant->by, ep[i], EPOLL_CTL_ADD, self->p[0], EPOLLIN, i));
	}
	ASSERT_EQ(0, put_byte(self->p[1]));
	for (int i = 0; i < 64; i++) {
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, ep[i], i, SOON));
	}

	close(self->p[0]);
	for (int i = 0; i < 64; i++) {
		EXPECT_EQ(0, ep_items(ep[i]));
		EXPECT_EQ(0, ep_mask(variant->by, ep[i], i, 0));
	}
	EXPECT_EQ(0, ep_items(self->ep));
}

/* R28: a close removes all items of the file that one instance has (R22: a dup is another) */
TEST_F(lifetime, close_removes_every_key_of_the_file)
{
	int copy = dup(self->p[0]);

	ASSERT_EQ(0, ep_add(variant->by, self->ep, copy, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, put_byte(self->p[1]));
	close(copy);
	EXPECT_EQ(2, ep_items(self->ep));
	close(self->p[0]);
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, copy, 0));
}

/*
 * R28, epoll(7) "Questions and answers" 6: a dup keeps the item, whose events come with the
 * old data, and whose closed number cannot be used to remove it
 */
TEST_F(lifetime, dup_keeps)
{
	int copy = dup(self->p[0]);

	close(self->p[0]);
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	EXPECT_ERRNO(EBADF, ep_del(variant->by, self->ep, self->p[0]));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, copy));

	/* the same file under its old number is the same key again */
	ASSERT_EQ(self->p[0], dup2(copy, self->p[0]));
	EXPECT_ERRNO(EEXIST, ep_add(variant->by, self->ep, self->p[0], EPOLLIN));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, self->p[0]));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
}

/* R28: the close of the last dup ends what dup_keeps shows */
TEST_F(lifetime, last_dup_removes)
{
	int copy = dup(self->p[0]);

	ASSERT_EQ(0, put_byte(self->p[1]));
	close(self->p[0]);
	EXPECT_EQ(1, ep_items(self->ep));
	close(copy);
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
}

/* dup(2): dup2 over a descriptor closes it; R22: the file now there is another key */
TEST_F(lifetime, dup2_over_removes)
{
	int q[2];

	ASSERT_EQ(0, pipe(q));
	ASSERT_EQ(0, put_byte(q[1]));
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(self->p[0], dup2(q[0], self->p[0]));
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
	EXPECT_ERRNO(ENOENT, ep_mod(variant->by, self->ep, self->p[0], EPOLLIN));
	EXPECT_EQ(0, ep_add(variant->by, self->ep, self->p[0], EPOLLIN));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, self->p[0], SOON));
}

/* close_range(2), which closes many at once, is a close as well (R28) */
TEST_F(lifetime, close_range_removes)
{
	int first = -1, fd = -1;

	for (int i = 0; i < 100; i++) {
		fd = eventfd(1, 0);
		ASSERT_LE(0, fd);
		if (first < 0)
			first = fd;
		ASSERT_EQ(0, ep_add(variant->by, self->ep, fd, EPOLLIN));
	}
	ASSERT_EQ(101, ep_items(self->ep));
	ASSERT_EQ(0, syscall(SYS_close_range, first, fd, 0));
	EXPECT_EQ(1, ep_items(self->ep));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, first, 0));
}

/* R22: a new file under the number of a closed one is not watched */
TEST_F(lifetime, number_reused)
{
	int fd;

	close(self->p[0]);
	fd = eventfd(1, 0);
	ASSERT_EQ(self->p[0], fd);
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, fd));
	EXPECT_EQ(0, ep_add(variant->by, self->ep, fd, EPOLLIN));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, fd, SOON));
}

/* R22, R28: the number is taken by another file while a dup keeps the first item alive */
TEST_F(lifetime, number_reused_beside_a_dup)
{
	struct epoll_event ev[4];
	int copy = dup(self->p[0]);
	int fd;

	close(self->p[0]);
	fd = eventfd(1, 0);
	ASSERT_EQ(self->p[0], fd);
	ASSERT_EQ(0, ep_add(variant->by, self->ep, fd, EPOLLIN));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(2, ep_items(self->ep));
	EXPECT_EQ(2, ep_wait(variant->by, self->ep, ev, 4, SOON));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, fd));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, 0));
	close(copy);
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
}

/* R28: a forked child's copy keeps the item, its exit ends it */
TEST_F(lifetime, fork_keeps)
{
	int stop[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(stop));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(stop[1]);
		get_byte(stop[0]);
		_exit(0);
	}
	close(self->p[0]);
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	close(stop[1]);
	ASSERT_EQ(0, reap(pid));
	EXPECT_EQ(0, ep_items(self->ep));
	EXPECT_EQ(0, ep_mask(variant->by, self->ep, DATA, 0));
}

/* R28: a descriptor in flight over a unix socket keeps the item, so does the receiver's */
TEST_F(lifetime, scm_rights_keeps)
{
	int s[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	ASSERT_EQ(0, send_fd(s[0], self->p[0]));
	close(self->p[0]);
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	fd = recv_fd(s[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	close(fd);
	EXPECT_EQ(0, ep_items(self->ep));
}

/* R28: a descriptor that nobody received ends with the socket it is queued in */
TEST_F(lifetime, scm_rights_dropped)
{
	int s[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	ASSERT_EQ(0, send_fd(s[0], self->p[0]));
	close(self->p[0]);
	EXPECT_EQ(1, ep_items(self->ep));
	close(s[0]);
	close(s[1]);
	EXPECT_TRUE(ep_items_become(self->ep, 0));
}

/* R28: a watched socket in a cycle of sockets in flight, which the garbage collector ends */
TEST_F(lifetime, scm_rights_collected)
{
	int s[2], t[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, s[0], EPOLLIN));
	ASSERT_EQ(0, send_fd(s[0], s[1]));
	ASSERT_EQ(0, send_fd(s[1], s[0]));
	close(s[0]);
	close(s[1]);
	/* closing a unix socket runs the collector */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, t));
	close(t[0]);
	close(t[1]);
	EXPECT_TRUE(ep_items_become(self->ep, 1));
}

/* The instance holds no watched file open: the peer sees EOF at close(2) */
TEST_F(lifetime, peer_sees_eof)
{
	struct pollfd pfd = { .events = POLLIN };
	int s[2];
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, s[0], EPOLLIN));
	close(s[0]);
	pfd.fd = s[1];
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(0, read(s[1], &c, 1));
	EXPECT_EQ(1, ep_items(self->ep));
}

/* The same, while a thread sleeps in the instance */
TEST_F(lifetime, peer_sees_eof_during_a_wait)
{
	struct pollfd pfd = { .events = POLLIN };
	struct waiter w;
	int s[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, s[0], EPOLLIN));
	ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
	close(s[0]);
	pfd.fd = s[1];
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(1, ep_items(self->ep));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EQ(DATA, w.ev[0].data.u64);
}

/* The same of TCP, with the data that was on its way before the FIN */
TEST_F(lifetime, tcp_peer_sees_eof)
{
	struct pollfd pfd = { .events = POLLRDHUP };
	char buf[8];
	int s[2];

	ASSERT_EQ(0, tcp_pair(s));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, s[1], EPOLLIN | EPOLLET));
	ASSERT_EQ(5, write(s[1], "hello", 5));
	close(s[1]);
	EXPECT_EQ(1, ep_items(self->ep));
	pfd.fd = s[0];
	EXPECT_EQ(1, poll(&pfd, 1, SOON));
	EXPECT_EQ(5, read(s[0], buf, sizeof(buf)));
	EXPECT_EQ(0, read(s[0], buf, sizeof(buf)));
}

/* R31: DEL, then close: nothing more comes, neither from the source nor from the instance */
TEST_F(lifetime, del_then_close)
{
	struct epoll_event ev;
	int q[2];

	ASSERT_EQ(0, pipe(q));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, q[0], EPOLLIN));
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(0, put_byte(q[1]));
	/* a batch of one, the other is ready and not yet fetched */
	ASSERT_EQ(1, ep_wait(variant->by, self->ep, &ev, 1, SOON));
	ASSERT_EQ(0, ep_del(variant->by, self->ep, q[0]));
	close(q[0]);
	ASSERT_EQ(0, ep_del(variant->by, self->ep, self->p[0]));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(0, ep_wait(variant->by, self->ep, &ev, 1, 0));
	EXPECT_EQ(0, ep_items(self->ep));
}

/* epoll_wait(2) holds the instance: closing its last descriptor lets a waiter wait on */
TEST_F(lifetime, instance_closed_during_a_wait)
{
	struct waiter w;

	ASSERT_TRUE(waiter_start(&w, variant->by, self->ep));
	close(self->ep);
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(1, waiter_join(&w));
	EXPECT_EQ(DATA, w.ev[0].data.u64);
	/* and now it is gone: the pipe works without it */
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(0, get_byte(self->p[0]));
}

/* epoll(7): the watched files go on when the instance is closed, other instances too */
TEST_F(lifetime, instance_close_leaves_files)
{
	int other = ep_create(variant->by, O_CLOEXEC);
	struct epoll_event ev[4];
	int fd[1000];

	allow_files(4096);
	for (int i = 0; i < 1000; i++) {
		fd[i] = eventfd(i % 2, EFD_NONBLOCK);
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, ep_add(variant->by, self->ep, fd[i], EPOLLIN | EPOLLOUT));
		ASSERT_EQ(0, ep_add(variant->by, other, fd[i], EPOLLIN));
	}
	close(self->ep);
	for (int i = 0; i < 1000; i++) {
		ASSERT_EQ(0, eventfd_write(fd[i], 1));
		if (i < 999)
			close(fd[i]);
	}
	EXPECT_EQ(1, ep_wait(variant->by, other, ev, 4, SOON));
	EXPECT_EQ(fd[999], (int)ev[0].data.u64);
	EXPECT_EQ(1, ep_items(other));
}

/* R1, R4: a process killed in its wait takes nothing with it: the event goes to others */
TEST_F(lifetime, waiter_killed)
{
	struct epoll_event ev;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(ep_wait(variant->by, self->ep, &ev, 1, -1));
	ASSERT_TRUE(asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-1, reap(pid));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
}

/* exit(2) closes: a killed process' own instance leaves the parent's files in order */
TEST_F(lifetime, owner_killed)
{
	struct epoll_event ev;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		int ep = ep_create(variant->by, 0);

		if (ep_add(variant->by, ep, self->p[0], EPOLLIN) ||
		    ep_add(variant->by, ep, self->p[1], EPOLLERR))
			_exit(1);
		_exit(ep_wait(variant->by, ep, &ev, 1, -1));
	}
	ASSERT_TRUE(asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(-1, reap(pid));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	EXPECT_EQ(1, ep_items(self->ep));
}

/*
 * R27: an instance passed over a unix socket reports in the receiver the sender's files; fd
 * numbers in ADD and DEL are those of the caller's own table
 */
TEST_F(lifetime, instance_passed)
{
	int s[2], fd = self->p[0];
	pid_t pid;
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int q[2], ep;

		/* a table of its own, in which the sender's number is another file */
		ASSERT_EQ(0, pipe(q));
		ASSERT_EQ(fd, dup2(q[0], fd));
		close(self->ep);
		close(s[0]);
		ep = recv_fd(s[1]);
		ASSERT_LE(0, ep);
		EXPECT_EQ(EPOLLIN, ep_mask(variant->by, ep, DATA, SOON));
		EXPECT_EQ(-1, ep_del(variant->by, ep, fd));
		EXPECT_EQ(ENOENT, errno);
		EXPECT_EQ(0, ep_ctl(variant->by, ep, EPOLL_CTL_ADD, fd, EPOLLIN, DATA + 1));
		EXPECT_EQ(0, put_byte(q[1]));
		EXPECT_EQ(0, put_byte(s[1]));
		get_byte(s[1]);
		_exit(0);
	}
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(0, send_fd(s[0], self->ep));
	ASSERT_EQ(1, read(s[0], &c, 1));
	/* both are there under the one number, the sender removes its own */
	EXPECT_EQ(2, ep_items(self->ep));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA + 1, SOON));
	EXPECT_EQ(0, ep_del(variant->by, self->ep, fd));
	EXPECT_ERRNO(ENOENT, ep_del(variant->by, self->ep, fd));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA + 1, SOON));
	close(s[0]);
	close(s[1]);
	ASSERT_EQ(0, reap(pid));
	EXPECT_EQ(0, ep_items(self->ep));
}

/* Run this program again: "--after-exec BY INSTANCE WHAT"; the status says what it found. */
static pid_t spawn(struct __test_metadata *_metadata, enum mechanism by, int ep,
		   const char *what)
{
	char mech[16], num[16];
	pid_t pid;

	snprintf(mech, sizeof(mech), "%d", by);
	snprintf(num, sizeof(num), "%d", ep);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		execl("/proc/self/exe", "lifetime", "--after-exec", mech, num, what, NULL);
		_exit(99);
	}
	return pid;
}

static int after_exec(enum mechanism by, int ep, const char *what)
{
	struct epoll_event ev;

	if (!strcmp(what, "wait")) {
		if (ep_wait(by, ep, &ev, 1, SOON) != 1)
			return 2;
		return ev.data.u64 == DATA ? 0 : 3;
	}
	if (!strcmp(what, "gone"))
		return fcntl(ep, F_GETFD) == -1 && errno == EBADF ? 0 : 4;
	/* hold what came through exec until stdin ends */
	if (!strcmp(what, "hold")) {
		if (put_byte(1))
			return 5;
		get_byte(0);
		return 0;
	}
	return 6;
}

/* execve(2): without O_CLOEXEC the instance and its items survive, with it they do not */
TEST_F(lifetime, instance_through_exec)
{
	int kept = fcntl(self->ep, F_DUPFD, 100);

	ASSERT_LE(0, kept);
	ASSERT_EQ(0, reap(spawn(_metadata, variant->by, self->ep, "gone")));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(0, reap(spawn(_metadata, variant->by, kept, "wait")));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, 0));
}

/* R28, open(2): exec closes a watched O_CLOEXEC file in the last process that has it */
TEST_F(lifetime, cloexec_file_removed_by_exec)
{
	int in[2], out[2], q[2];
	pid_t pid;

	/* p[0] would be inherited, q[0] is closed by the exec */
	ASSERT_EQ(0, pipe2(q, O_CLOEXEC));
	ASSERT_EQ(0, ep_add(variant->by, self->ep, q[0], EPOLLIN));
	ASSERT_EQ(0, pipe2(in, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	fflush(stdout);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		get_byte(in[0]);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/proc/self/exe", "lifetime", "--after-exec", "0", "0", "hold", NULL);
		_exit(99);
	}
	close(q[0]);
	close(self->p[0]);
	EXPECT_EQ(2, ep_items(self->ep));
	ASSERT_EQ(0, put_byte(in[1]));
	/* its byte comes after the exec */
	ASSERT_EQ(0, get_byte(out[0]));
	EXPECT_EQ(1, ep_items(self->ep));
	ASSERT_EQ(0, put_byte(self->p[1]));
	EXPECT_EQ(EPOLLIN, ep_mask(variant->by, self->ep, DATA, SOON));
	close(in[1]);
	ASSERT_EQ(0, reap(pid));
	EXPECT_EQ(0, ep_items(self->ep));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "--after-exec"))
		return after_exec(atoi(argv[2]), atoi(argv[3]), argv[4]);
	return test_harness_run(argc, argv);
}
