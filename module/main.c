// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading, and /dev/evpoll.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/miscdevice.h>
#include <linux/module.h>

#include "evpoll.h"

/* For what must be freed where sleeping is allowed. */
struct workqueue_struct *evpoll_wq;

static struct miscdevice evpoll_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "evpoll",
	.fops = &evpoll_fops,
	.mode = 0666,
};

static int __init evpoll_init(void)
{
	int error;

	evpoll_wq = alloc_workqueue("evpoll", WQ_UNBOUND, 0);
	if (!evpoll_wq)
		return -ENOMEM;
	error = evpoll_items_init();
	if (error)
		goto err_wq;
	error = evpoll_limits_init();
	if (error)
		goto err_items;
	error = evpoll_napi_init();
	if (error)
		goto err_limits;
	error = evpoll_close_init();
	if (error)
		goto err_napi;
	evpoll_stats_init();
	/* Last: an open may come at once. */
	error = misc_register(&evpoll_device);
	if (error)
		goto err_stats;
	return 0;

err_stats:
	evpoll_stats_exit();
	evpoll_close_exit();
err_napi:
	evpoll_napi_exit();
err_limits:
	evpoll_limits_exit();
err_items:
	evpoll_items_exit();
err_wq:
	destroy_workqueue(evpoll_wq);
	return error;
}

/*
 * Nobody has an instance open, or the module would be in use. But a watched file may be in
 * __fput(), not yet at the hook; its item and with it the instance are still there. Once they
 * are gone, each step waits for those who are still in the code it stands for; a timer of a
 * window, as any softirq, is over when evpoll_napi_exit() has waited for RCU.
 */
static void __exit evpoll_exit(void)
{
	misc_deregister(&evpoll_device);
	evpoll_stats_exit();
	evpoll_wait_for_instances();
	evpoll_close_exit();
	evpoll_napi_exit();
	evpoll_limits_exit();
	destroy_workqueue(evpoll_wq);
	evpoll_items_exit();
}

module_init(evpoll_init);
module_exit(evpoll_exit);

MODULE_DESCRIPTION("eventpoll as a module, with wakeups batched by NAPI");
MODULE_AUTHOR("The evpoll authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
