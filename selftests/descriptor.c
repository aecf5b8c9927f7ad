// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program can ask of an instance's descriptor, apart from events. Each row makes one call
 * on an epoll instance and on an evpoll instance. SAME() expects the same answer. DIFFERS() names
 * the row of README's table "Differences from epoll" that explains the difference. The sweeps find
 * calls that no row thought of, also those of later kernels.
 */
#include "evpoll_uring.h"
#include "evpoll_util.h"

#include <linux/aio_abi.h>
#include <linux/fanotify.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

/* Each call finds the instance at this descriptor, so that its number makes no difference. */
#define FD 100
#define LINK "/proc/self/fd/100"

/* Zeros for each call, at an address that an int can hold. */
#define PAGE ((char *)0x10000)
#define PAGE_BYTES 4096

/* The rows of README's table begin with these words. "make lint" checks that they are there. */
#define ROW_DEVICE	"a character device"
#define ROW_INODE	"fchmod(2), fchown(2), futimens(2), linkat(2)"
#define ROW_OPEN	"open(2) of `/proc/self/fd/N`"
#define ROW_READ	"reading the descriptor"
#define ROW_IOCTL	"unknown ioctls"
#define ROW_CALLS	"epoll's own calls"
#define ROW_BUSY	"busy polling of NICs"
#define ROW_ASYNC	"O_ASYNC, FIOASYNC"
#define ROW_COMMAND	"IORING_OP_URING_CMD"
#define ROW_NAMES	"names in `/proc`"

/* These are newer than the headers of some machines. */
#ifndef EPIOCSPARAMS
#define EPIOCSPARAMS		_IOC(_IOC_WRITE, 0x8a, 1, 8)
#define EPIOCGPARAMS		_IOC(_IOC_READ, 0x8a, 2, 8)
#endif
#define GETFSUUID		_IOC(_IOC_READ, 0x15, 0, 17)
#define OP_EPOLL_WAIT		59	/* of io_uring */
#define OP_URING_CMD128		64

FIXTURE(descriptor) {
	int instance[2];	/* epoll's and evpoll's, by enum mechanism; both have an event */
	int other[2];		/* two more */
	long answer[2];		/* what the call returned, or -errno */
	struct uring u;
	int event;		/* a readable eventfd, which the instances watch */
	int p[2];		/* a pipe */
	int pair[2];		/* a socket pair */
	int file;
	int unused;		/* all descriptors from here on are left by the last call */
};

