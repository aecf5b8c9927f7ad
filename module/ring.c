// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ready ring: memory that an instance shares with a program. A wake callback publishes events
 * in it (publish.c), and the program takes them out without a system call. Calls do so as well
 * (harvest.c).
 *
 * The memory is mapped into the kernel as well, so any context may use it. Whatever the program
 * writes there, the kernel keeps the list of free slots and the position of the next entry in its
 * own memory, and checks what it reads.
 */
#include <linux/anon_inodes.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "callback.h"
#include "compat.h"
#include "limits.h"
#include "poll.h"
#include "ring.h"

/*
 * Flags and head have a cache line each, because the kernel writes one and the program the other.
 */
#define EVPOLL_RING_FLAGS_OFFSET 0
#define EVPOLL_RING_HEAD_OFFSET 64
#define EVPOLL_RING_INDEX_OFFSET 128

/* A search for a free slot gives up after so many that are still listed. */
#define EVPOLL_SLOT_TRIES 4

/*
 * The memory counts as the watches that would take as much. The same on all kernels, also where an
 * item is larger because of debugging options.
 */
static unsigned int evpoll_ring_watches(u64 size)
{
	return div_u64(size, 160);
}

static void evpoll_ring_free_pages(struct evpoll_ring *ring)
{
	unsigned int i;

	vunmap(ring->map);
	for (i = 0; i < ring->nr_pages; i++) {
		__free_page(ring->pages[i]);
		cond_resched();
	}
	kvfree(ring->pages);
}

/* Single pages, because a large ring need not be contiguous. */
static int evpoll_ring_alloc_pages(struct evpoll_ring *ring, unsigned int nr)
{
	struct page *page;

	ring->pages = kvmalloc_array(nr, sizeof(*ring->pages), GFP_KERNEL_ACCOUNT);
	if (!ring->pages)
		return -ENOMEM;
	while (ring->nr_pages < nr) {
		page = fatal_signal_pending(current) ? NULL
						     : alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			return -ENOMEM;
		ring->pages[ring->nr_pages++] = page;
		cond_resched();
	}
	ring->map = vmap(ring->pages, nr, VM_MAP, PAGE_KERNEL);
	return ring->map ? 0 : -ENOMEM;
}

/* Fills in the offsets. The size is that of the memory, in whole pages. */
static void evpoll_ring_layout(struct evpoll_ring_setup *setup)
{
	setup->flags_offset = EVPOLL_RING_FLAGS_OFFSET;
	setup->head_offset = EVPOLL_RING_HEAD_OFFSET;
	setup->index_offset = EVPOLL_RING_INDEX_OFFSET;
	setup->slots_offset = ALIGN(setup->index_offset + setup->slots * (u32)sizeof(u32), 64);
	setup->size = PAGE_ALIGN(setup->slots_offset +
				 (u64)setup->slots * sizeof(struct evpoll_ring_slot));
}

static void evpoll_ring_free(struct evpoll_ring *ring)
{
	ida_destroy(&ring->used);
	evpoll_ring_free_pages(ring);
	kfree(ring);
}

static struct evpoll_ring *evpoll_ring_alloc(const struct evpoll_ring_setup *setup)
{
	struct evpoll_ring *ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);

	if (!ring)
		return NULL;
	ida_init(&ring->used);
	if (evpoll_ring_alloc_pages(ring, setup->size >> PAGE_SHIFT)) {
		evpoll_ring_free(ring);
		return NULL;
	}
	ring->flags = ring->map + setup->flags_offset;
	ring->head = ring->map + setup->head_offset;
	ring->index = ring->map + setup->index_offset;
	ring->slots = ring->map + setup->slots_offset;
	ring->mask = setup->slots - 1;
	return ring;
}

/* A wake callback finds the ring as soon as an item has wait entries, so no item may exist yet. */
static long evpoll_ring_install(struct evpoll *ep, struct evpoll_ring *ring)
{
	long error = 0;

	mutex_lock(&ep->mtx);
	spin_lock(&ep->tree_lock);
	if (ep->ring)
		error = -EEXIST;
	else if (!RB_EMPTY_ROOT(&ep->items))
		error = -EBUSY;
	else
		/* Pairs with smp_load_acquire() in evpoll_mmap() and evpoll_stats_sum(). */
		smp_store_release(&ep->ring, ring);
	spin_unlock(&ep->tree_lock);
	mutex_unlock(&ep->mtx);
	return error;
}

long evpoll_ring_create(struct evpoll *ep, struct evpoll_ring_setup *setup)
{
	struct evpoll_ring *ring;
	unsigned int watches;
	long error;

	if (!is_power_of_2(setup->slots) || setup->slots > EVPOLL_RING_MAX_SLOTS || setup->flags)
		return -EINVAL;
	/* Checked again below. This spares the allocation. */
	if (READ_ONCE(ep->ring))
		return -EEXIST;
	evpoll_ring_layout(setup);
	watches = evpoll_ring_watches(setup->size);
	error = evpoll_user_charge(ep->user, watches);
	if (error)
		return error;
	ring = evpoll_ring_alloc(setup);
	error = ring ? evpoll_ring_install(ep, ring) : -ENOMEM;
	if (!error)
		return 0;
	if (ring)
		evpoll_ring_free(ring);
	evpoll_user_uncharge(ep->user, watches);
	return error;
}

