/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies of small structures from user memory, also those whose size is part of an ioctl number.
 */
#ifndef EVPOLL_COPY_H
#define EVPOLL_COPY_H

#include <linux/ioctl.h>
#include <linux/uaccess.h>

/*
 * Reads @size bytes, a constant, word by word. For a structure of a few words this is done before
 * the string instruction of copy_from_user() would have started. @from need not be aligned.
 */
static __always_inline int evpoll_copy_words(void *to, const void __user *from, size_t size)
{
	const u64 __user *word = from;
	u64 *out = to;
	int i;

	BUILD_BUG_ON(size % sizeof(*word));
	if (!IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS))
		return copy_from_user(to, from, size) ? -EFAULT : 0;
	if (!user_read_access_begin(from, size))
		return -EFAULT;
#pragma GCC unroll 16
	for (i = 0; i < size / sizeof(*word); i++)
		unsafe_get_user(out[i], &word[i], efault);
	user_read_access_end();
	return 0;

efault:
	user_read_access_end();
	return -EFAULT;
}

/* An ioctl number without the size of its structure. */
#define EVPOLL_IOC_NR(cmd) ((cmd) & ~IOCSIZE_MASK)

/*
 * Reads a structure, whose size is part of @cmd. The caller's structure may be longer than the
 * module's, if the rest is zero; see uapi/linux/evpoll.h.
 */
static __always_inline int evpoll_copy_arg(void *to, size_t size, unsigned int cmd,
					   const void __user *arg)
{
	if (_IOC_SIZE(cmd) == size)
		return evpoll_copy_words(to, arg, size);
	if (_IOC_SIZE(cmd) < size)
		return -EINVAL;
	return copy_struct_from_user(to, size, arg, _IOC_SIZE(cmd));
}

#endif /* EVPOLL_COPY_H */
