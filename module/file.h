/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * References on watched files. compat_file_tryget() in compat.h gets one.
 */
#ifndef EVPOLL_FILE_H
#define EVPOLL_FILE_H

#include <linux/bottom_half.h>
#include <linux/file.h>

/*
 * Drops a reference on a watched file in a task that may sleep before it returns to user space. If
 * it is the last reference, close(2) has come meanwhile. fput() would then leave __fput() to the
 * return to user space, so that the peer of a socket would see the end only after the wait. With
 * bottom halves off, fput() leaves it to a worker.
 */
static inline void evpoll_fput(struct file *file)
{
	local_bh_disable();
	fput(file);
	local_bh_enable();
}

#endif /* EVPOLL_FILE_H */
