// SPDX-License-Identifier: GPL-2.0-only
/* Steps that are done twice, to an epoll instance and to an evpoll instance, and compared. */
#include "fuzzer.h"

#include <stdarg.h>
#include <sys/mman.h>

/* Above the numbers of slots */
#define TWIN_FD 200

#define MS 1000000LL

enum how { BY_CALL, BY_READING };

/* What a look returned, on one side, or changes: @ev has their errors then */
struct result {
	int n;
	int error;
	bool changes;
	struct epoll_event ev[LOOK];
};

static const char * const side_name[2] = { "epoll", "evpoll" };

static void print_event(FILE *f, const struct epoll_event *ev, bool change)
{
	unsigned int slot = ev->data.u64 & 0xffff;

	if (change)
		fprintf(f, "  %u:%s", slot, ev->events ? strerrorname_np(ev->events) : "0");
	else
		fprintf(f, "  %u@%u:%x", slot, (unsigned int)(ev->data.u64 >> 16), ev->events);
}

static bool differ(struct world *w, const char *what, const struct result *r)
{
	FILE *f = fmemopen(w->why, sizeof(w->why), "w");

	fprintf(f, "%s:\n", what);
	for (int side = 0; side < 2; side++) {
		fprintf(f, "  %-7s", side_name[side]);
		if (r[side].n < 0)
			fprintf(f, "%s", strerrorname_np(r[side].error));
		else
			fprintf(f, "%d", r[side].n);
		for (int i = 0; i < r[side].n; i++)
			print_event(f, &r[side].ev[i], r[side].changes);
		fputc('\n', f);
	}
	fclose(f);
	return false;
}

static void trace(struct world *w, const char *what, const struct result *r)
{
	if (!w->trace)
		return;
	differ(w, what, r);
	fputs(w->why, stdout);
	w->why[0] = 0;
}

static int by_data(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.u64 < y->data.u64 ? -1 : x->data.u64 > y->data.u64;
}

static bool agree(const struct result *r, bool ordered)
{
	struct result sorted[2];

	if (r[0].n != r[1].n || r[0].error != r[1].error)
		return false;
	if (r[0].n <= 0)
		return true;
	if (!memcmp(r[0].ev, r[1].ev, r[0].n * sizeof(*r[0].ev)))
		return true;
	if (ordered)
		return false;
	for (int side = 0; side < 2; side++) {
		memcpy(&sorted[side], &r[side], sizeof(*r));
		qsort(sorted[side].ev, r[0].n, sizeof(*r[0].ev), by_data);
	}
	return !memcmp(sorted[0].ev, sorted[1].ev, r[0].n * sizeof(*r[0].ev));
}

static void set_flavour(int fd, enum flavour flavour)
{
	static const uint32_t flags[FLAVOURS] = {
		[UNBATCHED] = EVPOLL_UNBATCHED, [EAGER] = EVPOLL_EAGER, [IN_TURN] = EVPOLL_FIFO,
	};
	struct evpoll_params params = {
		.flags = flags[flavour],
		.coalesce_usecs = flavour == WINDOW ? 1000000 : 0,
		.budget = flavour == NARROW ? 1 : 0,
	};

	ioctl(fd, EVPOLL_IOC_SET_PARAMS, &params);
}

