// SPDX-License-Identifier: MIT
/*
 * libevpoll-preload: run a program that uses epoll on evpoll, without rebuilding it. With
 * LD_PRELOAD, the functions below replace those of the C library.
 *
 * A descriptor that the program passes may be an evpoll instance or an epoll instance. The library
 * cannot keep a table of them, because a descriptor may be older than the last execve(), come from
 * another process or be made by dup(). Only the kernel knows what it is. So each call goes to the
 * kind of instance that this process created last, at first to evpoll. If the kernel answers that
 * the file is not of this kind, the library repeats the call for the other kind. A program that
 * created all its instances itself, all of one kind, pays for a second call only when its own call
 * is wrong.
 *
 * The only state here is two flags and a pointer. All three are atomic and independent, so none
 * needs an order against the others. preload_uring.c has the records of io_uring's rings.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"
#include "preload.h"

/*
 * Exit status if the library cannot do its work. env(1), nohup(1) and timeout(1) use the same
 * number for their own failures, and so leave the lower ones to the program that they run.
 */
#define EXIT_CANNOT 125

/* The bits that evpoll accepts in a mask. It refuses any other bit, which epoll ignores. */
#define KNOWN_BITS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | 0x20 /* NVAL */ |	\
		    EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG |	\
		    EPOLLRDHUP | EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)

long kernel(long nr, long a, long b, long c, long d, long e, long f)
{
	return LIBC(syscall)(nr, a, b, c, d, e, f);
}

/* The last epoll_create() or epoll_create1() of this process could not open the device. */
static atomic_bool without_device;

/*
 * The device cannot be opened, errno says why. Returns if the program is to continue with epoll;
 * with EVPOLL_PRELOAD_STRICT=1 it ends the process.
 */
static void device_missing(void)
{
	static atomic_bool said;
	const char *strict = getenv("EVPOLL_PRELOAD_STRICT");
	const char *why = strerror(errno);

	/*
	 * Returning an error is not strict enough: a program may then continue with poll(), and its
	 * tests pass without evpoll.
	 */
	if (strict && !strcmp(strict, "1")) {
		dprintf(STDERR_FILENO,
			"libevpoll-preload: %s: %s, and EVPOLL_PRELOAD_STRICT=1 forbids epoll\n",
			EVPOLL_DEVICE, why);
		_exit(EXIT_CANNOT);
	}
	if (!atomic_exchange(&said, true))
		dprintf(STDERR_FILENO, "libevpoll-preload: %s: %s, using epoll instead\n",
			EVPOLL_DEVICE, why);
}

static int create(int flags)
{
	int saved = errno;
	int ep;

	/* open() is a cancellation point, which epoll_create1() must not be. */
	ep = kernel(SYS_openat, AT_FDCWD, (long)EVPOLL_DEVICE,
		    O_RDWR | (flags & EPOLL_CLOEXEC ? O_CLOEXEC : 0), 0, 0, 0);
	/* epoll_create1() has these errors too, and would fail for the same reason. */
	if (ep < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return -1;
	if (ep < 0)
		device_missing();
	atomic_store_explicit(&without_device, ep < 0, memory_order_relaxed);
	errno = saved;
	return ep < 0 ? kernel(SYS_epoll_create1, flags, 0, 0, 0, 0, 0) : ep;
}

/* A call on an instance, in two forms: as a system call of epoll and as an ioctl() of evpoll */
struct call {
	int ep;
	unsigned long cmd;	/* for evpoll: ioctl(@ep, @cmd, @arg) */
	void *arg;
	long nr;		/* for epoll: the system call's number */
	long args[5];		/* its arguments after @ep */
};

static int ask(const struct call *call, bool evpoll)
{
	const long *args = call->args;

	if (evpoll)
		return ioctl(call->ep, call->cmd, call->arg);
	return kernel(call->nr, call->ep, args[0], args[1], args[2], args[3], args[4]);
}

static int ask_either(const struct call *call)
{
	bool evpoll = !atomic_load_explicit(&without_device, memory_order_relaxed);
	int saved = errno;
	int n = ask(call, evpoll);

	/*
	 * The other kind of instance: other files fail evpoll's ioctl() with ENOTTY, and epoll's
	 * calls fail on other files with EINVAL. Since Linux 6.9, an epoll instance fails unknown
	 * ioctls with EINVAL. EBADF of an ioctl() is not the last word, because epoll may check
	 * another argument before the descriptor.
	 */
	if (n != -1 || (errno != ENOTTY && errno != EINVAL && !(evpoll && errno == EBADF)))
		return n;
	errno = saved;
	n = ask(call, !evpoll);
	/* No instance of evpoll: epoll's error stands, which was EINVAL if epoll came first. */
	if (n == -1 && !evpoll && (errno == ENOTTY || errno == EBADF))
		errno = EINVAL;
	return n;
}

static int change(int ep, int op, int fd, struct epoll_event *event)
{
	struct evpoll_ctl ctl = { .op = op, .fd = fd };
	struct call call = {
		.ep = ep,
		.cmd = EVPOLL_IOC_CTL,
		.arg = &ctl,
		.nr = SYS_epoll_ctl,
		.args = { op, fd, (long)event },
	};

	if (op != EPOLL_CTL_DEL) {
		if (!event) {
			errno = EFAULT;
			return -1;
		}
		ctl.events = event->events & KNOWN_BITS;
		/*
		 * With EPOLLEXCLUSIVE epoll does not ignore unknown bits: it accepts a few bits and
		 * fails with EINVAL for any other. EPOLLPRI makes evpoll fail in the same way.
		 */
		if (event->events & EPOLLEXCLUSIVE && event->events & ~KNOWN_BITS)
			ctl.events |= EPOLLPRI;
		ctl.data = event->data.u64;
	}
	return ask_either(&call);
}

static int wait_for(int ep, struct epoll_event *events, int maxevents,
		    const struct __kernel_timespec *timeout, const void *sigmask, size_t sigsetsize)
{
	struct evpoll_wait wait = wait_of(events, maxevents, timeout, sigmask, sigsetsize);
	struct call call = {
		.ep = ep,
		.cmd = EVPOLL_IOC_WAIT,
		.arg = &wait,
		.nr = SYS_epoll_pwait2,
		.args = { (long)events, maxevents, (long)timeout, (long)sigmask, sigsetsize },
	};

	return ask_either(&call);
}

/* A cancellation point, as epoll_wait() of the C library. See evpoll_call_wait(). */
static int wait_cancellable(int ep, struct epoll_event *events, int maxevents,
			    const struct __kernel_timespec *timeout, const sigset_t *sigmask)
{
	int type, n;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	n = wait_for(ep, events, maxevents, timeout, sigmask, SIGMASK_SIZE);
	pthread_setcanceltype(type, &type);
	return n;
}

EXPORT int epoll_create1(int flags)
{
	if (flags & ~EPOLL_CLOEXEC) {
		errno = EINVAL;
		return -1;
	}
	return create(flags);
}

EXPORT int epoll_create(int size)
{
	if (size <= 0) {
		errno = EINVAL;
		return -1;
	}
	return create(0);
}

EXPORT int epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
	return change(ep, op, fd, event);
}