void evpoll_ring_end(struct evpoll *ep)
{
	evpoll_user_uncharge(ep->user, evpoll_ring_watches((u64)ep->ring->nr_pages << PAGE_SHIFT));
	evpoll_ring_free(ep->ring);
}

/*
 * The mapping gets a file of its own in place of the instance. So the last close of the instance
 * ends it, as with epoll, although the memory is still mapped. The mapping has references on the
 * pages, and needs neither the ring nor the module. So the operations of that file are not the
 * module's.
 */
int evpoll_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct evpoll *ep = file->private_data;
	/* Pairs with smp_store_release() in evpoll_ring_install(). */
	const struct evpoll_ring *ring = smp_load_acquire(&ep->ring);
	unsigned long flags = VM_READ | VM_WRITE | VM_SHARED;
	struct file *anon;
	int error;

	if (!ring)
		return -ENODEV;
	if ((vma->vm_flags & (flags | VM_EXEC)) != flags || vma->vm_pgoff ||
	    vma_pages(vma) != ring->nr_pages)
		return -EINVAL;
	anon = anon_inode_getfile("[evpoll_ring]", &generic_ro_fops, NULL, O_RDWR);
	if (IS_ERR(anon))
		return PTR_ERR(anon);
	compat_vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYEXEC);
	error = vm_map_pages(vma, ring->pages, ring->nr_pages);
	if (!error)
		vma_set_file(vma, anon);
	fput(anon);
	return error;
}

/*
 * A number from @min on that no item has. The slot may still be listed, and its next harvest may be
 * under way, so nobody may have it before that.
 */
static int evpoll_slot_search(struct evpoll_ring *ring)
{
	int i, nr;

	for (i = 0; i < EVPOLL_SLOT_TRIES; i++) {
		nr = ida_alloc_range(&ring->used, ring->next, ring->mask, GFP_KERNEL);
		if (nr == -ENOSPC && ring->next)
			nr = ida_alloc_max(&ring->used, ring->next - 1, GFP_KERNEL);
		if (nr < 0)
			return nr;
		ring->next = (nr + 1) & ring->mask;
		/*
		 * Acquire order pairs with the exchange in H3, which follows the read of the data.
		 */
		if (!(atomic_read_acquire(evpoll_slot_state(ring, nr + 1)) & EVPOLL_RING_LISTED))
			return nr;
		ida_free(&ring->used, nr);
	}
	return -EAGAIN;
}

/*
 * May events of the item go into the ring? EPOLLEXCLUSIVE: the wake callback must say at once
 * whether it woke a waiter, and a harvest cannot rotate. An instance tells its pollers that it may
 * have an event, and only a poll knows. EPOLLWAKEUP keeps the system awake until a call has polled
 * the file. An item with more than one wait entry may have two wake callbacks at the same time.
 * Items of these two kinds have the extra part.
 */
static bool evpoll_slot_is_useful(const struct evpoll_item *item)
{
	return !(item->events & EPOLLEXCLUSIVE) && !is_evpoll_file(item->file) && !item->extra;
}

/*
 * If a harvester may be reading the old data of a slot, the item gets another one. The old one is
 * free then, and stays unused until that harvest. Without memory, or without a free slot, the
 * events of the item go the classic way.
 */
void evpoll_slot_show(struct evpoll_item *item, unsigned long slot, u64 old_data)
{
	struct evpoll_ring *ring = evpoll_of(item)->ring;
	int nr = slot - 1;

	lockdep_assert_held(&evpoll_of(item)->mtx);
	/* Acquire order as in evpoll_slot_search(). */
	if (slot && (!evpoll_slot_is_useful(item) ||
		     (item->data != old_data &&
		      (atomic_read_acquire(evpoll_slot_state(ring, slot)) &
		       EVPOLL_RING_LISTED)))) {
		ida_free(&ring->used, nr);
		slot = 0;
	}
	if (!slot)
		nr = evpoll_slot_is_useful(item) ? evpoll_slot_search(ring) : -EINVAL;
	if (nr < 0)
		return;
	WRITE_ONCE(ring->slots[nr].data, item->data);
	/* A full barrier, which pairs with evpoll_slot(). */
	set_mask_bits(&item->state, EVPOLL_SLOT_MASK, (nr + 1UL) << EVPOLL_SLOT_SHIFT);
}

unsigned long evpoll_slot_hide(struct evpoll_item *item)
{
	unsigned long slot = evpoll_slot(item);

	lockdep_assert_held(&evpoll_of(item)->mtx);
	if (!slot)
		return 0;
	set_mask_bits(&item->state, EVPOLL_SLOT_MASK, 0);
	/* The wake callback runs under these locks. The next one finds no slot. */
	evpoll_pass_wait_entries(item);
	evpoll_slot_clear(evpoll_of(item)->ring, slot);
	return slot;
}

void evpoll_slot_put(struct evpoll_item *item)
{
	struct evpoll_ring *ring = evpoll_of(item)->ring;
	unsigned long slot = evpoll_slot(item);

	evpoll_slot_clear(ring, slot);
	ida_free(&ring->used, slot - 1);
}