FIXTURE_SETUP(descriptor)
{
	ASSERT_EQ(PAGE, mmap(PAGE, PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	/* A call may take PAGE for a descriptor, which would make the table large and slow. */
	ASSERT_EQ(0, allow_files(256));
	self->event = eventfd(1, EFD_CLOEXEC);
	ASSERT_EQ(0, pipe2(self->p, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(0, put_byte(self->p[1]));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, self->pair));
	self->file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, uring_open(&self->u)) TH_LOG("io_uring: %s", strerror(errno));
	for (int by = BY_EPOLL; by <= BY_WAIT; by++) {
		self->instance[by] = ep_create(by, O_CLOEXEC);
		self->other[by] = ep_create(by, O_CLOEXEC);
		ASSERT_LE(0, self->other[by]);
		ASSERT_EQ(0, ep_add(by, self->instance[by], self->event, EPOLLIN));
	}
	self->unused = self->other[BY_WAIT] + 1;
	ASSERT_LT(self->unused, FD);
}

/* Descriptors end with the process of the test. */
FIXTURE_TEARDOWN(descriptor)
{
}

/* Puts @instance at FD, and undoes what the last call left. */
static void prepare(int instance, int unused)
{
	close_range(unused, ~0U, 0);
	memset(PAGE, 0, PAGE_BYTES);
	dup2(instance, FD);
	errno = 0;
}

static long or_errno(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* For calls that return a descriptor or another number that tells nothing. */
static long succeeds(long ret)
{
	return ret < 0 ? ret : 0;
}

/* Makes the call on both. @call may use @by. */
#define ASK(call) do {								\
	for (int by = BY_EPOLL; by <= BY_WAIT; by++) {				\
		prepare(self->instance[by], self->unused);			\
		self->answer[by] = or_errno((long)(call));			\
	}									\
} while (0)

#define SAME(call) do {								\
	ASK(call);								\
	EXPECT_EQ(self->answer[BY_EPOLL], self->answer[BY_WAIT]) {		\
		TH_LOG("epoll and evpoll differ: %s", #call);			\
	}									\
} while (0)

/* On some kernels evpoll answers @expected and epoll does not. On the others they are the same. */
#define MAY_DIFFER(row, expected, call) do {					\
	ASK(call);								\
	if (self->answer[BY_EPOLL] != self->answer[BY_WAIT]) {			\
		EXPECT_EQ((long)(expected), self->answer[BY_WAIT]) {		\
			TH_LOG("%s: %s", row, #call);				\
		}								\
	}									\
} while (0)

#define DIFFERS(row, expected, call) do {					\
	MAY_DIFFER(row, expected, call);					\
	EXPECT_NE(self->answer[BY_EPOLL], self->answer[BY_WAIT]) {		\
		TH_LOG("no difference any more (%s): %s", row, #call);		\
	}									\
} while (0)

TEST_F(descriptor, flags)
{
	static const int flags[] = { O_NONBLOCK, O_APPEND, O_DIRECT, O_NOATIME, O_SYNC };

	SAME(fcntl(FD, F_GETFL));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		SAME(fcntl(FD, F_SETFL, flags[i]));
		SAME(fcntl(FD, F_GETFL));
	}
	SAME(fcntl(FD, F_SETFL, O_ASYNC));
	DIFFERS(ROW_ASYNC, O_RDWR | O_ASYNC, fcntl(FD, F_GETFL));
	SAME(fcntl(FD, F_SETFL, 0));
	SAME(fcntl(FD, F_GETFL));
	SAME(ioctl(FD, FIONBIO, &(int){ 1 }) ?: fcntl(FD, F_GETFL));
	SAME(ioctl(FD, FIONBIO, &(int){ 0 }) ?: fcntl(FD, F_GETFL));
	DIFFERS(ROW_ASYNC, 0, ioctl(FD, FIOASYNC, &(int){ 1 }));
	SAME(ioctl(FD, FIOASYNC, &(int){ 0 }));
	SAME(fcntl(FD, F_SETSIG, SIGUSR1) ?: fcntl(FD, F_GETSIG));
	SAME(fcntl(FD, F_SETOWN, getpid()) ?: fcntl(FD, F_GETOWN));
	SAME(fcntl(self->instance[by], F_GETFD));
	SAME(fcntl(FD, F_GETFD));
	SAME(ioctl(FD, FIOCLEX) ?: fcntl(FD, F_GETFD));
	SAME(ioctl(FD, FIONCLEX) ?: fcntl(FD, F_GETFD));
	SAME(fcntl(dup(FD), F_GETFD));
	SAME(fcntl(fcntl(FD, F_DUPFD_CLOEXEC, 0), F_GETFD));
	SAME(send_fd(self->pair[0], FD) ?: fcntl(recv_fd(self->pair[1]), F_GETFL));
}

TEST_F(descriptor, contents)
{
	struct iovec iov = { PAGE, 64 };

	SAME(lseek(FD, 0, SEEK_SET));
	SAME(lseek(FD, -5, SEEK_CUR));
	SAME(lseek(FD, 5, SEEK_END));
	SAME(lseek(FD, 5, SEEK_HOLE));
	SAME(lseek(FD, 5, 77));
	DIFFERS(ROW_READ, sizeof(struct epoll_event), read(FD, PAGE, 64));
	SAME(read(FD, PAGE, 0));
	DIFFERS(ROW_READ, sizeof(struct epoll_event), readv(FD, &iov, 1));
	DIFFERS(ROW_READ, 0, readv(FD, &iov, 0));
	SAME(pread(FD, PAGE, 64, 0));
	SAME(preadv2(FD, &iov, 1, 0, RWF_NOWAIT));
	DIFFERS(ROW_READ, sizeof(struct epoll_event), preadv2(FD, &iov, 1, -1, RWF_NOWAIT));
	DIFFERS(ROW_READ, sizeof(struct epoll_event), preadv2(FD, &iov, 1, -1, RWF_HIPRI));
	SAME(write(FD, PAGE, 64));
	SAME(writev(FD, &iov, 1));
	SAME(pwrite(FD, PAGE, 64, 0));
	SAME(pwritev2(FD, &iov, 1, -1, RWF_APPEND));
	SAME(ftruncate(FD, 0));
	SAME(fallocate(FD, 0, 0, 4096));
	SAME(mmap(NULL, 4096, PROT_READ, MAP_SHARED, FD, 0));
	SAME(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, FD, 0));
	SAME(fsync(FD));
	SAME(fdatasync(FD));
	SAME(sync_file_range(FD, 0, 0, SYNC_FILE_RANGE_WRITE));
	SAME(syncfs(FD));
	SAME(readahead(FD, 0, 4096));
	SAME(posix_fadvise(FD, 0, 0, POSIX_FADV_DONTNEED));
	SAME(splice(FD, NULL, self->p[1], NULL, 64, 0));
	SAME(splice(self->p[0], NULL, FD, NULL, 64, 0));
	SAME(tee(FD, self->p[1], 64, 0));
	SAME(tee(self->p[0], FD, 64, 0));
	SAME(vmsplice(FD, &iov, 1, 0));
	SAME(sendfile(self->p[1], FD, NULL, 64));
	SAME(sendfile(FD, self->file, NULL, 64));
	SAME(copy_file_range(FD, NULL, self->file, NULL, 64, 0));
	SAME(copy_file_range(self->file, NULL, FD, NULL, 64, 0));
	SAME(syscall(SYS_getdents64, FD, PAGE, 4096));
	SAME(fchdir(FD));
}

