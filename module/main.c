// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading.
 */
#include <linux/module.h>

#include "awake.h"
#include "close.h"
#include "device.h"
#include "item.h"
#include "limits.h"
#include "napi.h"
#include "stats.h"
#include "watched.h"

static int __init evpoll_init(void)
{
	int error;

	error = evpoll_awake_init();
	if (error)
		return error;
	error = evpoll_items_init();
	if (error)
		goto err_awake;
	error = evpoll_limits_init();
	if (error)
		goto err_items;
	error = evpoll_napi_init();
	if (error)
		goto err_limits;
	error = evpoll_watched_init();
	if (error)
		goto err_napi;
	error = evpoll_close_init();
	if (error)
		goto err_watched;
	evpoll_stats_init();
	/* Last, because a program may open the device at once. */
	error = evpoll_device_init();
	if (error)
		goto err_stats;
	return 0;

err_stats:
	evpoll_stats_exit();
	evpoll_close_exit();
err_watched:
	evpoll_watched_exit();
err_napi:
	evpoll_napi_exit();
err_limits:
	evpoll_limits_exit();
err_items:
	evpoll_items_exit();
err_awake:
	evpoll_awake_exit();
	return error;
}

/*
 * No instance is left, because each holds the module. But the code that freed the last ones may
 * still run, so each step waits for those in its part. A timer of a window runs in softirq, so it
 * is over when evpoll_napi_exit() has waited for RCU.
 */
static void __exit evpoll_exit(void)
{
	evpoll_device_exit();
	evpoll_stats_exit();
	evpoll_close_exit();
	evpoll_watched_exit();
	evpoll_napi_exit();
	evpoll_limits_exit();
	evpoll_awake_exit();
	evpoll_items_exit();
}

module_init(evpoll_init);
module_exit(evpoll_exit);

MODULE_DESCRIPTION("eventpoll as a module, with wakeups batched by NAPI");
MODULE_AUTHOR("The evpoll authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(EVPOLL_VERSION);