static int create(int side, enum flavour flavour)
{
	int fd, high;

	if (side == EPOLL || flavour == OUTER)
		fd = epoll_create1(EPOLL_CLOEXEC);
	else
		fd = open(EVPOLL_DEV, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (side == EVPOLL && flavour != PLAIN)
		set_flavour(fd, flavour);
	high = fcntl(fd, F_DUPFD_CLOEXEC, TWIN_FD);
	close(fd);
	return high;
}

/* How to talk to that side */
static enum mechanism mechanism(const struct twin *t, int side)
{
	return side == EPOLL || t->flavour == OUTER ? BY_EPOLL : BY_WAIT;
}

static void step_create(struct twin *t, enum flavour flavour)
{
	if (t->open)
		return;
	*t = (struct twin){ .open = true, .flavour = flavour };
	for (int side = 0; side < 2; side++)
		t->fd[side] = create(side, flavour);
}

static void step_destroy(struct twin *t)
{
	if (!t->open)
		return;
	/* It may live on, in a child, where end_windows() does not get at it. */
	set_flavour(t->fd[EVPOLL], PLAIN);
	for (int side = 0; side < 2; side++) {
		close(t->fd[side]);
		/* The two sides would find different files behind an old number. */
		t->fd[side] = -1;
	}
	t->open = false;
}

/*
 * Returns the error. epoll does not know EVPOLLROTATE, so its side goes without. It says who is
 * woken, and in a program nobody sleeps. Without EPOLLEXCLUSIVE evpoll refuses it first of all.
 */
static int change(const struct twin *t, int side, const struct evpoll_ctl *c)
{
	enum mechanism by = mechanism(t, side);
	uint32_t rotates = by == BY_EPOLL ? c->events & EVPOLLROTATE : 0;

	errno = 0;
	if (rotates && !(c->events & EPOLLEXCLUSIVE))
		errno = EINVAL;
	else
		ep_ctl(by, t->fd[side], c->op, c->fd, c->events & ~rotates, c->data);
	return errno;
}

static struct evpoll_ctl change_of(const struct world *w, int op, int fd, const struct step *s,
				   unsigned int slot)
{
	return (struct evpoll_ctl){
		.op = op, .fd = fd, .events = op == EPOLL_CTL_DEL ? 0 : s->arg[2],
		.data = (uint64_t)w->at << 16 | slot,
	};
}

/* What a change returned, in the place of an event */
static void set_error(struct result *r, int i, int error, unsigned int slot)
{
	r->ev[i].events = error;
	r->ev[i].data.u64 = slot;
	r->n = i + 1;
	r->changes = true;
}

/*
 * README, "Differences from epoll": evpoll does not see the epoll instances that watch its own. So
 * a chain through both kinds of instances is shorter for evpoll, which may accept what epoll
 * refuses. The step is left out then.
 */
static bool is_for_epoll_alone(const struct world *w, int op, int error)
{
	return w->outer && w->nested && op == EPOLL_CTL_ADD && (error == EINVAL || error == ELOOP);
}

/* The twin has a new item with EPOLLEXCLUSIVE, see has_order(). */
static void note_exclusive(struct twin *t, const struct slot *slot, uint32_t events)
{
	/* All files of these kinds have one wait queue. Objects that share a bit do no harm. */
	bool common = slot->kind == SIGNALFD || slot->kind == PROC_FILE;
	uint64_t queue = 1ULL << (common ? 0 : 1 + slot->object % 63);

	t->rotates |= !!(events & EVPOLLROTATE);
	t->beside |= !!(t->exclusive & queue);
	t->exclusive |= queue;
}

/*
 * Both sides return the same for the change. For some files, evpoll's side is first on the wait
 * queue, because an exclusive wakeup may go to the first side only.
 */
static bool step_change(struct world *w, struct twin *t, int op, const int *fd,
			const struct step *s)
{
	bool turned = s->code == ADD && s->arg[1] % 2 && !(w->outer && w->nested);
	int first = turned ? EVPOLL : EPOLL;
	struct result r[2] = {};
	struct evpoll_ctl c;

	for (int i = 0; i < 2; i++) {
		int side = i ^ first;

		c = change_of(w, op, fd[side], s, s->arg[1]);
		set_error(&r[side], 0, change(t, side, &c), s->arg[1]);
		if (!i && first == EPOLL && is_for_epoll_alone(w, op, r[EPOLL].ev[0].events))
			return true;
	}
	trace(w, "the change", r);
	if (r[0].ev[0].events != r[1].ev[0].events)
		return differ(w, "the change", r);
	/* EPOLLEXCLUSIVE is for files of slots only. */
	if (op == EPOLL_CTL_ADD && (s->arg[2] & EPOLLEXCLUSIVE) && !r[0].ev[0].events)
		note_exclusive(t, &w->slot[s->arg[1]], s->arg[2]);
	return true;
}

/* epoll's side is not asked for the operation, see epoll_forget(). */
static bool step_forget(struct world *w, struct twin *t, const struct slot *slot,
			const struct step *s)
{
	struct evpoll_ctl c = change_of(w, EVPOLL_CTL_FORGET, slot->fd[EVPOLL], s, s->arg[1]);
	int error = epoll_forget(w, t->fd[EPOLL], slot->fd[EPOLL]);
	struct result r[2] = {}, left[2] = {};

	/* epoll cannot follow, so this is the end of the twin. */
	if (error == -EXDEV) {
		step_destroy(t);
		return true;
	}
	set_error(&r[EPOLL], 0, -error, s->arg[1]);
	set_error(&r[EVPOLL], 0, change(t, EVPOLL, &c), s->arg[1]);
	trace(w, "the change", r);
	if (!agree(r, true))
		return differ(w, "the change", r);
	left[EVPOLL].n = items_read(t->fd[EVPOLL], slot->fd[EVPOLL], left[EVPOLL].ev);
	return !left[EVPOLL].n || differ(w, "what is left under the number", left);
}

/* README, "Differences from epoll": evpoll takes no bits that it does not know. */
static bool step_add_unknown(struct world *w, struct twin *t, const struct slot *slot,
			     const struct step *s)
{
	struct evpoll_ctl c = change_of(w, EPOLL_CTL_ADD, slot->fd[EVPOLL], s, s->arg[1]);
	struct result r[2] = {};

	c.events |= 1 << 22;
	set_error(&r[0], 0, EINVAL, s->arg[1]);
	set_error(&r[1], 0, change(t, EVPOLL, &c), s->arg[1]);
	if (agree(r, true))
		return true;
	return differ(w, "an unknown bit (in place of epoll's errno: EINVAL)", r);
}

/*
 * True if evpoll defines the same order of events as epoll: README, "Differences from epoll". Once
 * the orders may differ, each look must take all events. A twin that others watch has no order
 * either: theirs decides when it is polled, and a poll drops the items that have no event any more.
 * EVPOLLROTATE changes the order of items on a wait queue, and so that of their events.
 */
static bool has_order(const struct world *w, const struct twin *t)
{
	return !t->shuffled && !(w->realtime && w->asynchronous) && t->flavour != WINDOW &&
	       !t->nests && !t->watched && !(w->asynchronous && t->exclusive) &&
	       !(t->rotates && t->beside);
}

/*
 * Events wait for the end of a window before they reach the instances above. Setting a window ends
 * the old one, so this makes them arrive now. There can be several instances on top of each other.
 */
static void end_windows(const struct world *w, const struct twin *t)
{
	if (!w->windowed || !t->nests)
		return;
	for (int i = 0; i < TWINS * TWINS; i++) {
		const struct twin *below = &w->twin[i % TWINS];

		if (below->open && below->flavour == WINDOW)
			set_flavour(below->fd[EVPOLL], WINDOW);
	}
}

static void wait_once(const struct twin *t, int side, enum how how, struct epoll_event *to, int max,
		      struct result *r)
{
	struct timespec now = {};

	r->changes = false;
	if (mechanism(t, side) == BY_EPOLL) {
		r->n = syscall(SYS_epoll_wait, t->fd[side], to, max, 0);
	} else if (how == BY_CALL) {
		r->n = ep_pwait2(BY_WAIT, t->fd[side], to, max, &now, NULL);
	} else {
		r->n = syscall(SYS_read, t->fd[side], to, max * sizeof(*to));
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
static void wait_changing(const struct twin *t, struct evpoll_ctlv *ctlv, struct result *r)
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

/* ms; an event comes within this time, even if this machine is busy */
#define LATEST 3000

/*
 * May an event come later than the call that causes it? NAPI wakes an instance that watches
 * another one, and it may run in ksoftirqd.
 */
static bool may_be_late(const struct world *w)
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
static struct epoll_event *bad_buffer(int room)
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

static bool looks_agree(struct world *w, struct twin *t, struct result *r)
{
	struct result first[2];
	bool ordered = has_order(w, t);

	trace(w, "the look", r);
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

static bool look(struct world *w, struct twin *t, enum how how, int max, int room)
{
	struct result r[2];
	bool ordered = has_order(w, t);

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

static bool step_poll(struct world *w, struct twin *t)
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
		same = agree(r, true);
	} while (!same && may_be_late(w) && now_ms() < end);
	trace(w, "poll(2)", r);
	return same ? true : differ(w, "poll(2)", r);
}

/* Changes for several slots: one after the other for epoll, in one call for evpoll. */
#define MANY 4

/* What the call says of its changes as a whole. @r: what they returned on epoll */
static bool counts_agree(struct world *w, const struct evpoll_ctlv *ctlv, const struct result *r)
{
	unsigned int failed = 0;

	for (int i = 0; i < MANY; i++)
		failed += r->ev[i].events != 0;
	if (ctlv->done == MANY && ctlv->failed == failed)
		return true;
	snprintf(w->why, sizeof(w->why),
		 "the changes: evpoll has done %u, %u failed; epoll %d, %u\n",
		 ctlv->done, ctlv->failed, MANY, failed);
	return false;
}

static bool step_many(struct world *w, struct twin *t, int op, const struct step *s, bool wait)
{
	struct evpoll_ctl c[2][MANY];
	struct evpoll_ctlv ctlv = { .changes = (uintptr_t)c[EVPOLL], .nr = MANY };
	struct result r[2] = {}, looked[2];

	if (t->flavour == OUTER)
		return true;
	for (int i = 0; i < MANY; i++) {
		unsigned int slot = (s->arg[1] + i) % SLOTS;

		for (int side = 0; side < 2; side++)
			c[side][i] = change_of(w, op, w->slot[slot].fd[side], s, slot);
		set_error(&r[EPOLL], i, change(t, EPOLL, &c[EPOLL][i]), slot);
		if (is_for_epoll_alone(w, op, r[EPOLL].ev[i].events))
			c[EVPOLL][i].op = 0;	/* EINVAL */
	}
	for (int i = 0; i < MANY; i++)
		if (op == EPOLL_CTL_ADD && (s->arg[2] & EPOLLEXCLUSIVE) && !r[EPOLL].ev[i].events)
			note_exclusive(t, &w->slot[(s->arg[1] + i) % SLOTS], s->arg[2]);
	if (wait) {
		end_windows(w, t);
		wait_once(t, EPOLL, BY_CALL, looked[EPOLL].ev, LOOK, &looked[EPOLL]);
		wait_changing(t, &ctlv, &looked[EVPOLL]);
	} else {
		/* It returns their number, too. */
		if (ioctl(t->fd[EVPOLL], EVPOLL_IOC_CTLV, &ctlv) != (int)ctlv.failed)
			ctlv.failed = -1;
	}
	for (int i = 0; i < MANY; i++)
		set_error(&r[EVPOLL], i, -c[EVPOLL][i].result, (s->arg[1] + i) % SLOTS);
	trace(w, "the changes", r);
	if (!agree(r, true))
		return differ(w, "the changes", r);
	if (!counts_agree(w, &ctlv, &r[EPOLL]))
		return false;
	return !wait || looks_agree(w, t, looked);
}

/* The step, if it is one of a twin; false when the sides differ. */
bool twin_step(struct world *w, const struct step *s)
{
	struct twin *t = &w->twin[s->arg[0] % TWINS];
	struct twin *below = &w->twin[s->arg[1] % TWINS];
	struct slot *slot = &w->slot[s->arg[1] % SLOTS];

	if (s->code == CREATE) {
		enum flavour flavour = s->arg[1] % FLAVOURS;

		/* It may poll its items in any order, see has_order(). */
		if (w->tells_once && flavour == WINDOW)
			return true;
		step_create(t, flavour);
		w->outer |= t->flavour == OUTER;
		w->windowed |= t->flavour == WINDOW;
	}
	if (!t->open)
		return true;
	switch (s->code) {
	case DESTROY:
		step_destroy(t);
		return true;
	case ADD:
		return step_change(w, t, EPOLL_CTL_ADD, slot->fd, s);
	case MOD:
		return step_change(w, t, EPOLL_CTL_MOD, slot->fd, s);
	case DEL:
		return step_change(w, t, EPOLL_CTL_DEL, slot->fd, s);
	case FORGET:
		return t->flavour == OUTER || step_forget(w, t, slot, s);
	case NEST:
		/* epoll in evpoll is refused. */
		if (below->flavour == OUTER)
			return true;
		/* As in step_poll() */
		if (w->tells_once)
			return true;
		t->nests = true;
		below->watched = true;
		w->nested = true;
		end_windows(w, t);
		return step_change(w, t, EPOLL_CTL_ADD, below->fd, s);
	case NEST_MOD:
		end_windows(w, t);
		return step_change(w, t, EPOLL_CTL_MOD, below->fd, s);
	case NEST_DEL:
		return step_change(w, t, EPOLL_CTL_DEL, below->fd, s);
	case ADD_UNKNOWN:
		return t->flavour == OUTER || step_add_unknown(w, t, slot, s);
	case ADD_MANY:
	case ADD_MANY_WAIT:
		return step_many(w, t, EPOLL_CTL_ADD, s, s->code == ADD_MANY_WAIT);
	case DEL_MANY:
		return step_many(w, t, EPOLL_CTL_DEL, s, false);
	case POLL:
		return step_poll(w, t);
	case WAIT:
		return look(w, t, BY_CALL, s->arg[1], -1);
	case WAIT_READ:
		return look(w, t, BY_READING, s->arg[1], -1);
	case WAIT_BAD:
		return look(w, t, s->arg[1] % 2 ? BY_CALL : BY_READING, s->arg[1], s->arg[2]);
	}
	return true;
}

bool look_at_all(struct world *w)
{
	for (int i = 0; i < TWINS; i++)
		if (w->twin[i].open && !look(w, &w->twin[i], BY_CALL, LOOK, -1))
			return false;
	return true;
}

bool interest_lists_agree(struct world *w)
{
	struct result r[2] = {};

	for (int i = 0; i < TWINS; i++) {
		if (!w->twin[i].open)
			continue;
		for (int side = 0; side < 2; side++)
			r[side].n = items_read(w->twin[i].fd[side], ANY_NUMBER, r[side].ev);
		if (!agree(r, false))
			return differ(w, "the interest list", r);
	}
	return true;
}