TEST_F(descriptor, inode)
{
	struct stat *st = (void *)PAGE;
	struct statx *stx = (void *)PAGE;
	struct statfs *fs = (void *)PAGE;

	DIFFERS(ROW_DEVICE, S_IFCHR | 0666, fstat(FD, st) ?: st->st_mode);
	DIFFERS(ROW_DEVICE, 1, fstat(FD, st) ?: !!st->st_rdev);
	DIFFERS(ROW_DEVICE, S_IFCHR | 0666,
		statx(FD, "", AT_EMPTY_PATH, STATX_MODE, stx) ?: stx->stx_mode);
	SAME(fstat(FD, st) ?: st->st_size);
	SAME(fstat(FD, st) ?: st->st_nlink);
	SAME(fstat(FD, st) ?: st->st_uid);
	DIFFERS(ROW_DEVICE, TMPFS_MAGIC, fstatfs(FD, fs) ?: fs->f_type);
	SAME(faccessat(FD, "", R_OK, AT_EMPTY_PATH));
	/* by root: on /dev/evpoll itself; on old kernels, on the inode of all epoll instances */
	MAY_DIFFER(ROW_INODE, 0, fchmod(FD, 0666));
	MAY_DIFFER(ROW_INODE, 0, fchown(FD, 0, 0));
	MAY_DIFFER(ROW_INODE, 0, futimens(FD, NULL));
	SAME(fgetxattr(FD, "user.x", PAGE, 64));
	MAY_DIFFER(ROW_DEVICE, -ENODATA, fgetxattr(FD, "trusted.x", PAGE, 64));
	MAY_DIFFER(ROW_DEVICE, -ENODATA, fgetxattr(FD, "system.posix_acl_access", PAGE, 64));
	SAME(flistxattr(FD, PAGE, 64));
	SAME(fsetxattr(FD, "user.x", "y", 1, 0));
	MAY_DIFFER(ROW_DEVICE, 0, fsetxattr(FD, "trusted.x", "y", 1, 0));
	MAY_DIFFER(ROW_DEVICE, 0, fremovexattr(FD, "trusted.x"));
	DIFFERS(ROW_OPEN, 0, succeeds(open(LINK, O_RDONLY)));
	SAME(succeeds(open(LINK, O_PATH)));
	SAME(linkat(FD, "", AT_FDCWD, "/tmp/link", AT_EMPTY_PATH));
	DIFFERS(ROW_INODE, 0, linkat(FD, "", AT_FDCWD, "/dev/link", AT_EMPTY_PATH) ?:
			      unlink("/dev/link"));
	/* EOVERFLOW: a handle is longer than the 0 bytes at PAGE */
	DIFFERS(ROW_DEVICE, -EOVERFLOW,
		syscall(SYS_name_to_handle_at, FD, "", PAGE, PAGE + 64, AT_EMPTY_PATH));
	SAME(syscall(SYS_execveat, FD, "", NULL, NULL, AT_EMPTY_PATH));
	DIFFERS(ROW_NAMES, strlen("/dev/evpoll"), readlink(LINK, PAGE, 64));
}

