/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls with wrong arguments. Each call is made twice: by a function under test, on the kind of
 * instance that is under test, and by the kernel's own system call, on an epoll instance. Both must
 * have the same result. This also tests in which order the arguments are checked, which differs
 * between kernels.
 */
#ifndef EPOLL_ERRORS_H
#define EPOLL_ERRORS_H

#include "../../selftests/evpoll_expect.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/time_types.h>

#define ARGS 6

/* A value of an argument. The first value of a list is right. A list ends with {}. */
struct value {
	const char *name;
	long value;
};

#define V(x) { #x, (long)(x) }

/* Descriptors. INSTANCE stands for the instance, which each call gets anew. */
enum {
	INSTANCE = -12345,
	READY = 100,	/* an eventfd that is readable, watched by the instance */
	IDLE,		/* an eventfd that is not readable, not watched */
	PIPE,
	FILE_FD,
	FOLDER,
	PATH,		/* opened with O_PATH */
	CLOSED,
};

#define PAGE 4096

/* A page that can be written, one that can be read, one that cannot be read either */
static char pages[3 * PAGE] __attribute__((aligned(PAGE)));

#define BUFFER pages
#define READ_ONLY (pages + PAGE)
#define ACROSS_THE_BORDER (pages + PAGE - 4)
#define NO_ACCESS (pages + 2 * PAGE)
#define NEAR_NULL 8
#define IN_THE_KERNEL (-PAGE)

/* EP_MAX_EVENTS in fs/eventpoll.c */
#define MAX_EVENTS (INT_MAX / sizeof(struct epoll_event))

static const struct value instances[] = {
	V(INSTANCE), V(-1), V(CLOSED), V(PIPE), V(FILE_FD), V(FOLDER), V(PATH), V(READY), {}
};

static const struct value buffers[] = {
	V(BUFFER), V(NULL), V(NEAR_NULL), V(READ_ONLY), V(ACROSS_THE_BORDER), V(NO_ACCESS),
	V(IN_THE_KERNEL), {}
};

static const struct value maxevents[] = {
	V(1), V(0), V(-1), V(INT_MIN), V(MAX_EVENTS), V(MAX_EVENTS + 1), V(INT_MAX), {}
};

static const struct value timeouts[] = { V(0), V(-1), V(INT_MIN), V(INT_MAX), {} };

#define TIME(name, sec, nsec) static const struct __kernel_timespec name = { sec, nsec }
TIME(zero, 0, 0);
TIME(far, INT64_MAX, 999999999);
TIME(nsec_is_1e9, 0, 1000000000);
TIME(sec_is_negative, -1, 0);
TIME(nsec_is_negative, 0, -1);

static const struct value times[] = {
	V(&zero), V(NULL), V(&nsec_is_1e9), V(&sec_is_negative), V(&nsec_is_negative), V(&far),
	V(NEAR_NULL), V(NO_ACCESS), V(IN_THE_KERNEL), {}
};

/* Without times that need 64 bits, and without pointers that a library must not read */
static const struct value times32[] = {
	V(&zero), V(NULL), V(&nsec_is_1e9), V(&sec_is_negative), V(&nsec_is_negative), {}
};

/* The times for a function that takes the program's struct timespec */
#define SAME_TIMESPEC (sizeof(struct timespec) == sizeof(struct __kernel_timespec))
#define PROGRAM_TIMES (SAME_TIMESPEC ? times : times32)

static inline const struct timespec *program_time(long arg)
{
	const struct __kernel_timespec *from = (void *)arg;
	static struct timespec ts;

	if (SAME_TIMESPEC || !from)
		return (const struct timespec *)from;
	ts.tv_sec = from->tv_sec;
	ts.tv_nsec = from->tv_nsec;
	return &ts;
}

static const sigset_t mask;
static const struct value masks[] = {
	V(&mask), V(NULL), V(NEAR_NULL), V(NO_ACCESS), V(IN_THE_KERNEL), {}
};

#define MASK_SIZE (_NSIG / 8)
static const struct value mask_size[] = { V(MASK_SIZE), {} };	/* what the C library passes */
static const struct value mask_sizes[] = {
	V(MASK_SIZE), V(0), V(MASK_SIZE / 2), V(2 * MASK_SIZE), V(sizeof(sigset_t)), V(-1),
#if __SIZEOF_LONG__ == 8
	V(1L << 32 | MASK_SIZE),
#endif
	{}
};

static const struct value sizes[] = { V(1), V(INT_MAX), V(0), V(-1), V(INT_MIN), {} };
static const struct value flags[] = {
	V(0), V(EPOLL_CLOEXEC), V(O_NONBLOCK), V(EPOLL_CLOEXEC | O_NONBLOCK), V(1), V(-1), {}
};

static const struct value ops[] = {
	V(EPOLL_CTL_ADD), V(EPOLL_CTL_MOD), V(EPOLL_CTL_DEL), V(0), V(4), V(-1), {}
};

/* Without an epoll instance, because evpoll cannot watch one */
static const struct value targets[] = {
	V(IDLE), V(READY), V(INSTANCE), V(-1), V(CLOSED), V(PIPE), V(FILE_FD), V(FOLDER), V(PATH),
	{}
};

