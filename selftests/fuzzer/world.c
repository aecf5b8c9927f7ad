// SPDX-License-Identifier: GPL-2.0-only
/* What a program runs in, and the steps that concern files alone. */
#include "fuzzer.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* Where the fuzzer's own files begin: world_clear() closes all that is below. */
#define OWN_FD 1000

int out_of_the_way(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, OWN_FD);

	close(fd);
	return high;
}

bool world_setup(struct world *w)
{
	struct utsname uts;
	sigset_t set;

	uname(&uts);
	w->realtime = strstr(uts.version, "PREEMPT_RT");

	snprintf(w->path, sizeof(w->path), "/tmp/fuzz-%d", getpid());
	w->file = out_of_the_way(open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return w->file >= 0 && !unshare(CLONE_NEWNET | CLONE_NEWUTS) && network_setup() &&
	       uring_start();
}

static int child_main(void *arg)
{
	while (pause())
		;
	return 0;
}

/* A task that sleeps until it is killed. With memory in common it costs little. */
pid_t child_start(struct child *c, unsigned long flags, int *pidfd)
{
	return clone(child_main, c->stack + sizeof(c->stack), CLONE_VM | SIGCHLD | flags, NULL,
		     pidfd);
}

static void child_end(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
	c->object = 0;
}

void world_clear(struct world *w)
{
	struct timespec now = {};
	sigset_t set;

	for (int i = 0; i < CHILDREN; i++)
		if (w->child[i].pid)
			child_end(&w->child[i]);
	for (int i = 0; i < SLOTS; i++)
		if (w->watched[i].object)
			child_end(&w->watched[i]);
	close_range(STDERR_FILENO + 1, OWN_FD - 1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	while (sigtimedwait(&set, NULL, &now) > 0)
		;
	for (int i = 0; i < SLOTS; i++)
		w->slot[i] = (struct slot){ .fd = { -1, -1 } };
	for (int i = 0; i < TWINS; i++) {
		ring_unmap(&w->twin[i]);
		w->twin[i] = (struct twin){ .fd = { -1, -1 } };
	}
	w->channel[0] = -1;
	w->channel[1] = -1;
	w->flying = 0;
	w->objects = 0;
	w->at = 0;
	w->outer = false;
	w->windowed = false;
	w->nested = false;
	w->tells_once = false;
	w->ringed = false;
	w->asynchronous = false;
	w->late = false;
	w->why[0] = 0;
}

static void slot_close(struct slot *s)
{
	close(s->fd[0]);
	if (s->fd[1] != s->fd[0])
		close(s->fd[1]);
	s->open = false;
}

static void step_open(struct world *w, enum kind what, struct slot *a, struct slot *b)
{
	const struct kind_ops *ops = &kind_ops[what];
	struct slot *s[2] = { a, b };
	bool opened;

	/* As in twin_step() */
	if ((w->windowed || w->nested) && what == PROC_FILE)
		return;
	if (a->open || (ops->ends > 1 && (b->open || a == b)))
		return;
	w->objects++;
	for (int end = 0; end < ops->ends; end++)
		*s[end] = (struct slot){
			.fd = { -1, -1 }, .kind = what, .object = w->objects, .end = end,
		};
	opened = ops->open(w, s);
	for (int end = 0; end < ops->ends; end++) {
		if (s[end]->fd[1] < 0)
			s[end]->fd[1] = s[end]->fd[0];
		s[end]->open = true;
		if (!opened)
			slot_close(s[end]);
	}
	w->asynchronous |= ops->asynchronous;
	w->tells_once |= what == PROC_FILE;
}

static void step_dup(struct slot *from, struct slot *to)
{
	int numbers = from->kind == PROC_FILE ? 300 : 0;

	if (to->open)
		return;
	*to = *from;
	to->fd[0] = fcntl(from->fd[0], F_DUPFD_CLOEXEC, numbers);
	to->fd[1] = to->fd[0];
	if (from->fd[1] != from->fd[0])
		to->fd[1] = fcntl(from->fd[1], F_DUPFD_CLOEXEC, numbers);
}

/* The number stays, the file behind it changes. */
static void step_dup2(struct slot *from, struct slot *to)
{
	int fd = to->fd[0];

	if (!to->open || from->kind == PROC_FILE || to->kind == PROC_FILE || from == to)
		return;
	dup3(from->fd[0], fd, O_CLOEXEC);
	*to = *from;
	to->fd[0] = fd;
	to->fd[1] = fd;
}

static void repeat(struct world *w, struct slot *s, unsigned int n,
		   void (*fn)(struct world *w, struct slot *s, unsigned int n))
{
	for (int i = 0; i < 40; i++)
		fn(w, s, n);
}

/* Holds a copy of each file descriptor until it ends. */
static void step_fork(struct child *c)
{
	if (!c->pid)
		c->pid = child_start(c, 0, NULL);
}

/*
 * Sends neither unix sockets, because their garbage collector runs at unknown times, nor the files
 * that are different ones on both sides.
 */
static void step_send(struct world *w, struct slot *s)
{
	if (w->channel[0] < 0) {
		int p[2];

		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p))
			return;
		for (int i = 0; i < 2; i++) {
			w->channel[i] = fcntl(p[i], F_DUPFD_CLOEXEC, 280);
			close(p[i]);
		}
	}
	if (w->flying == FLIGHT || s->fd[1] != s->fd[0] ||
	    (s->kind >= UNIX_STREAM && s->kind < TCP))
		return;
	if (!send_fd(w->channel[0], s->fd[0]))
		w->flight[w->flying++] = *s;
}

