// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moderation: an instance collects events before it wakes a waiter. Its parameters say for how long
 * and how many, as those of ethtool -C do for the interrupts of a NIC.
 *
 * With a window, the first event after a flush arms a timer. Events stay pending until the timer
 * fires, or until enough of them have come. Either of them ends the window and flushes. The timer
 * runs in softirq.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/netdevice.h>

#include "compat.h"
#include "flush.h"
#include "instance.h"
#include "moderate.h"
#include "napi.h"
#include "ready.h"
#include "stats.h"
#include "trace.h"

#define EVPOLL_KNOWN_FLAGS (EVPOLL_UNBATCHED | EVPOLL_ADAPTIVE | EVPOLL_LATENCY | EVPOLL_EAGER | \
			    EVPOLL_FIFO)
#define EVPOLL_MAX_WINDOW_US USEC_PER_SEC

/*
 * A window's timer stays on the CPU of its first event, as the timers of NAPI do. Without _PINNED
 * an idle CPU would give it to a busy one. The kernel may then choose a CPU that is going offline
 * and has handed over its timers already, and the window would not end before that CPU is back.
 */
#define EVPOLL_TIMER_REL HRTIMER_MODE_REL_PINNED_SOFT
#define EVPOLL_TIMER_ABS HRTIMER_MODE_ABS_PINNED_SOFT

/* EVPOLL_ADAPTIVE: use the window only if it is expected to collect so many events. */
#define EVPOLL_ADAPTIVE_EVENTS 8

/**
 * struct evpoll_knob - a module parameter, which new instances start with
 * @value: the value; the first field, because param_set_uint_minmax() and param_get_uint() expect
 *	it where kernel_param.arg points
 * @min: smallest value
 * @max: largest value
 */
struct evpoll_knob {
	unsigned int value;
	unsigned int min;
	unsigned int max;
};

static int evpoll_knob_set(const char *value, const struct kernel_param *kp)
{
	const struct evpoll_knob *knob = kp->arg;

	return param_set_uint_minmax(value, kp, knob->min, knob->max);
}

static const struct kernel_param_ops evpoll_knob_ops = {
	.set = evpoll_knob_set,
	.get = param_get_uint,
};

static struct evpoll_knob evpoll_budget = { NAPI_POLL_WEIGHT, 1, NAPI_POLL_WEIGHT };
module_param_cb(budget, &evpoll_knob_ops, &evpoll_budget, 0644);
MODULE_PARM_DESC(budget, "most items that one NAPI poll moves");

static struct evpoll_knob evpoll_usecs = { 0, 0, EVPOLL_MAX_WINDOW_US };
module_param_cb(coalesce_usecs, &evpoll_knob_ops, &evpoll_usecs, 0644);
MODULE_PARM_DESC(coalesce_usecs, "longest delay from an event to the wakeup, in us; 0: no delay");

static struct evpoll_knob evpoll_events = { 0, 0, INT_MAX };
module_param_cb(coalesce_events, &evpoll_knob_ops, &evpoll_events, 0644);
MODULE_PARM_DESC(coalesce_events, "wake at once when so many events are pending; 0: no limit");

static struct evpoll_knob evpoll_flags = { 0, 0, EVPOLL_KNOWN_FLAGS };
module_param_cb(flags, &evpoll_knob_ops, &evpoll_flags, 0644);
MODULE_PARM_DESC(flags, "1: unbatched, 2: adaptive, 4: measure latency, 8: eager, 16: fifo");

int evpoll_params_default(struct evpoll *ep)
{
	struct evpoll_params *params = &ep->params;

	/* Any value that a parameter has had is good. */
	params->budget = READ_ONCE(evpoll_budget.value);
	params->coalesce_usecs = READ_ONCE(evpoll_usecs.value);
	params->coalesce_events = READ_ONCE(evpoll_events.value);
	params->flags = READ_ONCE(evpoll_flags.value);
	return params->flags & EVPOLL_LATENCY ? evpoll_latency_on(ep) : 0;
}