#define EVENT(name, mask) static const struct epoll_event name = { .events = mask }
EVENT(in, EPOLLIN);
EVENT(nothing, 0);
EVENT(exclusive, EPOLLIN | EPOLLEXCLUSIVE);
EVENT(exclusive_oneshot, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT);
EVENT(unknown, EPOLLIN | 1 << 20);
EVENT(exclusive_unknown, EPOLLIN | EPOLLEXCLUSIVE | 1 << 20);

/*
 * Without bad pointers other than NULL, because the libraries read the event, and without unknown
 * bits, which evpoll refuses
 */
static const struct value known_events[] = {
	V(&in), V(&nothing), V(&exclusive), V(&exclusive_oneshot), V(NULL), {}
};

/* The preload library makes evpoll ignore unknown bits. */
static const struct value events[] = {
	V(&in), V(&nothing), V(&exclusive), V(&exclusive_oneshot), V(NULL), V(&unknown),
	V(&exclusive_unknown), {}
};

/*
 * A function under test (NULL: syscall()), the system call that does the same, and the values of
 * each argument
 */
struct way {
	const char *name;
	long (*call)(const long *args);
	long nr;
	const struct value *values[ARGS];
};

/* What is under test: how to make an instance, and how to add a file to it */
struct subject {
	int (*create1)(int flags);
	int (*ctl)(int ep, int op, int fd, struct epoll_event *event);
	/* The errors of a bad instance are those of ioctl(), and come first. */
	bool by_ioctl;
};

/* The C library's syscall(), also where libevpoll-preload replaces it for the program */
static long (*libc_syscall)(long nr, ...);

static long kernel(long nr, const long *args)
{
	return libc_syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
}

static int kernel_create1(int flags)
{
	return kernel(SYS_epoll_create1, (long[ARGS]){ flags });
}

static int kernel_ctl(int ep, int op, int fd, struct epoll_event *event)
{
	return kernel(SYS_epoll_ctl, (long[ARGS]){ ep, op, fd, (long)event });
}

/* Put @fd where the lists have it. */
static int put(int fd, int number)
{
	int ret = fd < 0 ? -1 : dup2(fd, number);

	close(fd);
	return ret == number ? 0 : -1;
}

static int errors_setup(void)
{
	int pipes[2];

	libc_syscall = dlsym(dlopen("libc.so.6", RTLD_LAZY), "syscall");
	return !libc_syscall || pipe(pipes) || put(pipes[0], PIPE) || put(eventfd(1, 0), READY) ||
	       put(eventfd(0, 0), IDLE) || put(open("/proc/self/exe", O_RDONLY), FILE_FD) ||
	       put(open("/", O_RDONLY | O_DIRECTORY), FOLDER) || put(open("/", O_PATH), PATH) ||
	       mprotect(READ_ONLY, PAGE, PROT_READ) || mprotect(NO_ACCESS, PAGE, PROT_NONE);
}

/*
 * Make one call on a new instance, which has an event of READY. Without @subject, make the system
 * call. Return what the call returns, 0 for a new descriptor, or a negative errno.
 */
static long one_call(const struct way *way, const struct subject *subject, const long *values)
{
	int (*ctl)(int, int, int, struct epoll_event *) = subject ? subject->ctl : kernel_ctl;
	int ep = subject ? subject->create1(0) : kernel_create1(0);
	struct epoll_event ev = { .events = EPOLLIN };
	long args[ARGS], n;

	if (ep < 0 || ctl(ep, EPOLL_CTL_ADD, READY, &ev))
		return -EIO;
	for (int i = 0; i < ARGS; i++)
		args[i] = values[i] == INSTANCE ? ep : values[i];
	errno = 0;
	if (!subject)
		n = kernel(way->nr, args);
	else if (way->call)
		n = way->call(args);
	else
		n = syscall(way->nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (n == -1)
		n = -errno;
	close(ep);
	/* A wait returns one event at most, so this is a new descriptor. */
	if (n > 1) {
		close(n);
		n = 0;
	}
	return n;
}

static void print(struct __test_metadata *_metadata, const struct way *way, const int *at,
		  long expected, long got)
{
	char text[256];
	int n = 0;

	for (int i = 0; i < ARGS && way->values[i]; i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
			      way->values[i][at[i]].name);
	TH_LOG("%s(%s): %ld in place of %ld", way->name, text, got, expected);
}

/* Compare all calls in which at most two arguments are not the first of their list. */
static void compare(struct __test_metadata *_metadata, const struct way *way,
		    const struct subject *subject)
{
	int at[ARGS] = {}, i, others, calls = 0, differences = 0;
	long args[ARGS] = {}, expected, got;

	do {
		others = 0;
		for (i = 0; i < ARGS && way->values[i]; i++) {
			args[i] = way->values[i][at[i]].value;
			others += at[i] > 0;
		}
		if (others <= 2) {
			expected = one_call(way, NULL, args);
			got = one_call(way, subject, args);
			calls++;
			if (subject->by_ioctl && args[0] != INSTANCE &&
			    (got == -EBADF || got == -ENOTTY))
				got = expected;
			if (got != expected && differences++ < 10)
				print(_metadata, way, at, expected, got);
		}
		/* Next combination, as an odometer counts */
		for (i = 0; i < ARGS && way->values[i]; i++) {
			if (way->values[i][++at[i]].name)
				break;
			at[i] = 0;
		}
	} while (i < ARGS && way->values[i]);
	EXPECT_EQ(0, differences) {
		TH_LOG("%s: %d of %d calls differ", way->name, differences, calls);
	}
}

#endif /* EPOLL_ERRORS_H */
