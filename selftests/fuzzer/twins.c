// SPDX-License-Identifier: GPL-2.0-only
/* Steps that are done twice, to an epoll instance and to an evpoll instance, and compared. */
#include "twins.h"

/* Above the numbers of slots */
#define TWIN_FD 200

void set_flavour(int fd, enum flavour flavour)
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

static void step_create(struct twin *t, enum flavour flavour)
{
	if (t->open)
		return;
	*t = (struct twin){ .open = true, .flavour = flavour };
	for (int side = 0; side < 2; side++)
		t->fd[side] = create(side, flavour);
}

void twin_destroy(struct twin *t)
{
	if (!t->open)
		return;
	ring_unmap(t);
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
 * woken, and in a program nobody sleeps. Without EPOLLEXCLUSIVE evpoll refuses it first of all. By
 * io_uring evpoll takes epoll's masks, so both sides take the bit for an unknown one.
 */
int change_item(const struct twin *t, int side, const struct evpoll_ctl *c)
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

static int change_by(enum code code, const struct twin *t, int side, const struct evpoll_ctl *c)
{
	if (code != ADD_URING && code != MOD_URING && code != DEL_URING)
		return change_item(t, side, c);
	return uring_change(mechanism(t, side), t->fd[side], c) < 0 ? errno : 0;
}

/*
 * EVPOLLROTATE changes the order in which items are polled. A file that tells a change once tells
 * it to the first of them, so programs with such a file do without the bit.
 */
static struct evpoll_ctl change_of(const struct world *w, int op, int fd, const struct step *s,
				   unsigned int slot)
{
	uint32_t events = s->arg[2] & ~(w->tells_once ? EVPOLLROTATE : 0);

	return (struct evpoll_ctl){
		.op = op, .fd = fd, .events = op == EPOLL_CTL_DEL ? 0 : events,
		.data = (uint64_t)w->at << 16 | slot,
	};
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
 * Notes what the data of later events stands for. @nested: the item is a twin. The number of a slot
 * that was closed may mean the file of another slot now.
 */
static void note_item(struct world *w, const struct twin *t, int op, const struct evpoll_ctl *c,
		      bool nested)
{
	struct registration item = {
		.file = nested ? 0 : UNKNOWN_FILE, .kind = KINDS, .events = c->events,
		.since = t->looks, .changed = op == EPOLL_CTL_MOD,
	};

	if (op == EPOLL_CTL_DEL)
		return;
	for (int i = 0; i < SLOTS && !nested; i++) {
		const struct slot *s = &w->slot[i];

		if (s->open && (s->fd[EPOLL] == c->fd || s->fd[EVPOLL] == c->fd)) {
			item.file = file_of(s);
			item.kind = s->kind;
		}
	}
	w->item[w->at][c->data & 0xffff] = item;
}

static bool is_nested(enum code code)
{
	return code == NEST || code == NEST_MOD || code == NEST_DEL;
}

/*
 * Both sides return the same for the change. For some files, evpoll's side is first on the wait
 * queue, because an exclusive wakeup may go to the first side only.
 */
static bool step_change(struct world *w, struct twin *t, int op, const int *fd,
			const struct step *s)
{
	bool adds = s->code == ADD || s->code == ADD_URING;
	bool turned = adds && s->arg[1] % 2 && !(w->outer && w->nested);
	int first = turned ? EVPOLL : EPOLL;
	struct result r[2] = {};
	struct evpoll_ctl c;

	for (int i = 0; i < 2; i++) {
		int side = i ^ first;

		c = change_of(w, op, fd[side], s, s->arg[1]);
		set_error(&r[side], 0, change_by(s->code, t, side, &c), s->arg[1]);
		if (!i && first == EPOLL && is_for_epoll_alone(w, op, r[EPOLL].ev[0].events))
			return true;
	}
	trace(w, "the change", r);
	if (r[0].ev[0].events != r[1].ev[0].events)
		return differ(w, "the change", r);
	if (!r[0].ev[0].events)
		note_item(w, t, op, &c, is_nested(s->code));
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
		twin_destroy(t);
		return true;
	}
	set_error(&r[EPOLL], 0, -error, s->arg[1]);
	set_error(&r[EVPOLL], 0, change_item(t, EVPOLL, &c), s->arg[1]);
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
	set_error(&r[1], 0, change_item(t, EVPOLL, &c), s->arg[1]);
	if (agree(r, true))
		return true;
	return differ(w, "an unknown bit (in place of epoll's errno: EINVAL)", r);
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
		set_error(&r[EPOLL], i, change_item(t, EPOLL, &c[EPOLL][i]), slot);
		if (!r[EPOLL].ev[i].events)
			note_item(w, t, op, &c[EPOLL][i], false);
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
	if (!wait)
		return true;
	return t->ringed ? ring_looks_agree(w, t, looked) : looks_agree(w, t, looked);
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
		twin_destroy(t);
		return true;
	case ADD:
	case ADD_URING:
		return step_change(w, t, EPOLL_CTL_ADD, slot->fd, s);
	case MOD:
	case MOD_URING:
		return step_change(w, t, EPOLL_CTL_MOD, slot->fd, s);
	case DEL:
	case DEL_URING:
		return step_change(w, t, EPOLL_CTL_DEL, slot->fd, s);
	case FORGET:
		return t->flavour == OUTER || step_forget(w, t, slot, s);
	case NEST:
		/* epoll in evpoll is refused. */
		if (below->flavour == OUTER)
			return true;
		/* As in polls_agree() */
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
	case READY_RING:
		return t->flavour == OUTER || step_ready_ring(w, t, s->arg[1]);
	case POLL:
		t->polled = true;
		return polls_agree(w, t);
	case WAIT:
		return look(w, t, BY_CALL, s->arg[1], -1);
	case WAIT_READ:
		return look(w, t, BY_READING, s->arg[1], -1);
	case WAIT_URING:
		return look(w, t, BY_URING, s->arg[1], -1);
	case WAIT_HARVEST:
		return look(w, t, BY_HARVEST, s->arg[1], -1);
	case WAIT_BAD:
		return look(w, t, s->arg[1] % 3, s->arg[1], s->arg[2]);
	}
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
