// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of files: how to open one, how to make an event (write) and how to consume it (read).
 * When a write returns, all its effects have happened, in whatever context.
 */
#include "fuzzer.h"

#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "../modules/evpoll_source.h"

static char buf[65536];

void file_write(struct world *w, struct slot *s, unsigned int n)
{
	if (write(s->fd[0], buf, n < sizeof(buf) ? n : sizeof(buf)) < 0)
		return;
}

void file_read(struct world *w, struct slot *s, unsigned int n)
{
	if (read(s->fd[0], buf, n < sizeof(buf) ? n : sizeof(buf)) < 0)
		return;
}

/* Until the file can be read: its event came, and all that watch it were told. */
static void wait_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	poll(&pfd, 1, SOON);
}

struct slot *slot_other_end(struct world *w, const struct slot *s)
{
	for (int i = 0; i < SLOTS; i++)
		if (w->slot[i].open && w->slot[i].object == s->object &&
		    w->slot[i].end != s->end)
			return &w->slot[i];
	return NULL;
}

static bool pipe_open(struct world *w, struct slot **s)
{
	int p[2];

	if (pipe2(p, O_NONBLOCK | O_CLOEXEC))
		return false;
	/* Small, so that it is full soon */
	fcntl(p[1], F_SETPIPE_SZ, 8192);
	s[0]->fd[0] = p[0];
	s[1]->fd[0] = p[1];
	return true;
}

static bool fifo_open(struct world *w, struct slot **s)
{
	char path[64];

	snprintf(path, sizeof(path), "%s-fifo", w->path);
	if (mkfifo(path, 0600))
		return false;
	s[0]->fd[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	s[1]->fd[0] = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	unlink(path);
	return s[0]->fd[0] >= 0 && s[1]->fd[0] >= 0;
}

static bool eventfd_open(struct world *w, struct slot **s)
{
	s[0]->fd[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | (w->objects % 2 ? EFD_SEMAPHORE : 0));
	return s[0]->fd[0] >= 0;
}

/* A large number makes it full */
static void eventfd_news(struct world *w, struct slot *s, unsigned int n)
{
	eventfd_write(s->fd[0], n > 1000 ? UINT64_MAX - 1 - n : n);
}

static bool timerfd_open(struct world *w, struct slot **s)
{
	s[0]->fd[0] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	return s[0]->fd[0] >= 0;
}

/* Expires now, or is set to a time that the program will not see. */
static void timerfd_news(struct world *w, struct slot *s, unsigned int n)
{
	struct itimerspec its = { .it_value.tv_nsec = 1 };
	bool far = n % 4 == 0;

	if (far)
		its.it_value.tv_sec = 1000000;
	timerfd_settime(s->fd[0], 0, &its, NULL);
	if (!far)
		wait_readable(s->fd[0]);
}

static bool signalfd_open(struct world *w, struct slot **s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	s[0]->fd[0] = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return s[0]->fd[0] >= 0;
}

static void signalfd_news(struct world *w, struct slot *s, unsigned int n)
{
	kill(getpid(), n % 2 ? SIGUSR1 : SIGRTMIN);
}

static bool inotify_open(struct world *w, struct slot **s)
{
	s[0]->fd[0] = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return s[0]->fd[0] >= 0 && inotify_add_watch(s[0]->fd[0], w->path, IN_MODIFY) >= 0;
}

static bool fanotify_open(struct world *w, struct slot **s)
{
	s[0]->fd[0] = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | FAN_REPORT_FID,
				    O_RDONLY);
	return s[0]->fd[0] >= 0 &&
	       !fanotify_mark(s[0]->fd[0], FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, w->path);
}

static void file_touched(struct world *w, struct slot *s, unsigned int n)
{
	if (pwrite(w->file, "x", 1, 0) < 0)
		return;
}

