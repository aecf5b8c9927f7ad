/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differences between the kernels that evpoll supports, 6.1 to 7.3. All other files are written
 * for the newest kernel.
 */
#ifndef EVPOLL_COMPAT_H
#define EVPOLL_COMPAT_H

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/version.h>

/*
 * 6.12 made struct fd opaque (88a2f6468d01). Some older trees have the change as well, so test for
 * the macro and not for the version.
 */
#ifndef fd_file
#define fd_file(f) ((f).file)
#define compat_fd_is_held(f) ((f).flags & FDPUT_FPUT)
#else
#define compat_fd_is_held(f) ((f).word & FDPUT_FPUT)
#endif

/*
 * 6.10 added this macro, and some stable kernels have it too. Without the attribute, a kernel that
 * clears the stack clears these variables too, which costs time and does no harm.
 */
#ifndef __uninitialized
#if __has_attribute(__uninitialized__)
#define __uninitialized __attribute__((__uninitialized__))
#else
#define __uninitialized
#endif
#endif

/*
 * Gets a reference on a file, unless the last one is gone and __fput() is running or will run. The
 * caller knows that the file is still in memory and still the same file. get_file_active() would
 * check that as well, and is not needed. 6.13 changed the type of the counter.
 */
static inline bool compat_file_tryget(struct file *file)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	return file_ref_get(&file->f_ref);
#else
	return atomic_long_inc_not_zero(&file->f_count);
#endif
}

/*
 * A SLAB_TYPESAFE_BY_RCU cache: the memory of a freed object stays an object of this cache for an
 * RCU grace period. From 6.12 on the caller chooses the field that the allocator's pointer may
 * overwrite in a free object. Before, the pointer has space of its own behind the object.
 */
static inline struct kmem_cache *compat_kmem_cache_rcu(const char *name, unsigned int size,
						       unsigned int freeptr_offset,
						       slab_flags_t flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct kmem_cache_args args = {
		.freeptr_offset = freeptr_offset,
		.use_freeptr_offset = true,
	};

	return kmem_cache_create(name, size, &args, flags | SLAB_TYPESAFE_BY_RCU);
#else
	return kmem_cache_create(name, size, 0, flags | SLAB_TYPESAFE_BY_RCU, NULL);
#endif
}

/*
 * 6.10 added alloc_netdev_dummy() (f8cbf6bde4c8), and later kernels accept no other dummy device.
 */
static inline struct net_device *compat_alloc_netdev_dummy(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return alloc_netdev_dummy(0);
#else
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
#endif
}

static inline void compat_free_netdev_dummy(struct net_device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	free_netdev(dev);
#else
	kfree(dev);
#endif
}

/*
 * From 6.2 on a hook reads arguments from ftrace_regs (94d095ffa0e1), if the architecture saves
 * them there for every hook. Elsewhere the hook needs the full registers.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS)
#define COMPAT_FTRACE_OPS_FL_ARGS 0
#define compat_ftrace_argument(fregs, n) ftrace_regs_get_argument(fregs, n)
#else
#define COMPAT_FTRACE_OPS_FL_ARGS FTRACE_OPS_FL_SAVE_REGS
#define compat_ftrace_argument(fregs, n) regs_get_kernel_argument(ftrace_get_regs(fregs), n)
#endif

/*
 * The command in an entry of the submission queue, as a structure of this type. Before 6.5 io_uring
 * hands over a pointer to the command, and later a pointer to the entry. Newer kernels check that
 * the type is not too long.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif
#if defined(io_uring_sqe_cmd)
#define compat_uring_cmd(ioucmd, type) io_uring_sqe_cmd((ioucmd)->sqe, type)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define compat_uring_cmd(ioucmd, type) ((const type *)(ioucmd)->sqe->cmd)
#else
#define compat_uring_cmd(ioucmd, type) ((const type *)(ioucmd)->cmd)
#endif

/* The flags of a command that a program may set. Newer kernels have this macro. */
#ifndef IORING_URING_CMD_MASK
#define IORING_URING_CMD_MASK IORING_URING_CMD_FIXED
#endif

/*
 * What ->uring_cmd returns for the result @ret. Before 6.12 a worker thread of io_uring never
 * completes a command that returns a number above 0, so complete it here.
 */
static inline int compat_uring_result(struct io_uring_cmd *ioucmd, int ret,
				      unsigned int issue_flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	if (ret > 0) {
		io_uring_cmd_done(ioucmd, ret, 0, issue_flags);
		return -EIOCBQUEUED;
	}
#endif
	return ret;
}

/* Changes the flags of a mapping that is being made. 6.3 added vm_flags_mod() (bc292ab00f6c). */
static inline void compat_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
				       unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

/* 6.13 added hrtimer_setup() (908a1d775422). */
static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*function)(struct hrtimer *),
					clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/* Before 6.11 an empty entry ends a sysctl table. Later kernels count the entries. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define COMPAT_SYSCTL_END
#else
#define COMPAT_SYSCTL_END {},
#endif

#endif /* EVPOLL_COMPAT_H */
