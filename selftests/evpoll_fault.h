/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that the kernel waits for when it writes there: a call stays in the kernel until told. */
#ifndef EVPOLL_FAULT_H
#define EVPOLL_FAULT_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

/* A page that a write to it waits for: returns a userfaultfd, or -1. */
static inline int waiting_page(void **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	*page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)*page;
	reg.range.len = 4096;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return -1;
	return fd;
}

/* Lets go whoever waits for the page. */
static inline int fill_page(int fd, void *page)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, 4096 } };

	return ioctl(fd, UFFDIO_ZEROPAGE, &zero);
}

/* Waits until somebody waits for the page. */
static inline int page_is_wanted(int fd)
{
	struct uffd_msg msg;

	return read(fd, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -1;
}

#endif /* EVPOLL_FAULT_H */
