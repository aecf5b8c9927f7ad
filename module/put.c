// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes an event to an iov_iter: the segments of readv(2), or a buffer that io_uring has pinned.
 */
#include <linux/string.h>
#include <linux/uio.h>

#include "put.h"

bool evpoll_put_event_iter(struct iov_iter *iter, __poll_t revents, u64 data)
{
	struct epoll_event event;
	size_t n;

	/* On some architectures the structure has a gap. */
	memset(&event, 0, sizeof(event));
	event.events = revents;
	event.data = data;
	n = copy_to_iter(&event, sizeof(event), iter);
	if (n == sizeof(event))
		return true;
	iov_iter_revert(iter, n);
	return false;
}