TEST_F(descriptor, locks)
{
	SAME(flock(FD, LOCK_EX | LOCK_NB));
	SAME(flock(self->other[by], LOCK_EX | LOCK_NB));
	SAME(flock(FD, LOCK_UN));
	SAME(fcntl(FD, F_SETLK, &(struct flock){ .l_type = F_WRLCK }));
	SAME(fcntl(FD, F_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END }));
	SAME(fcntl(FD, F_SETLK, &(struct flock){ .l_type = F_UNLCK }));
	SAME(fcntl(FD, F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK }));
	SAME(fcntl(self->other[by], F_OFD_SETLK, &(struct flock){ .l_type = F_WRLCK }));
	SAME(fcntl(FD, F_OFD_SETLK, &(struct flock){ .l_type = F_UNLCK }));
	SAME(fcntl(FD, F_SETLEASE, F_RDLCK));
	SAME(fcntl(FD, F_GETLEASE));
	SAME(fcntl(FD, F_NOTIFY, DN_MODIFY));
}

static long add_and_wait(int fd)
{
	struct epoll_event ev = {};
	int ep = epoll_create1(0);

	return ep_add(BY_EPOLL, ep, fd, EPOLLIN) ?: ep_wait(BY_EPOLL, ep, &ev, 1, SOON) - 1 ?:
	       ev.events;
}

static long select_of(int fd)
{
	fd_set in, out, ex;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	out = in;
	ex = in;
	return select(fd + 1, &in, &out, &ex, NULL);
}

/* What fanotify_mark(2) says to a new group. */
static long fanotify(unsigned int init, unsigned int mark, int fd)
{
	int group = syscall(SYS_fanotify_init, init, 0);

	return syscall(SYS_fanotify_mark, group, FAN_MARK_ADD | mark, (uint64_t)FAN_ACCESS, fd,
		       NULL);
}

TEST_F(descriptor, watchers)
{
	struct pollfd pfd = { .fd = FD, .events = 0x7fff };

	SAME(poll(&pfd, 1, 0) - 1 ?: pfd.revents);
	SAME(select_of(FD));
	SAME(add_and_wait(FD));
	SAME(inotify_add_watch(inotify_init1(0), LINK, IN_ALL_EVENTS));
	SAME(fanotify(FAN_CLASS_NOTIF, 0, FD));
	MAY_DIFFER(ROW_DEVICE, 0, fanotify(FAN_REPORT_FID, 0, FD));
	DIFFERS(ROW_DEVICE, 0, fanotify(FAN_CLASS_NOTIF, FAN_MARK_MOUNT, FD));
	DIFFERS(ROW_DEVICE, 0, fanotify(FAN_CLASS_NOTIF, FAN_MARK_FILESYSTEM, FD));
	DIFFERS(ROW_CALLS, -EINVAL, ep_mod(BY_EPOLL, FD, self->event, EPOLLIN));
	DIFFERS(ROW_CALLS, -EINVAL, ep_wait(BY_EPOLL, FD, (void *)PAGE, 1, 0));
}

/* The result of an operation of Linux AIO, or of its submission if that fails. */
static long aio(int op, int fd)
{
	struct iocb iocb = {
		.aio_lio_opcode = op,
		.aio_fildes = fd,
		.aio_buf = op == IOCB_CMD_POLL ? POLLIN : (uintptr_t)PAGE,
		.aio_nbytes = op == IOCB_CMD_PREAD ? 64 : 0,
	};
	struct iocb *one = &iocb;
	struct io_event event = {};
	aio_context_t ctx = 0;
	long ret;

	if (syscall(SYS_io_setup, 1, &ctx))
		return -1;
	ret = syscall(SYS_io_submit, ctx, 1, &one) - 1 ?:
	      syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL) - 1 ?: event.res;
	syscall(SYS_io_destroy, ctx);
	return ret;
}

TEST_F(descriptor, aio)
{
	DIFFERS(ROW_READ, sizeof(struct epoll_event), aio(IOCB_CMD_PREAD, FD));
	SAME(aio(IOCB_CMD_FSYNC, FD));
	SAME(aio(IOCB_CMD_POLL, FD));
}

/* The first result of an operation of io_uring. */
static long uring(struct uring *u, struct io_uring_sqe sqe)
{
	struct io_uring_cqe first, last;
	bool came;

	sqe.fd = FD;
	if (uring_submit(u, &sqe))
		return -1;
	came = uring_wait(u, &first, SOON);
	last = first;
	while (came && last.flags & IORING_CQE_F_MORE)
		came = uring_wait(u, &last, SOON);
	errno = came ? -first.res : ETIME;
	return came ? first.res : -1;
}