/*
 * Stops the timer. Process context. The caller flushes what is still pending, or drops it.
 */
static void evpoll_disarm(struct evpoll *ep)
{
	if (!hrtimer_cancel(&ep->timer))
		return;
	clear_bit(EVPOLL_ARMED, &ep->state);
	/* Pairs with test_and_set_bit() in evpoll_moderate(), as in evpoll_timer(). */
	smp_mb__after_atomic();
	evpoll_put(ep);
}

long evpoll_params_set(struct evpoll *ep, struct evpoll_params *params)
{
	int error = 0;

	if (!params->budget)
		params->budget = READ_ONCE(evpoll_budget.value);
	if (params->read_timeout_ns > KTIME_MAX || (params->flags & ~EVPOLL_KNOWN_FLAGS) ||
	    params->budget > evpoll_budget.max || params->coalesce_usecs > evpoll_usecs.max ||
	    params->coalesce_events > evpoll_events.max)
		return -EINVAL;

	mutex_lock(&ep->mtx);
	if (params->flags & EVPOLL_LATENCY)
		error = evpoll_latency_on(ep);
	if (error) {
		mutex_unlock(&ep->mtx);
		return error;
	}
	WRITE_ONCE(ep->params.read_timeout_ns, params->read_timeout_ns);
	WRITE_ONCE(ep->params.flags, params->flags);
	WRITE_ONCE(ep->params.budget, params->budget);
	WRITE_ONCE(ep->params.coalesce_usecs, params->coalesce_usecs);
	WRITE_ONCE(ep->params.coalesce_events, params->coalesce_events);
	mutex_unlock(&ep->mtx);
	/*
	 * End a window that was opened with the old parameters. The next event opens a new one,
	 * also if the items that the old one counted have been removed since.
	 */
	evpoll_disarm(ep);
	atomic_set(&ep->window_events, 0);
	evpoll_flush_all(ep, EVPOLL_WAKEUP);
	/* With EVPOLL_EAGER the timer may have been for pollers alone, with nothing pending. */
	evpoll_wake_pollers(ep);
	return 0;
}

/*
 * Updates the average time between events, and returns how long EVPOLL_ADAPTIVE_EVENTS of them
 * take, in ns. Events on several CPUs may overwrite each other's values. That is good enough for an
 * estimate.
 */
static u64 evpoll_adapt(struct evpoll *ep, u64 max_ns)
{
	u64 now = ktime_get_ns();
	u64 gap = min(now - READ_ONCE(ep->event_ns), 2 * max_ns);
	u64 mean = READ_ONCE(ep->gap_ns);

	mean = mean - mean / 8 + gap / 8;
	WRITE_ONCE(ep->event_ns, now);
	WRITE_ONCE(ep->gap_ns, mean);
	return EVPOLL_ADAPTIVE_EVENTS * mean;
}

/* See evpoll_window_ns(). @max_ns: the window that the parameters allow. */
u64 evpoll_window_up_to(struct evpoll *ep, u64 max_ns)
{
	u64 window_ns;

	if (!(READ_ONCE(ep->params.flags) & EVPOLL_ADAPTIVE))
		return max_ns;
	window_ns = evpoll_adapt(ep, max_ns);
	return window_ns > max_ns ? 0 : window_ns;
}

/*
 * Did the timer fire before the end of the current window? A reader's flush ends a window and
 * leaves the timer armed, because stopping it costs more than this check. If a new window has begun
 * since then, the timer fires too early for it.
 */
static bool evpoll_timer_is_early(struct evpoll *ep)
{
	/* Pairs with WRITE_ONCE() in evpoll_moderate(). */
	u64 end = READ_ONCE(ep->window_end);

	if (!evpoll_is_pending(ep) || end <= ktime_get_ns())
		return false;
	hrtimer_set_expires(&ep->timer, ns_to_ktime(end));
	return true;
}