EXPORT int epoll_pwait(int ep, struct epoll_event *events, int maxevents, int timeout,
		       const sigset_t *sigmask)
{
	struct __kernel_timespec ts;

	return wait_cancellable(ep, events, maxevents, timeout_of_ms(&ts, timeout), sigmask);
}

EXPORT int epoll_wait(int ep, struct epoll_event *events, int maxevents, int timeout)
{
	return epoll_pwait(ep, events, maxevents, timeout, NULL);
}

EXPORT int epoll_pwait2(int ep, struct epoll_event *events, int maxevents,
			const struct timespec *timeout, const sigset_t *sigmask)
{
	struct __kernel_timespec ts;

	return wait_cancellable(ep, events, maxevents, timeout_of(&ts, timeout), sigmask);
}

#ifdef HAVE_TIME64
/* In a program with _TIME_BITS=64, glibc's epoll_pwait2() has this name. */
EXPORT int __epoll_pwait2_time64(int ep, struct epoll_event *events, int maxevents,
				 const struct __kernel_timespec *timeout, const sigset_t *sigmask);
EXPORT int __epoll_pwait2_time64(int ep, struct epoll_event *events, int maxevents,
				 const struct __kernel_timespec *timeout, const sigset_t *sigmask)
{
	return wait_cancellable(ep, events, maxevents, timeout, sigmask);
}
#endif

/*
 * Some programs and runtimes make epoll's calls by syscall(), because their C library has no
 * function for them. As in the C library, this is not a cancellation point. It reads six arguments,
 * even if the call has fewer, because only the kernel knows how many a call has.
 */
EXPORT long syscall(long nr, ...)
{
	struct __kernel_timespec ts;
	long arg[6];
	va_list ap;
	int i;

	va_start(ap, nr);
	for (i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);

	switch (nr) {
#ifdef SYS_epoll_create
	case SYS_epoll_create:
		return epoll_create(arg[0]);
#endif
	case SYS_epoll_create1:
		return epoll_create1(arg[0]);
	case SYS_epoll_ctl:
		return change(arg[0], arg[1], arg[2], (struct epoll_event *)arg[3]);
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
		return wait_for(arg[0], (struct epoll_event *)arg[1], arg[2],
				timeout_of_ms(&ts, arg[3]), NULL, 0);
#endif
	case SYS_epoll_pwait:
		return wait_for(arg[0], (struct epoll_event *)arg[1], arg[2],
				timeout_of_ms(&ts, arg[3]), (void *)arg[4], arg[5]);
	case SYS_epoll_pwait2:
		return wait_for(arg[0], (struct epoll_event *)arg[1], arg[2],
				(struct __kernel_timespec *)arg[3], (void *)arg[4], arg[5]);
	case SYS_io_uring_setup:
		return uring_setup(arg[0], (struct io_uring_params *)arg[1]);
	case SYS_io_uring_enter:
		uring_before_enter(arg[0], arg[1], arg[3]);
		break;
	}
	return kernel(nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
