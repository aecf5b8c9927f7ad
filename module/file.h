/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * References on watched files. compat_file_tryget() in compat.h gets one.
 */
#ifndef EVPOLL_FILE_H
#define EVPOLL_FILE_H

#include <linux/bottom_half.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/string.h>

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

/*
 * Is this the file of an anonymous inode with this name, such as "[eventpoll]"? The file
 * operations of these files are private to the kernel, so compare the name. Only one place in the
 * kernel uses each name, and user space cannot make such an inode.
 */
static inline bool evpoll_is_anon_file(const struct file *file, const char *name)
{
	const struct qstr *own = &file->f_path.dentry->d_name;

	/* Anonymous inodes are never renamed, so the name can be read without a lock. */
	return file->f_path.mnt->mnt_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       own->len == strlen(name) && !memcmp(own->name, name, own->len);
}

#endif /* EVPOLL_FILE_H */