/* Without echo and line editing: bytes are bytes. */
static bool pty_open(struct world *w, struct slot **s)
{
	struct termios t;
	int unlock = 0;

	s[0]->fd[0] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (s[0]->fd[0] < 0 || ioctl(s[0]->fd[0], TIOCSPTLCK, &unlock))
		return false;
	s[1]->fd[0] = ioctl(s[0]->fd[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (s[1]->fd[0] < 0 || tcgetattr(s[1]->fd[0], &t))
		return false;
	cfmakeraw(&t);
	return !tcsetattr(s[1]->fd[0], TCSANOW, &t);
}

/*
 * A kernel worker moves the bytes to the other end. When all bytes have arrived, the worker may
 * still be waking the watchers. The flush has nothing to flush, but it waits for the lock that the
 * worker holds meanwhile.
 */
static void pty_news(struct world *w, struct slot *s, unsigned int n)
{
	struct slot *other = slot_other_end(w, s);
	int before, after, written;

	if (!other || ioctl(other->fd[0], TIOCINQ, &before) || before > 1000)
		return;
	written = write(s->fd[0], buf, n < 200 ? n : 200);
	if (written <= 0)
		return;
	do {
		wait_readable(other->fd[0]);
		if (ioctl(other->fd[0], TIOCINQ, &after))
			return;
	} while (after < before + written);
	ioctl(s->fd[0], TCFLSH, TCOFLUSH);
}

static bool mqueue_open(struct world *w, struct slot **s)
{
	struct mq_attr attr = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	char name[32];

	snprintf(name, sizeof(name), "/fuzz-%d", getpid());
	s[0]->fd[0] = mq_open(name, O_RDWR | O_NONBLOCK | O_CREAT | O_CLOEXEC, 0600, &attr);
	mq_unlink(name);
	return s[0]->fd[0] >= 0;
}

static void mqueue_news(struct world *w, struct slot *s, unsigned int n)
{
	mq_send(s->fd[0], buf, n < 16 ? n : 16, 0);
}

static void mqueue_read(struct world *w, struct slot *s, unsigned int n)
{
	mq_receive(s->fd[0], buf, 16, NULL);
}

static struct child *pidfd_child(struct world *w, int object)
{
	for (int i = 0; i < SLOTS; i++)
		if (w->watched[i].object == object)
			return &w->watched[i];
	return NULL;
}

static bool pidfd_open_child(struct world *w, struct slot **s)
{
	struct child *c = pidfd_child(w, 0);

	if (!c)
		return false;
	c->pid = child_start(c, CLONE_FILES | CLONE_PIDFD, &s[0]->fd[0]);
	if (c->pid < 0)
		return false;
	c->object = w->objects;
	return true;
}

/* It dies. */
static void pidfd_news(struct world *w, struct slot *s, unsigned int n)
{
	struct child *c = pidfd_child(w, s->object);
	siginfo_t info;

	if (!c)
		return;
	kill(c->pid, SIGKILL);
	waitid(P_PID, c->pid, &info, WEXITED | WNOWAIT);
}

/* If it is dead, it is reaped. */
static void pidfd_read(struct world *w, struct slot *s, unsigned int n)
{
	struct child *c = pidfd_child(w, s->object);

	if (c && waitpid(c->pid, NULL, WNOHANG) == c->pid)
		c->object = 0;
}

static bool userfaultfd_open(struct world *w, struct slot **s)
{
	s[0]->fd[0] = syscall(SYS_userfaultfd, O_NONBLOCK | O_CLOEXEC);
	return s[0]->fd[0] >= 0;
}

static void userfaultfd_news(struct world *w, struct slot *s, unsigned int n)
{
	struct uffdio_api api = { .api = UFFD_API };

	ioctl(s->fd[0], UFFDIO_API, &api);
}

static bool line_open(struct world *w, struct slot **s)
{
	s[0]->fd[0] = open("/dev/evpoll_source", O_RDWR | O_CLOEXEC);
	return s[0]->fd[0] >= 0;
}

/*
 * One event on this line, or from an interrupt on all lines, which come as one batch. They are
 * emptied before, so that one can tell when the last has its event.
 */
static void line_news(struct world *w, struct slot *s, unsigned int n)
{
	struct evpoll_source_burst b = {
		.context = n % EVPOLL_SOURCE_CONTEXTS, .repeat = 1, .cpu = -1,
	};
	int fds[SLOTS];

	for (int i = 0; i < SLOTS; i++) {
		struct slot *line = &w->slot[i];

		if (!line->open || line->kind != LINE)
			continue;
		if (b.context == EVPOLL_SOURCE_PROCESS && line != s)
			continue;
		if (b.context != EVPOLL_SOURCE_PROCESS)
			file_read(w, line, sizeof(struct evpoll_source_event));
		fds[b.nr++] = line->fd[0];
	}
	b.fds = (uintptr_t)fds;
	if (!ioctl(s->fd[0], EVPOLL_SOURCE_IOC_BURST, &b))
		wait_readable(fds[b.nr - 1]);
}

static void line_read(struct world *w, struct slot *s, unsigned int n)
{
	file_read(w, s, sizeof(struct evpoll_source_event));
}

/* A poll of such an open file changes its state, so each side has its own. */
static bool proc_file_open(struct world *w, struct slot **s)
{
	for (int side = 0; side < 2; side++) {
		int fd = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC);

		/* Above the numbers of the files that both sides share */
		s[0]->fd[side] = fcntl(fd, F_DUPFD_CLOEXEC, 300);
		close(fd);
	}
	return s[0]->fd[0] >= 0 && s[0]->fd[1] >= 0;
}

static void proc_file_news(struct world *w, struct slot *s, unsigned int n)
{
	char name[16];

	sethostname(name, snprintf(name, sizeof(name), "fuzz-%u", n));
}

static bool memfd_open(struct world *w, struct slot **s)
{
	s[0]->fd[0] = memfd_create("fuzz", MFD_CLOEXEC);
	return s[0]->fd[0] >= 0;
}

static void nothing(struct world *w, struct slot *s, unsigned int n)
{
}

const struct kind_ops kind_ops[KINDS] = {
	[PIPE] = { "pipe", 2, false, pipe_open, file_write, file_read },
	[FIFO] = { "fifo", 2, false, fifo_open, file_write, file_read },
	[UNIX_STREAM] = { "unix-stream", 2, false, unix_stream_open, file_write, file_read },
	[UNIX_DGRAM] = { "unix-dgram", 2, false, unix_dgram_open, file_write, file_read },
	[UNIX_SEQPACKET] = { "unix-seqpacket", 2, false, unix_seqpacket_open, file_write,
			     file_read },
	[UNIX_SENDER] = { "unix-sender", 2, false, unix_sender_open, file_write, file_read },
	[UNIX_LISTENER] = { "unix-listener", 2, false, unix_listener_open, file_write,
			    file_read },
	[TCP] = { "tcp", 2, true, tcp_open, file_write, file_read },
	[TCP_LISTENER] = { "tcp-listener", 2, true, tcp_listener_open, file_write, file_read },
	[UDP] = { "udp", 2, true, udp_open, file_write, file_read },
	[EVENTFD] = { "eventfd", 1, false, eventfd_open, eventfd_news, file_read },
	[TIMERFD] = { "timerfd", 1, true, timerfd_open, timerfd_news, file_read },
	[SIGNALFD] = { "signalfd", 1, false, signalfd_open, signalfd_news, file_read },
	[INOTIFY] = { "inotify", 1, false, inotify_open, file_touched, file_read },
	[FANOTIFY] = { "fanotify", 1, false, fanotify_open, file_touched, file_read },
	[PTY] = { "pty", 2, true, pty_open, pty_news, file_read },
	[MQUEUE] = { "mqueue", 1, false, mqueue_open, mqueue_news, mqueue_read },
	[PIDFD] = { "pidfd", 1, true, pidfd_open_child, pidfd_news, pidfd_read },
	[USERFAULTFD] = { "userfaultfd", 1, false, userfaultfd_open, userfaultfd_news, nothing },
	[LINE] = { "line", 1, true, line_open, line_news, line_read },
	[PROC_FILE] = { "proc-file", 1, false, proc_file_open, proc_file_news, nothing },
	[MEMFD] = { "memfd", 1, false, memfd_open, file_write, file_read },
};
