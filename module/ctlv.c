// SPDX-License-Identifier: GPL-2.0-only
/*
 * EVPOLL_IOC_CTLV, and the changes of EVPOLL_IOC_WAIT: many changes in one call.
 */
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "copy.h"
#include "ctl.h"
#include "ctlv.h"

/*
 * Tries the next change. It counts as tried even if its result cannot be written afterwards,
 * because it may have taken effect.
 */
static int evpoll_ctlv_next(struct file *file, struct evpoll_ctlv *ctlv)
{
	struct evpoll_ctl __user *from = u64_to_user_ptr(ctlv->changes);
	struct evpoll_ctl change;

	from += ctlv->done;
	if (evpoll_copy_words(&change, from, sizeof(change)))
		return -EFAULT;
	change.result = evpoll_ctl_one(file, &change, false);
	ctlv->done++;
	ctlv->failed += change.result != 0;
	return put_user(change.result, &from->result);
}

/* Changes between two checks for a signal: a caller with a short list need not care for signals. */
#define EVPOLL_CTLV_UNINTERRUPTED 64

long evpoll_ctlv(struct file *file, struct evpoll_ctlv *ctlv, struct evpoll_ctlv __user *to)
{
	int error = 0;

	ctlv->done = 0;
	ctlv->failed = 0;
	while (ctlv->done < ctlv->nr && !error) {
		error = evpoll_ctlv_next(file, ctlv);
		if (ctlv->done % EVPOLL_CTLV_UNINTERRUPTED)
			continue;
		cond_resched();
		/* Any signal ends the call, so that a stop, a freeze or ptrace need not wait. */
		if (!error && ctlv->done < ctlv->nr && signal_pending(current))
			error = -EINTR;
	}
	if (put_user(ctlv->done, &to->done) || put_user(ctlv->failed, &to->failed))
		return -EFAULT;
	if (error)
		return error;
	return ctlv->failed;
}
