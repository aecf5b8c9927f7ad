/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: one for each stage of an event, in the order of the stages. An instance is shown as
 * a hashed pointer, which tells its lines from those of other instances.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM evpoll

#if !defined(EVPOLL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define EVPOLL_TRACE_H

#include <linux/preempt.h>
#include <linux/tracepoint.h>

#include "evpoll.h"

#define EVPOLL_CONTEXTS \
	{ 0, "process" }, { 1, "bh-off" }, { 2, "softirq" }, { 3, "hardirq" }

#ifndef EVPOLL_TRACE_HELPERS
#define EVPOLL_TRACE_HELPERS
static inline int evpoll_trace_context(void)
{
	return in_hardirq() ? 3 : in_serving_softirq() ? 2 : in_interrupt() ? 1 : 0;
}
#endif

TRACE_EVENT(evpoll_ctl,
	TP_PROTO(const struct evpoll *ep, const struct evpoll_ctl *ctl, long ret),
	TP_ARGS(ep, ctl, ret),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(u32, op)
		__field(int, fd)
		__field(u32, events)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->ep = ep;
		__entry->op = ctl->op;
		__entry->fd = ctl->fd;
		__entry->events = ctl->events;
		__entry->ret = ret;
	),
	TP_printk("ep=%p op=%s fd=%d events=0x%x ret=%ld", __entry->ep,
		  __print_symbolic(__entry->op, { EPOLL_CTL_ADD, "add" },
				   { EPOLL_CTL_DEL, "del" }, { EPOLL_CTL_MOD, "mod" },
				   { EVPOLL_CTL_FORGET, "forget" }),
		  __entry->fd, __entry->events, __entry->ret)
);

/* The wake callback runs for an event in the item's mask. */
TRACE_EVENT(evpoll_callback,
	TP_PROTO(const struct evpoll_item *item, __poll_t what),
	TP_ARGS(item, what),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(int, fd)
		__field(u32, what)
		__field(int, context)
	),
	TP_fast_assign(
		__entry->ep = evpoll_of(item);
		__entry->fd = item->fd;
		__entry->what = (__force u32)what;
		__entry->context = evpoll_trace_context();
	),
	TP_printk("ep=%p fd=%d what=0x%x context=%s", __entry->ep, __entry->fd, __entry->what,
		  __print_symbolic(__entry->context, EVPOLL_CONTEXTS))
);

/* The wake callback puts the event into the ring. @listed: it has a new entry there. */
TRACE_EVENT(evpoll_publish,
	TP_PROTO(const struct evpoll_item *item, __poll_t events, bool listed),
	TP_ARGS(item, events, listed),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(int, fd)
		__field(u32, events)
		__field(bool, listed)
	),
	TP_fast_assign(
		__entry->ep = evpoll_of(item);
		__entry->fd = item->fd;
		__entry->events = (__force u32)events;
		__entry->listed = listed;
	),
	TP_printk("ep=%p fd=%d events=0x%x %s", __entry->ep, __entry->fd, __entry->events,
		  __entry->listed ? "listed" : "joined")
);

/* A call counts the entries of the ring that were harvested since the last one. */
TRACE_EVENT(evpoll_harvest,
	TP_PROTO(const struct evpoll *ep, u32 entries),
	TP_ARGS(ep, entries),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(u32, entries)
	),
	TP_fast_assign(
		__entry->ep = ep;
		__entry->entries = entries;
	),
	TP_printk("ep=%p entries=%u", __entry->ep, __entry->entries)
);

/* Pending items became ready. */
TRACE_EVENT(evpoll_flush,
	TP_PROTO(const struct evpoll *ep, int moved),
	TP_ARGS(ep, moved),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(int, moved)
		__field(int, context)
	),
	TP_fast_assign(
		__entry->ep = ep;
		__entry->moved = moved;
		__entry->context = evpoll_trace_context();
	),
	TP_printk("ep=%p moved=%d context=%s", __entry->ep, __entry->moved,
		  __print_symbolic(__entry->context, EVPOLL_CONTEXTS))
);

/* A NAPI poll of evpoll has ended. */
TRACE_EVENT(evpoll_napi_poll,
	TP_PROTO(int done, int budget),
	TP_ARGS(done, budget),
	TP_STRUCT__entry(
		__field(int, done)
		__field(int, budget)
	),
	TP_fast_assign(
		__entry->done = done;
		__entry->budget = budget;
	),
	TP_printk("done=%d budget=%d%s", __entry->done, __entry->budget,
		  __entry->done < __entry->budget ? "" : " exhausted")
);

TRACE_EVENT(evpoll_window_start,
	TP_PROTO(const struct evpoll *ep, u64 window_ns),
	TP_ARGS(ep, window_ns),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(u64, window_ns)
	),
	TP_fast_assign(
		__entry->ep = ep;
		__entry->window_ns = window_ns;
	),
	TP_printk("ep=%p window_ns=%llu", __entry->ep, __entry->window_ns)
);

DECLARE_EVENT_CLASS(evpoll_instance,
	TP_PROTO(const struct evpoll *ep),
	TP_ARGS(ep),
	TP_STRUCT__entry(
		__field(const void *, ep)
	),
	TP_fast_assign(
		__entry->ep = ep;
	),
	TP_printk("ep=%p", __entry->ep)
);

/* The timer of the window has fired. */
DEFINE_EVENT(evpoll_instance, evpoll_window_end, TP_PROTO(const struct evpoll *ep), TP_ARGS(ep));

/* A waiter is about to sleep, and a waiter runs again. */
DEFINE_EVENT(evpoll_instance, evpoll_sleep, TP_PROTO(const struct evpoll *ep), TP_ARGS(ep));
DEFINE_EVENT(evpoll_instance, evpoll_run, TP_PROTO(const struct evpoll *ep), TP_ARGS(ep));

/* A waiter is woken. */
TRACE_EVENT(evpoll_wakeup,
	TP_PROTO(const struct evpoll *ep, const struct task_struct *task),
	TP_ARGS(ep, task),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(pid_t, pid)
		__field(unsigned int, nready)
	),
	TP_fast_assign(
		__entry->ep = ep;
		__entry->pid = task->pid;
		__entry->nready = ep->nready;
	),
	TP_printk("ep=%p pid=%d nready=%u", __entry->ep, __entry->pid, __entry->nready)
);

/* An event was written to user memory. */
TRACE_EVENT(evpoll_deliver,
	TP_PROTO(const struct evpoll_item *item, __poll_t events),
	TP_ARGS(item, events),
	TP_STRUCT__entry(
		__field(const void *, ep)
		__field(int, fd)
		__field(u32, events)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->ep = evpoll_of(item);
		__entry->fd = item->fd;
		__entry->events = (__force u32)events;
		__entry->data = item->data;
	),
	TP_printk("ep=%p fd=%d events=0x%x data=0x%llx", __entry->ep, __entry->fd,
		  __entry->events, __entry->data)
);

#endif /* EVPOLL_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
