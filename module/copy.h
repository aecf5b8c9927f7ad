/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies of small structures from user memory.
 */
#ifndef EVPOLL_COPY_H
#define EVPOLL_COPY_H

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

#endif /* EVPOLL_COPY_H */
