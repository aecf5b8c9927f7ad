// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of an instance: each reads its structure from user memory and calls the stage that
 * does the work.
 */
#include <linux/uaccess.h>

#include "compat.h"
#include "copy.h"
#include "ctl.h"
#include "ctlv.h"
#include "ioctl.h"
#include "moderate.h"
#include "ring.h"
#include "stats.h"
#include "wait.h"

/*
 * One function per ioctl. They are noinline, so that each call needs only the stack of its own
 * structure. The structures are __uninitialized, because evpoll_copy_arg() fills them or fails.
 */
static noinline long evpoll_set_params(struct evpoll *ep, unsigned int cmd, const void __user *arg)
{
	struct evpoll_params params __uninitialized;
	int error;

	error = evpoll_copy_arg(&params, sizeof(params), cmd, arg);
	return error ?: evpoll_params_set(ep, &params);
}

/*
 * Writes a structure, and zeroes the rest of the caller's structure if that is longer. An older
 * caller gets the fields that it knows. @oldest: size of the structure in the first version
 */
static long evpoll_copy_result(void __user *arg, unsigned int cmd, const void *from, size_t size,
			       size_t oldest)
{
	size_t known = min_t(size_t, _IOC_SIZE(cmd), size);

	if (known < oldest)
		return -EINVAL;
	if (copy_to_user(arg, from, known) || clear_user(arg + known, _IOC_SIZE(cmd) - known))
		return -EFAULT;
	return 0;
}

static noinline long evpoll_get_params(struct evpoll *ep, unsigned int cmd, void __user *arg)
{
	struct evpoll_params params;

	mutex_lock(&ep->mtx);
	params = ep->params;
	mutex_unlock(&ep->mtx);
	return evpoll_copy_result(arg, cmd, &params, sizeof(params), sizeof(params));
}

static noinline long evpoll_get_stats(struct evpoll *ep, unsigned int cmd, void __user *arg)
{
	struct evpoll_stats stats;

	evpoll_stats_sum(ep, &stats);
	return evpoll_copy_result(arg, cmd, &stats, sizeof(stats),
				  offsetof(struct evpoll_stats, published));
}

static noinline long evpoll_ioctl_ctl(struct file *file, unsigned int cmd,
				      const void __user *arg)
{
	struct evpoll_ctl ctl __uninitialized;
	int error;

	error = evpoll_copy_arg(&ctl, sizeof(ctl), cmd, arg);
	if (error)
		return error;
	return ctl.result ? -EINVAL : evpoll_ctl(file, &ctl);
}

static noinline long evpoll_ioctl_ctlv(struct file *file, unsigned int cmd, void __user *arg)
{
	struct evpoll_ctlv ctlv __uninitialized;
	int error;

	error = evpoll_copy_arg(&ctlv, sizeof(ctlv), cmd, arg);
	if (error)
		return error;
	return evpoll_ctlv_is_wrong(&ctlv) ? -EINVAL : evpoll_ctlv(file, &ctlv, arg);
}

static noinline long evpoll_ioctl_ring(struct evpoll *ep, unsigned int cmd, void __user *arg)
{
	struct evpoll_ring_setup setup __uninitialized;
	long error;

	error = evpoll_copy_arg(&setup, sizeof(setup), cmd, arg);
	if (error)
		return error;
	error = evpoll_ring_create(ep, &setup);
	/* After EFAULT the instance has the ring, and a second call fails with EEXIST. */
	return error ?: copy_to_user(arg, &setup, sizeof(setup)) ? -EFAULT : 0;
}

static noinline long evpoll_ioctl_wait(struct file *file, unsigned int cmd, void __user *arg)
{
	struct evpoll_wait wait __uninitialized;
	int error;

	error = evpoll_copy_arg(&wait, sizeof(wait), cmd, arg);
	return error ?: evpoll_wait(file, &wait, arg);
}

long evpoll_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct evpoll *ep = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (EVPOLL_IOC_NR(cmd)) {
	case EVPOLL_IOC_NR(EVPOLL_IOC_CTL):
		return evpoll_ioctl_ctl(file, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_WAIT):
		return evpoll_ioctl_wait(file, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_CTLV):
		return evpoll_ioctl_ctlv(file, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_RING):
		return evpoll_ioctl_ring(ep, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_SET_PARAMS):
		return evpoll_set_params(ep, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_GET_PARAMS):
		return evpoll_get_params(ep, cmd, uarg);
	case EVPOLL_IOC_NR(EVPOLL_IOC_GET_STATS):
		return evpoll_get_stats(ep, cmd, uarg);
	default:
		return -ENOTTY;
	}
}
