/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ctlv.c: many changes in one call.
 */
#ifndef EVPOLL_CTLV_H
#define EVPOLL_CTLV_H

#include "evpoll.h"

/*
 * Tries all changes, and writes to @to how many were tried and how many failed. Returns how many
 * failed, or an error.
 */
long evpoll_ctlv(struct file *file, struct evpoll_ctlv *ctlv, struct evpoll_ctlv __user *to);

/* @nr is at most INT_MAX, so that a number of failed changes cannot look like an error. */
static inline bool evpoll_ctlv_is_wrong(const struct evpoll_ctlv *ctlv)
{
	return ctlv->reserved || ctlv->nr > INT_MAX;
}

#endif /* EVPOLL_CTLV_H */