static void step_receive(struct world *w, struct slot *s)
{
	if (s->open || !w->flying)
		return;
	*s = w->flight[0];
	w->flying--;
	memmove(w->flight, w->flight + 1, w->flying * sizeof(*w->flight));
	s->fd[0] = recv_fd(w->channel[1]);
	s->fd[1] = s->fd[0];
	fcntl(s->fd[0], F_SETFD, FD_CLOEXEC);
}

/* What is in flight ends with the channel. */
static void step_drop(struct world *w)
{
	close(w->channel[0]);
	close(w->channel[1]);
	w->channel[0] = -1;
	w->channel[1] = -1;
	w->flying = 0;
}

static void slot_step(struct world *w, const struct step *s, struct slot *a)
{
	const struct kind_ops *ops = &kind_ops[a->kind];
	struct slot *b = &w->slot[s->arg[1] % SLOTS];

	switch (s->code) {
	case CLOSE:
		slot_close(a);
		break;
	case RESET:
		socket_reset(a);
		slot_close(a);
		break;
	case DUP:
		step_dup(a, b);
		break;
	case DUP2:
		step_dup2(a, b);
		break;
	case WRITE:
		ops->write(w, a, s->arg[1]);
		break;
	case READ:
		ops->read(w, a, s->arg[1]);
		break;
	case FILL:
		repeat(w, a, 1999, ops->write);
		break;
	case DRAIN:
		repeat(w, a, 4096, ops->read);
		break;
	case URGENT:
		socket_urgent(a);
		break;
	case SHUTDOWN:
		shutdown(a->fd[0], s->arg[1] % 3);
		break;
	case CONNECT:
		if (b->open)
			socket_connect(a, b);
		break;
	case ACCEPT:
		if (!b->open) {
			socket_accept(a, b);
			b->object = ++w->objects;
		}
		break;
	case SEND:
		step_send(w, a);
		break;
	}
}

void file_step(struct world *w, const struct step *s)
{
	struct slot *a = &w->slot[s->arg[0] % SLOTS];
	struct child *c = &w->child[s->arg[0] % CHILDREN];

	switch (s->code) {
	case OPEN:
		step_open(w, s->arg[0], &w->slot[s->arg[1]], &w->slot[s->arg[2]]);
		break;
	case FORK:
		step_fork(c);
		break;
	case EXIT:
		if (c->pid)
			child_end(c);
		break;
	case RECEIVE:
		step_receive(w, a);
		break;
	case DROP:
		if (w->channel[0] >= 0)
			step_drop(w);
		break;
	default:
		if (a->open)
			slot_step(w, s, a);
	}
}