TEST_F(descriptor, io_uring)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct io_uring_sqe read = { .opcode = IORING_OP_READ, .addr = (uintptr_t)PAGE, .len = 64 };
	struct io_uring_sqe poll = { .opcode = IORING_OP_POLL_ADD, .poll32_events = POLLIN };
	struct io_uring_sqe wait = {
		.opcode = OP_EPOLL_WAIT, .addr = (uintptr_t)PAGE, .len = 1,
	};
	struct io_uring_sqe command = { .opcode = IORING_OP_URING_CMD };
	struct io_uring_sqe mod = {
		.opcode = IORING_OP_EPOLL_CTL, .len = EPOLL_CTL_MOD, .addr = (uintptr_t)&ev,
		.off = self->event,
	};

	DIFFERS(ROW_READ, sizeof(struct epoll_event), uring(&self->u, read));
	SAME(uring(&self->u, poll));
	DIFFERS(ROW_CALLS, -EINVAL, uring(&self->u, mod));
	MAY_DIFFER(ROW_CALLS, -EINVAL, uring(&self->u, wait));
	DIFFERS(ROW_COMMAND, -ENOTTY, uring(&self->u, command));
}

/* Each operation of io_uring, without arguments. O_NONBLOCK: a write fails and does not wait. */
TEST_F(descriptor, every_io_uring_operation)
{
	for (int op = 0; op < 256; op++) {
		struct io_uring_sqe sqe = { .opcode = op };

		/* A poll without events never completes. */
		if (op == IORING_OP_POLL_ADD)
			continue;
		/* See ROW_READ, ROW_COMMAND. A read of no bytes waits for nothing. */
		if (op == IORING_OP_READ || op == IORING_OP_READV || op == IORING_OP_URING_CMD ||
		    op == OP_URING_CMD128)
			continue;
		ASK(fcntl(FD, F_SETFL, O_NONBLOCK) ?: uring(&self->u, sqe));
		EXPECT_EQ(self->answer[BY_EPOLL], self->answer[BY_WAIT]) {
			TH_LOG("operation %d differs", op);
		}
	}
}

TEST_F(descriptor, every_fcntl)
{
	const long args[] = { 0, (long)PAGE };

	for (int i = 0; i <= 2 * 1100 + 1; i++) {
		ASK(fcntl(FD, i / 2, args[i % 2]));
		EXPECT_EQ(self->answer[BY_EPOLL], self->answer[BY_WAIT]) {
			TH_LOG("fcntl command %d differs", i / 2);
		}
	}
}

/* What differs, apart from the error for a number that nobody knows. */
static const struct {
	unsigned int cmd;
	const char *row;
} known_ioctls[] = {
	{ GETFSUUID,	ROW_DEVICE },	/* the file system of /dev has one */
	{ FICLONERANGE,	ROW_DEVICE },	/* EXDEV in place of EINVAL */
	{ EPIOCSPARAMS,	ROW_BUSY },
	{ EPIOCGPARAMS,	ROW_BUSY },
};

/* True if @cmd differs, and no row says so. @unknown: what both answer to an unknown ioctl */
static bool ioctl_differs(FIXTURE_DATA(descriptor) *self, unsigned int cmd, const long *unknown)
{
	char out[2][256];

	if (_IOC_TYPE(cmd) == EVPOLL_IOC_MAGIC)
		return false;
	for (int by = BY_EPOLL; by <= BY_WAIT; by++) {
		prepare(self->instance[by], self->unused);
		self->answer[by] = or_errno(ioctl(FD, cmd, PAGE));
		memcpy(out[by], PAGE, sizeof(out[by]));
	}
	if (!memcmp(self->answer, unknown, sizeof(self->answer)) ||
	    (self->answer[BY_EPOLL] == self->answer[BY_WAIT] &&
	     !memcmp(out[BY_EPOLL], out[BY_WAIT], sizeof(out[0]))))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(known_ioctls); i++)
		if (known_ioctls[i].cmd == cmd)
			return false;
	ksft_print_msg("ioctl %#x: epoll %ld, evpoll %ld, or its result differs\n", cmd,
		       self->answer[BY_EPOLL], self->answer[BY_WAIT]);
	return true;
}

