/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue that many contexts add to and one context at a time takes from, in the order of the adds.
 * The pending items of an instance (pending.c, flush.c) and the instances that are scheduled for
 * NAPI (napi.c) are in such queues.
 *
 * An add takes no lock: an xchg() makes the node the new tail, and a store links the node behind
 * the old tail. The queue begins with a head that is no entry: @head->next is the first entry, and
 * @tail points to @head while the queue is empty. Dmitry Vyukov described the algorithm (2010), and
 * io_uring/mpscq.h uses it. The tail and the head are separate parameters, because they belong on
 * different cache lines: each add writes the tail, each take writes the head.
 *
 * Between its xchg() and its store, an add hides the nodes that others add behind it. A take then
 * waits for the store, as the unlock of a queued spinlock waits for its next owner. The wait is
 * short, because interrupts are off between the two, also on PREEMPT_RT.
 */
#ifndef EVPOLL_FIFO_H
#define EVPOLL_FIFO_H

#include <linux/atomic.h>
#include <linux/irqflags.h>
#include <linux/llist.h>

static inline void evpoll_fifo_init(struct llist_node **tail, struct llist_node *head)
{
	head->next = NULL;
	*tail = head;
}

/*
 * Is the queue empty? Any context. A caller that saw an add return, or that has a full barrier
 * between its own store and this, need not fear a wrong yes: xchg() in evpoll_fifo_add() is a full
 * barrier as well.
 */
static inline bool evpoll_fifo_empty(struct llist_node *const *tail, const struct llist_node *head)
{
	return READ_ONCE(*tail) == head;
}

/* Adds a node. Any context but NMI. */
static __always_inline void evpoll_fifo_add(struct llist_node **tail, struct llist_node *node)
{
	struct llist_node *last;
	unsigned long flags;

	node->next = NULL;
	local_irq_save(flags);
	last = xchg(tail, node);
	/*
	 * The full barrier of xchg() orders all earlier stores to the node's object before this.
	 * Pairs with smp_load_acquire() in evpoll_fifo_next(). @last is still in the queue, because
	 * a take does not hand out a node that is the tail, and waits for this store otherwise.
	 */
	WRITE_ONCE(last->next, node);
	local_irq_restore(flags);
}

/* The node behind @node. There is one, so wait until its add has linked it. */
static inline struct llist_node *evpoll_fifo_next(struct llist_node *node)
{
	/* Pairs with WRITE_ONCE() in evpoll_fifo_add(). */
	return smp_cond_load_acquire(&node->next, VAL);
}

/* Takes the oldest node, or returns NULL if there is none. One caller at a time. */
static __always_inline struct llist_node *evpoll_fifo_take(struct llist_node **tail,
							   struct llist_node *head)
{
	struct llist_node *node, *next, *last;

	/* Pairs with WRITE_ONCE() in evpoll_fifo_add(). */
	node = smp_load_acquire(&head->next);
	if (!node) {
		if (evpoll_fifo_empty(tail, head))
			return NULL;
		node = evpoll_fifo_next(head);
	}
	/* Pairs with WRITE_ONCE() in evpoll_fifo_add(). */
	next = smp_load_acquire(&node->next);
	if (!next) {
		/*
		 * @node may be the tail. Empty the queue: from the cmpxchg() on, an add links its
		 * node to @head. So clear that first.
		 */
		WRITE_ONCE(head->next, NULL);
		last = node;
		if (try_cmpxchg(tail, &last, head))
			return node;
		next = evpoll_fifo_next(node);
	}
	WRITE_ONCE(head->next, next);
	return node;
}

#endif /* EVPOLL_FIFO_H */
