// SPDX-License-Identifier: MIT
/*
 * libevpoll-preload: with LD_PRELOAD, the epoll instances of a program are evpoll's.
 *
 * Whether a descriptor is an evpoll instance or an epoll one, only the kernel knows for sure: it
 * may come from before an exec, from another process or a dup(). So there is no table here. A call
 * goes to the kind that this process made last, and if the kernel says that the file is not of
 * that kind, to the other. A program that has made its instances itself pays for a second call
 * only where its own was wrong.
 *
 * All state is two flags and a pointer, each atomic and of no order to each other.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
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

#define EXPORT __attribute__((visibility("default")))

/*
 * As a wrapper that cannot do its work: see env(1), nohup(1) and timeout(1), whose program is the
 * one to choose all other numbers.
 */
#define EXIT_CANNOT 125

/* What a mask may hold. epoll ignores any other bit, evpoll refuses it. */
#define KNOWN_BITS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | 0x20 /* NVAL */ |	\
		    EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG |	\
		    EPOLLRDHUP | EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)

typedef long (*syscall_fn)(long nr, ...);

/* The system call that is not looked at: the C library's syscall(), which hides behind ours. */
static long kernel(long nr, long a, long b, long c, long d, long e, long f)
{
	static _Atomic(syscall_fn) libc_syscall;
	syscall_fn fn = atomic_load_explicit(&libc_syscall, memory_order_relaxed);

	if (!fn) {
		fn = (syscall_fn)dlsym(RTLD_NEXT, "syscall");
		atomic_store_explicit(&libc_syscall, fn, memory_order_relaxed);
	}
	return fn(nr, a, b, c, d, e, f);
}

/* This process's last epoll_create() found no device. */
static atomic_bool without_device;

/* errno says why the device cannot be opened. Returns if epoll is to do. */
static void device_missing(void)
{
	static atomic_bool said;
	const char *strict = getenv("EVPOLL_PRELOAD_STRICT");
	const char *why = strerror(errno);

	/*
	 * A program that is told by errno may try poll() instead, and a test run would pass
	 * without evpoll.
	 */
	if (strict && !strcmp(strict, "1")) {
		dprintf(STDERR_FILENO, "libevpoll-preload: %s: %s, and epoll is not to do\n",
			EVPOLL_DEVICE, why);
		_exit(EXIT_CANNOT);
	}
	if (!atomic_exchange(&said, true))
		dprintf(STDERR_FILENO, "libevpoll-preload: %s: %s, epoll takes its place\n",
			EVPOLL_DEVICE, why);
}

static int create(int flags)
{
	int saved = errno;
	int ep;

	/* Not open(), which is a cancellation point. */
	ep = kernel(SYS_openat, AT_FDCWD, (long)EVPOLL_DEVICE,
		    O_RDWR | (flags & EPOLL_CLOEXEC ? O_CLOEXEC : 0), 0, 0, 0);
	/* What epoll_create1() fails with, too */
	if (ep < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return -1;
	if (ep < 0)
		device_missing();
	atomic_store_explicit(&without_device, ep < 0, memory_order_relaxed);
	errno = saved;
	return ep < 0 ? kernel(SYS_epoll_create1, flags, 0, 0, 0, 0, 0) : ep;
}

/* One call for either kind of instance. */
struct call {
	int ep;
	unsigned long cmd;	/* evpoll's */
	void *arg;
	long nr;		/* epoll's, its first argument is @ep */
	long args[5];
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

	/* No instance: ENOTTY; EINVAL of epoll, whose files say it to an ioctl too, since 6.9. */
	if (n != -1 || (errno != ENOTTY && errno != EINVAL))
		return n;
	errno = saved;
	n = ask(call, !evpoll);
	/* Of neither kind, which epoll calls EINVAL */
	if (n == -1 && errno == ENOTTY)
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
		/* Here epoll refuses an unknown bit as well, as any that it does not expect. */
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

/* As epoll_wait() of the C library, a cancellation point. */
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
/* What glibc's epoll_pwait2() is called in a program with _TIME_BITS=64 */
EXPORT int __epoll_pwait2_time64(int ep, struct epoll_event *events, int maxevents,
				 const struct __kernel_timespec *timeout, const sigset_t *sigmask);
EXPORT int __epoll_pwait2_time64(int ep, struct epoll_event *events, int maxevents,
				 const struct __kernel_timespec *timeout, const sigset_t *sigmask)
{
	return wait_cancellable(ep, events, maxevents, timeout, sigmask);
}
#endif

/*
 * Programs and runtimes that came before their C library had a function for it use this. No
 * cancellation point. Six arguments are read whatever the call has, as the kernel does.
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
	default:
		return kernel(nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	}
}