/* Each number without a size; and the types of the kernel, with the sizes of its structures. */
TEST_F(descriptor, every_ioctl)
{
	static const unsigned char types[] = { 'f', 'X', 'T', 'F', 0x12, 0x15, 0x89, 0x8a, 0x94 };
	static const int sizes[] = { 4, 8, 17, 24, 28, 32, 129 };
	long unknown[2];
	int differ = 0;

	MAY_DIFFER(ROW_IOCTL, -ENOTTY, ioctl(FD, 0xdeadbeef, PAGE));
	memcpy(unknown, self->answer, sizeof(unknown));
	for (unsigned int cmd = 0; cmd <= 0xffff; cmd++)
		differ += ioctl_differs(self, cmd, unknown);
	for (size_t t = 0; t < ARRAY_SIZE(types); t++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			for (int i = 0; i < 4 * 256; i++)
				differ += ioctl_differs(self, _IOC(i >> 8, types[t], i & 255,
								   sizes[s]), unknown);
	EXPECT_EQ(0, differ);
}

#define CALLS 600	/* more than any kernel has */

/* What a child has seen of the system calls. It shares this with the test. */
struct calls {
	int nr;			/* the one to make next */
	int answer[CALLS];	/* 0 or -errno, or the status of a child that the call ended */
};

/* System calls that the sweep leaves out. */
static const int left_out[] = {
	/* they sleep, or come back in two processes */
	SYS_clone, SYS_ppoll, SYS_pselect6, SYS_rt_sigreturn, SYS_rt_sigsuspend,
#ifdef SYS_fork
	SYS_alarm, SYS_fork, SYS_pause, SYS_select, SYS_vfork,
#endif
	/* they change the machine, or what the child may do */
	SYS_reboot, SYS_setfsgid, SYS_setfsuid, SYS_setgid, SYS_setregid, SYS_setresgid,
	SYS_setresuid, SYS_setreuid, SYS_setuid, SYS_vhangup,
	/* they would leave /dev/evpoll without its mode or owner; the rows above have them */
	SYS_fchmod, SYS_fchown,
};

static const struct {
	int nr;
	const char *row;
} known_calls[] = {
	{ SYS_read,		ROW_READ },
	{ SYS_readv,		ROW_READ },
	{ SYS_ioctl,		ROW_IOCTL },
	{ SYS_utimensat,	ROW_INODE },
#ifdef SYS_epoll_wait
	{ SYS_epoll_wait,	ROW_CALLS },
	{ SYS_futimesat,	ROW_INODE },
#endif
};

static bool is_left_out(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
		if (left_out[i] == nr)
			return true;
	return false;
}

static bool is_known(int nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_calls); i++)
		if (known_calls[i].nr == nr)
			return true;
	return false;
}

/* Makes the calls from @c->nr on. */
static void make_calls(struct calls *c, int instance, long arg)
{
	int null = open("/dev/null", O_RDWR);

	for (; c->nr < CALLS; c->nr++) {
		if (is_left_out(c->nr))
			continue;
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		prepare(instance, FD);
		alarm(SOON / 1000);	/* a call of a later kernel may sleep */
		c->answer[c->nr] = succeeds(or_errno(syscall(c->nr, FD, arg, arg, arg, arg, arg)));
	}
}

/* Makes all calls in children, because a call may end the process. */
static struct calls *all_calls(int instance, long arg)
{
	struct calls *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	for (; c != MAP_FAILED && c->nr < CALLS; c->nr++) {
		pid = fork();
		if (!pid) {
			make_calls(c, instance, arg);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return MAP_FAILED;
		if (c->nr < CALLS)
			c->answer[c->nr] = status;
	}
	return c;
}

/* Each system call with the descriptor first, and then with zeros or with pointers to zeros. */
TEST_F(descriptor, every_system_call)
{
	const long args[] = { 0, (long)PAGE };
	struct calls *c[2];

	for (int i = 0; i < 2; i++) {
		for (int by = BY_EPOLL; by <= BY_WAIT; by++) {
			c[by] = all_calls(self->instance[by], args[i]);
			ASSERT_NE(MAP_FAILED, c[by]);
		}
		EXPECT_EQ(-EINVAL, c[BY_WAIT]->answer[SYS_write]);	/* they were made */
		for (int nr = 0; nr < CALLS; nr++) {
			if (is_known(nr))
				continue;
			EXPECT_EQ(c[BY_EPOLL]->answer[nr], c[BY_WAIT]->answer[nr]) {
				TH_LOG("system call %d differs, arguments %#lx", nr, args[i]);
			}
		}
	}
}

TEST_HARNESS_MAIN
