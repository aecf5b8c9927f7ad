// SPDX-License-Identifier: MIT
/*
 * libevpoll. evpoll.h describes each function.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "evpoll.h"
#include "internal.h"

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

int evpoll_create1(int flags)
{
	if (flags & ~EPOLL_CLOEXEC)
		return invalid();
	return open(EVPOLL_DEVICE, O_RDWR | (flags ? O_CLOEXEC : 0));
}

int evpoll_create(int size)
{
	return size > 0 ? evpoll_create1(0) : invalid();
}

int evpoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
	struct evpoll_ctl ctl = { .op = op, .fd = fd };

	if (op != EPOLL_CTL_DEL && op != EVPOLL_CTL_FORGET) {
		if (!event) {
			errno = EFAULT;
			return -1;
		}
		ctl.events = event->events;
		ctl.data = event->data.u64;
	}
	return ioctl(ep, EVPOLL_IOC_CTL, &ctl);
}

/*
 * ioctl() is not a cancellation point, but epoll_wait() is one. So the thread switches to
 * asynchronous cancellation for the system call: a pthread_cancel() then ends it even while it
 * sleeps in the kernel.
 */
int evpoll_call_wait(int ep, struct evpoll_wait *wait, size_t size)
{
	unsigned long cmd = (EVPOLL_IOC_WAIT & ~IOCSIZE_MASK) | size << IOCSIZE_SHIFT;
	int type, n;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	n = ioctl(ep, cmd, wait);
	pthread_setcanceltype(type, &type);
	return n;
}

static int wait_until(int ep, struct epoll_event *events, int maxevents,
		      const struct __kernel_timespec *timeout, const sigset_t *sigmask)
{
	struct evpoll_wait wait = wait_of(events, maxevents, timeout, sigmask, SIGMASK_SIZE);

	return evpoll_call_wait(ep, &wait, sizeof(wait));
}

int evpoll_wait(int ep, struct epoll_event *events, int maxevents, int timeout)
{
	return evpoll_pwait(ep, events, maxevents, timeout, NULL);
}

int evpoll_pwait(int ep, struct epoll_event *events, int maxevents, int timeout,
		 const sigset_t *sigmask)
{
	struct __kernel_timespec ts;

	return wait_until(ep, events, maxevents, timeout_of_ms(&ts, timeout), sigmask);
}

int evpoll_pwait2(int ep, struct epoll_event *events, int maxevents,
		  const struct timespec *timeout, const sigset_t *sigmask)
{
	struct __kernel_timespec ts;

	return wait_until(ep, events, maxevents, timeout_of(&ts, timeout), sigmask);
}

#ifdef HAVE_TIME64
int evpoll_pwait2_time64(int ep, struct epoll_event *events, int maxevents,
			 const struct __kernel_timespec *timeout, const sigset_t *sigmask);
int evpoll_pwait2_time64(int ep, struct epoll_event *events, int maxevents,
			 const struct __kernel_timespec *timeout, const sigset_t *sigmask)
{
	return wait_until(ep, events, maxevents, timeout, sigmask);
}
#endif

int evpoll_ctlv(int ep, struct evpoll_ctl *changes, int nr)
{
	struct evpoll_ctlv ctlv = { .changes = (uintptr_t)changes, .nr = nr };

	return ioctl(ep, EVPOLL_IOC_CTLV, &ctlv);
}

int evpoll_change_wait(int ep, struct evpoll_ctl *changes, int nr, struct epoll_event *events,
		       int maxevents, int timeout, int *failed)
{
	struct __kernel_timespec ts;
	struct evpoll_wait wait = wait_of(events, maxevents, timeout_of_ms(&ts, timeout), NULL, 0);
	int n;

	wait.ctlv.changes = (uintptr_t)changes;
	wait.ctlv.nr = nr;
	n = evpoll_call_wait(ep, &wait, sizeof(wait));
	if (failed)
		*failed = wait.ctlv.failed;
	return n;
}
