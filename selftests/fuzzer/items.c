// SPDX-License-Identifier: GPL-2.0-only
/*
 * The items of an instance: how /proc shows them, and EVPOLL_CTL_FORGET on the side of epoll, which
 * has no such operation.
 */
#include "fuzzer.h"

/* Above all numbers that a program gives to files */
#define SPARE_FD 500

/*
 * Reads the masks and data of the items from fdinfo: of those under @number, or of all with
 * ANY_NUMBER. Returns how many there are. epoll has no EVPOLLROTATE to compare.
 */
int items_read(int ep, int number, struct epoll_event *to)
{
	unsigned long long data;
	char line[256], path[64];
	unsigned int events;
	int fd, n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	f = fopen(path, "re");
	while (f && n < LOOK && fgets(line, sizeof(line), f))
		if (sscanf(line, "tfd: %d events: %x data: %llx", &fd, &events, &data) == 3 &&
		    (number == ANY_NUMBER || fd == number))
			to[n++] = (struct epoll_event){ events & ~EVPOLLROTATE, { .u64 = data } };
	if (f)
		fclose(f);
	return n;
}

/* Gives @number to the file behind @fd. Returns how many items that file had under @number: 0, 1 */
static int delete_as(int ep, int number, int fd)
{
	return dup3(fd, number, O_CLOEXEC) == number &&
	       !epoll_ctl(ep, EPOLL_CTL_DEL, number, NULL);
}

static int delete_files_of_child(const struct child *c, int ep, int number)
{
	int pidfd = syscall(SYS_pidfd_open, c->pid, 0), deleted = 0;

	for (int theirs = 0; theirs < SPARE_FD; theirs++) {
		int fd = syscall(SYS_pidfd_getfd, pidfd, theirs, 0);

		if (fd < 0)
			continue;
		deleted += delete_as(ep, number, fd);
		close(fd);
	}
	close(pidfd);
	return deleted;
}

/* Takes them out of the channel, and sends them again in the same order. */
static int delete_files_in_flight(const struct world *w, int ep, int number)
{
	int fd[FLIGHT], deleted = 0;

	for (int i = 0; i < w->flying; i++)
		fd[i] = recv_fd(w->channel[1]);
	for (int i = 0; i < w->flying; i++) {
		deleted += delete_as(ep, number, fd[i]);
		send_fd(w->channel[0], fd[i]);
		close(fd[i]);
	}
	return deleted;
}

/*
 * Does to an epoll instance what EVPOLL_CTL_FORGET does to its twin. EPOLL_CTL_DEL wants the number
 * of an item to mean its file. So this gives the number to each file that may be watched, deletes
 * the item, and gives the number back in the end. It finds the files in slots, in children and in
 * flight.
 *
 * Returns 0, -ENOENT if there was no item, or -EXDEV if an item is left, because its file is in a
 * channel that only a child has.
 */
int epoll_forget(const struct world *w, int ep, int number)
{
	struct epoll_event ev[LOOK];
	int left = items_read(ep, number, ev), before;

	if (!left)
		return -ENOENT;
	before = fcntl(number, F_DUPFD_CLOEXEC, SPARE_FD);
	left -= !epoll_ctl(ep, EPOLL_CTL_DEL, number, NULL);
	/* From here on the number is in use, so no other file can get it. */
	dup3(w->file, number, O_CLOEXEC);
	for (int i = 0; i < SLOTS && left; i++)
		if (w->slot[i].open && w->slot[i].fd[EPOLL] != number)
			left -= delete_as(ep, number, w->slot[i].fd[EPOLL]);
	for (int i = 0; i < CHILDREN && left; i++)
		if (w->child[i].pid)
			left -= delete_files_of_child(&w->child[i], ep, number);
	if (left)
		left -= delete_files_in_flight(w, ep, number);
	if (before < 0) {
		close(number);
	} else {
		dup3(before, number, O_CLOEXEC);
		close(before);
	}
	return left ? -EXDEV : 0;
}
