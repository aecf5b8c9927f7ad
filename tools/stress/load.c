// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loader. A module in use cannot be unloaded, so the workers first close all their instances.
 * Their other operations continue during the unload: they close files that were watched, and make
 * events for such files.
 */
#include "stress.h"

static int load(void)
{
	int fd = open(getenv("EVPOLL_KO") ?: "/evpoll.ko", O_RDONLY | O_CLOEXEC), ret;

	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

/* Try until it works: a worker that has ended may have left an instance in flight in the socket. */
static bool unload(void)
{
	long long end = now_ms() + HANG_MS;

	while (syscall(SYS_delete_module, "evpoll", O_NONBLOCK)) {
		if (shared->stop)
			return false;
		if (now_ms() > end) {
			shared->stuck++;
			return false;
		}
		usleep(1000);
	}
	return true;
}

void load_and_unload(uint64_t seed)
{
	uint64_t rnd = seed;

	while (!shared->stop) {
		/* fails if the module is in use */
		syscall(SYS_delete_module, "evpoll", O_NONBLOCK);
		load();
		usleep(500000 + random_below(&rnd, 4000000));
		shared->quiet = true;
		if (unload() && !load())
			shared->loads++;
		shared->quiet = false;
	}
	exit(0);
}
