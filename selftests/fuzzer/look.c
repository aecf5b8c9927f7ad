// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looks: a wait or a poll(2) on both sides of a twin, and whether they return the same. An event of
 * an interrupt may come between the two sides, so some looks are repeated.
 */
#include "twins.h"

#include <sys/mman.h>

/*
 * True if evpoll defines the same order of events as epoll: README, "Differences from epoll". Once
 * the orders may differ, each look must take all events. A twin that others watch has no order
 * either: theirs decides when it is polled, and a poll drops the items that have no event any more.
 * EVPOLLROTATE changes the order of items on a wait queue, and so that of their events. With a ring
 * there are two ways to tell, and ring_look() compares the order within the ring.
 */
static bool has_order(const struct world *w, const struct twin *t)
{
	return !t->shuffled && !t->ringed && !(w->realtime && w->asynchronous) &&
	       t->flavour != WINDOW && !t->nests && !t->watched &&
	       !(w->asynchronous && t->exclusive) && !(t->rotates && t->beside);
}

/*
 * Events wait for the end of a window before they reach the instances above. Setting a window ends
 * the old one, so this makes them arrive now. There can be several instances on top of each other.
 */
void end_windows(const struct world *w, const struct twin *t)
{
	if (!w->windowed || !t->nests)
		return;
	for (int i = 0; i < TWINS * TWINS; i++) {
		const struct twin *below = &w->twin[i % TWINS];

		if (below->open && below->flavour == WINDOW)
			set_flavour(below->fd[EVPOLL], WINDOW);
	}
}

void wait_once(const struct twin *t, int side, enum how how, struct epoll_event *to, int max,
	       struct result *r)
{
	struct timespec now = {};

	r->changes = false;
	if (mechanism(t, side) == BY_EPOLL) {
		r->n = syscall(SYS_epoll_wait, t->fd[side], to, max, 0);
	} else if (how == BY_CALL) {
		r->n = ep_pwait2(BY_WAIT, t->fd[side], to, max, &now, NULL);
	} else {
		if (how == BY_READING)
			r->n = syscall(SYS_read, t->fd[side], to, max * sizeof(*to));
		else
			r->n = uring_read(t->fd[side], to, max);
		if (r->n > 0)
			r->n /= sizeof(*to);
		else if (r->n < 0 && errno == EAGAIN)
			r->n = 0;
	}
	r->error = r->n < 0 ? errno : 0;
	if (r->n > 0 && to != r->ev)
		memcpy(r->ev, to, r->n * sizeof(*to));
}

/* Changes, and a wait that does not block, in one call */
void wait_changing(const struct twin *t, struct evpoll_ctlv *ctlv, struct result *r)
{
	struct timespec now = {};
	struct evpoll_wait wait = {
		.events = (uintptr_t)r->ev, .maxevents = LOOK, .timeout = (uintptr_t)&now,
		.ctlv = *ctlv,
	};

	r->changes = false;
	r->n = ioctl(t->fd[EVPOLL], EVPOLL_IOC_WAIT, &wait);
	r->error = r->n < 0 ? errno : 0;
	*ctlv = wait.ctlv;
}

/* Joins what a look has brought to what earlier ones have. */
static void join(struct result *all, const struct result *more)
{
	int i, j;

	for (i = 0; i < more->n; i++) {
		for (j = 0; j < all->n; j++)
			if (all->ev[j].data.u64 == more->ev[i].data.u64)
				break;
		if (j == LOOK)
			return;
		if (j == all->n)
			all->ev[all->n++] = (struct epoll_event){ .data = more->ev[i].data };
		all->ev[j].events |= more->ev[i].events;
	}
}

/*
 * May an event come later than the call that causes it? NAPI wakes an instance that watches
 * another one, and it may run in ksoftirqd.
 */
bool may_be_late(const struct world *w)
{
	return w->asynchronous || w->nested;
}

/*
 * Look again. If an interrupt came between the two halves of the look, the first side reports its
 * event in the next look. An event that only one side reports, in any look, is a difference. A
 * different order is one too, because the events before the interrupt keep their order.
 */
static bool look_again(struct world *w, struct twin *t, struct result *r, bool ordered)
{
	long long end = now_ms() + LATEST;
	struct result more[2];

	for (int side = 0; side < 2; side++)
		if (r[side].n < 0)
			return false;
	do {
		for (int side = 0; side < 2; side++) {
			wait_once(t, side, BY_CALL, more[side].ev, LOOK, &more[side]);
			join(&r[side], &more[side]);
		}
		forgive_rings(w, t, r);
		if (agree(r, ordered)) {
			t->shuffled = true;
			w->interrupted++;
			return true;
		}
		sched_yield();
	} while (now_ms() < end);
	w->late = agree(r, false) || (t->nests && r[EVPOLL].n > r[EPOLL].n);
	return false;
}

/* Where only @room events can be written, and the memory after them cannot */
struct epoll_event *bad_buffer(int room)
{
	static char *pages;

	if (!pages) {
		pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		mprotect(pages + 4096, 4096, PROT_NONE);
	}
	/* One of them is cut. */
	return (struct epoll_event *)(pages + 4096 - room * sizeof(struct epoll_event) - 5);
}

bool looks_agree(struct world *w, struct twin *t, struct result *r)
{
	struct result first[2];
	bool ordered = has_order(w, t);

	trace(w, "the look", r);
	forgive_rings(w, t, r);
	if (agree(r, ordered))
		return true;
	/* No event came: only the order differs. */
	if (agree(r, false)) {
		w->late = w->asynchronous;
		return differ(w, "the order", r);
	}
	memcpy(first, r, sizeof(first));
	if (may_be_late(w) && look_again(w, t, r, ordered))
		return true;
	return differ(w, "the look", first);
}

bool look(struct world *w, struct twin *t, enum how how, int max, int room)
{
	struct result r[2];
	bool ordered = has_order(w, t);

	if (t->ringed && max)
		return ring_look(w, t, how, max, room);
	if (how == BY_HARVEST)
		how = BY_CALL;
	if (max > LOOK || (max && !ordered))
		max = LOOK;
	if (!ordered)
		room = -1;
	end_windows(w, t);
	for (int side = 0; side < 2; side++)
		wait_once(t, side, how, room < 0 ? r[side].ev : bad_buffer(room), max, &r[side]);
	return looks_agree(w, t, r);
}

/* Ready for poll(2) */
static void poll_once(const struct twin *t, int side, struct result *r)
{
	struct pollfd pfd = { .fd = t->fd[side], .events = POLLIN | POLLOUT | POLLPRI };

	r->error = 0;
	r->n = poll(&pfd, 1, 0);
	r->ev[0] = (struct epoll_event){ .events = pfd.revents };
}

bool polls_agree(struct world *w, struct twin *t)
{
	long long end = now_ms() + LATEST;
	struct result r[2] = {};
	bool same;

	/* poll(2) polls until it finds one event, and the order decides which one that is. */
	if (w->tells_once && !has_order(w, t))
		return true;
	end_windows(w, t);
	do {
		for (int side = 0; side < 2; side++)
			poll_once(t, side, &r[side]);
		same = agree(r, true) ||
		       (r[EVPOLL].n > r[EPOLL].n && ring_excuses(w, t));
	} while (!same && may_be_late(w) && now_ms() < end);
	trace(w, "poll(2)", r);
	return same ? true : differ(w, "poll(2)", r);
}

bool look_at_all(struct world *w)
{
	for (int i = 0; i < TWINS; i++)
		if (w->twin[i].open && !look(w, &w->twin[i], BY_HARVEST, LOOK, -1))
			return false;
	return true;
}