/* The window is over: moves one batch, and leaves the rest to NAPI. In softirq. */
static void evpoll_window_flush(struct evpoll *ep)
{
	unsigned long flags;

	atomic_set(&ep->window_events, 0);
	spin_lock_irqsave(&ep->waiters.lock, flags);
	evpoll_flush_locked(ep, EVPOLL_FLUSH_BATCH, EVPOLL_WAKEUP);
	spin_unlock_irqrestore(&ep->waiters.lock, flags);
	evpoll_wake_pollers(ep);
	if (evpoll_is_pending(ep))
		evpoll_napi_end_window(ep);
}

static enum hrtimer_restart evpoll_timer(struct hrtimer *timer)
{
	struct evpoll *ep = container_of(timer, struct evpoll, timer);

	if (evpoll_timer_is_early(ep))
		return HRTIMER_RESTART;
	clear_bit(EVPOLL_ARMED, &ep->state);
	/*
	 * Pairs with test_and_set_bit() in evpoll_moderate(). Either that function sees the bit
	 * cleared and arms the timer, or the flush below sees its item.
	 */
	smp_mb__after_atomic();
	trace_evpoll_window_end(ep);
	evpoll_count(&ep->timer_flushes, 1);
	evpoll_window_flush(ep);
	evpoll_put(ep);
	return HRTIMER_NORESTART;
}

/*
 * The timer may still be armed for an older window. If it would fire too late for this one, which
 * is shorter with EVPOLL_ADAPTIVE, arms it anew.
 */
static void evpoll_window_begin(struct evpoll *ep, u64 window_ns)
{
	u64 end = ktime_get_ns() + window_ns;
	s64 expires;

	/* Pairs with READ_ONCE() in evpoll_timer_is_early(). */
	WRITE_ONCE(ep->window_end, end);
	if (!test_bit(EVPOLL_ARMED, &ep->state))
		return;
	/* data_race(): a wrong expiry costs an attempt, or a window as long as the old one. */
	expires = ktime_to_ns(data_race(hrtimer_get_expires(&ep->timer)));
	/* Only the caller that has stopped the timer starts it, and takes over its reference. */
	if (expires > (s64)end && hrtimer_try_to_cancel(&ep->timer) == 1)
		hrtimer_start(&ep->timer, ns_to_ktime(end), EVPOLL_TIMER_ABS);
}

/*
 * An item has just become pending, or ready with EVPOLL_EAGER. Runs in any context but NMI, under
 * the lock of the wait queue of the watched file.
 */
void evpoll_moderate(struct evpoll *ep, u64 window_ns)
{
	unsigned int events = READ_ONCE(ep->params.coalesce_events);
	unsigned int count = atomic_inc_return(&ep->window_events);

	if (events && count >= events) {
		/* Begins a new window. */
		atomic_set(&ep->window_events, 0);
		if (in_interrupt())
			evpoll_napi_end_window(ep);
		else
			evpoll_waker_flush(ep, EVPOLL_WAKEUP, false);
		return;
	}
	if (count == 1)
		evpoll_window_begin(ep, window_ns);

	/* Pairs with smp_mb__after_atomic() in evpoll_timer() and evpoll_disarm(). */
	if (test_and_set_bit(EVPOLL_ARMED, &ep->state))
		return;
	atomic_long_add(EVPOLL_REF, &ep->refs);
	trace_evpoll_window_start(ep, window_ns);
	hrtimer_start(&ep->timer, ns_to_ktime(window_ns), EVPOLL_TIMER_REL);
}

void evpoll_moderate_init(struct evpoll *ep)
{
	compat_hrtimer_setup(&ep->timer, evpoll_timer, CLOCK_MONOTONIC, EVPOLL_TIMER_REL);
}

/*
 * The instance is being released, so nobody waits for the window. The wake callback of an item
 * whose file is being closed may still arm the timer once. The timer has a reference on the
 * instance then.
 */
void evpoll_moderate_end(struct evpoll *ep)
{
	WRITE_ONCE(ep->params.coalesce_usecs, 0);
	evpoll_disarm(ep);
}
