// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loader. For a module in use the others go on as they are: it is only unloaded when nobody has
 * an instance, but all else goes on then, closing files that were watched and events for them.
 */
#include "stress.h"

static int load(void)
{
	int fd = open(getenv("EVPOLL_KO") ?: "/evpoll.ko", O_RDONLY | O_CLOEXEC), ret;

	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

/* Until the end: workers that have ended leave instances on their way in the socket. */
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
		/* in vain: it is in use */
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
