// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole module on a kernel that lacks an option which evpoll needs. Kbuild builds this file in
 * place of all others then.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

static int __init evpoll_init(void)
{
	pr_err("this kernel lacks what evpoll needs: %s\n", EVPOLL_LACKS);
	return -EOPNOTSUPP;
}
module_init(evpoll_init);

MODULE_DESCRIPTION("eventpoll as a module: not possible on this kernel");
MODULE_LICENSE("GPL");
