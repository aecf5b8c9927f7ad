// SPDX-License-Identifier: GPL-2.0-only
/*
 * Twins whose evpoll side has a ready ring. The ring tells the bits that wakers named, in the order
 * in which they named them. A call polls the files instead. So a look at such a twin takes all
 * events of both sides, and what it returns has rules of its own: Documentation/fuzzing.rst.
 */
#include "twins.h"

/* The events of the ring. A waker names those of a line together, whatever a poll says of each. */
#define READS (EPOLLIN | EPOLLRDNORM)
#define WRITES (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)

/* All events that poll(2) can tell of, which is what programs ask for */
#define ALL_EVENTS (POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | \
		    POLLWRBAND | POLLMSG | POLLRDHUP)

/* With the events that poll_files() returns for a file: it could poll the file. */
#define POLLED 0x8000

/* Calls of a look, so that one that never ends is a difference */
#define CALLS 20

enum teller { EPOLL_WAIT, HARVEST, CALL, TELLERS };

/**
 * struct told - what a look was told of an item
 * @data: the item
 * @mask: the events, by teller
 * @times: how often
 * @at: when it was told first, as a number that grows within the look
 */
struct told {
	uint64_t data;
	uint32_t mask[TELLERS];
	int times[TELLERS];
	int at[TELLERS];
};

/**
 * struct account - all that a look was told
 * @n: number of items
 * @told: the items
 * @events: number of events
 * @wrong: what is wrong with the way in which something was told, or NULL
 */
struct account {
	int n;
	struct told told[2 * LOOK];
	int events;
	const char *wrong;
};

static struct registration *item_of(struct world *w, uint64_t data)
{
	return &w->item[data >> 16 & (STEPS - 1)][(data & 0xffff) % SLOTS];
}

static bool ring_has_entries(const struct twin *t)
{
	uint32_t head = __atomic_load_n(t->ring.head, __ATOMIC_RELAXED);
	uint32_t entry = __atomic_load_n(&t->ring.index[head & t->ring.mask], __ATOMIC_RELAXED);

	return entry & EVPOLL_RING_LAP(head, t->ring.mask + 1);
}

/* May evpoll's side be readable for an event of a ring that the files have no more? */
bool ring_excuses(const struct world *w, const struct twin *t)
{
	if (t->ringed && ring_has_entries(t))
		return true;
	for (int i = 0; i < TWINS && t->nests; i++)
		if (w->twin[i].ringed && ring_has_entries(&w->twin[i]))
			return true;
	return false;
}

/* A twin without a ring watches one with a ring, and finds it readable for such an event. */
void forgive_rings(struct world *w, struct twin *t, struct result *r)
{
	int n = 0;

	if (r[EPOLL].n < 0 || r[EVPOLL].n < 0 || !t->nests || !ring_excuses(w, t))
		return;
	for (int i = 0; i < r[EVPOLL].n; i++) {
		const struct epoll_event *ev = &r[EVPOLL].ev[i];
		bool known = item_of(w, ev->data.u64)->file;

		for (int j = 0; j < r[EPOLL].n; j++)
			known |= r[EPOLL].ev[j].data.u64 == ev->data.u64;
		if (known)
			r[EVPOLL].ev[n++] = *ev;
	}
	r[EVPOLL].n = n;
}

/* Polls all files that may be polled. The events go to @held, by file. */
static void poll_files(const struct world *w, uint16_t *held)
{
	unsigned int file[SLOTS];
	struct pollfd p[SLOTS];
	int n = 0;

	for (int i = 0; i < SLOTS; i++) {
		const struct slot *s = &w->slot[i];

		/* A poll of a file of /proc changes its state. */
		if (!s->open || s->kind == PROC_FILE)
			continue;
		file[n] = file_of(s);
		p[n++] = (struct pollfd){ .fd = s->fd[EVPOLL], .events = ALL_EVENTS };
	}
	if (poll(p, n, 0) < 0)
		return;
	while (n--)
		held[file[n]] |= p[n].revents | POLLED;
}

/* After each step: what the files say now may be what a harvest says later. */
void note_files(struct world *w)
{
	uint16_t held[FILE_IDS] = {};

	if (!w->ringed)
		return;
	poll_files(w, held);
	for (int i = 0; i < TWINS * SLOTS; i++) {
		unsigned int file = file_of(&w->slot[i % SLOTS]);

		if (w->twin[i / SLOTS].ringed && w->slot[i % SLOTS].open)
			w->twin[i / SLOTS].held[file] |= held[file];
	}
}

/* Wake callbacks that did not put their event into the ring */
static uint64_t classic_callbacks(const struct twin *t)
{
	struct evpoll_stats stats = {};

	ioctl(t->fd[EVPOLL], EVPOLL_IOC_GET_STATS, &stats);
	return stats.callbacks - stats.published;
}

void ring_unmap(struct twin *t)
{
	if (t->ringed)
		evpoll_ring_close(&t->ring);
	t->ringed = false;
}

bool step_ready_ring(struct world *w, struct twin *t, unsigned int n)
{
	struct epoll_event ev[LOOK];
	bool registered = items_read(t->fd[EPOLL], ANY_NUMBER, ev);
	struct result r[2] = {};
	struct evpoll_ring ring;
	int error;

	error = evpoll_ring_create(&ring, t->fd[EVPOLL], 1U << n % 7) ? errno : 0;
	/* epoll has no ring, and the first row has what is expected. */
	set_error(&r[EPOLL], 0, t->ringed ? EEXIST : registered ? EBUSY : 0, 0);
	set_error(&r[EVPOLL], 0, error, 0);
	trace(w, "the ring", r);
	if (!error && !t->ringed) {
		t->ring = ring;
		t->ringed = true;
		w->ringed = true;
	}
	return agree(r, true) || differ(w, "the ring (in place of epoll: what is expected)", r);
}

static struct told *told_of(struct account *a, uint64_t data)
{
	for (int i = 0; i < a->n; i++)
		if (a->told[i].data == data)
			return &a->told[i];
	if (a->n == 2 * LOOK)
		return NULL;
	a->told[a->n] = (struct told){ .data = data };
	return &a->told[a->n++];
}

/* Adds what a call or a harvest returned. Returns whether there is an item that was not told. */
static bool add(struct world *w, struct account *a, const struct result *r, enum teller who)
{
	bool news = false;

	if (r->n < 0)
		a->wrong = "a call that fails";
	for (int i = 0; i < r->n; i++) {
		struct told *told = told_of(a, r->ev[i].data.u64);

		for (int j = 0; j < i; j++)
			if (r->ev[j].data.u64 == r->ev[i].data.u64)
				a->wrong = "an item twice in one array";
		if (!told || !r->ev[i].events) {
			a->wrong = told ? "an event without a bit" : "events of too many items";
			return false;
		}
		if (!told->times[who]++) {
			told->at[who] = a->events;
			news = true;
		} else if (item_of(w, told->data)->kind == PROC_FILE) {
			/* The later calls of a look poll it again, which epoll does not. */
			continue;
		}
		told->mask[who] |= r->ev[i].events;
		a->events++;
	}
	return news;
}

/* Harvests until the ring is empty, at most @max events at a time. */
static void harvest_all(struct world *w, struct twin *t, int max, struct account *a)
{
	struct result r = {};

	for (int i = 0; i < CALLS * LOOK; i++) {
		r.n = evpoll_ring_harvest(&t->ring, r.ev, max);
		if (!r.n)
			return;
		w->harvested += r.n;
		add(w, a, &r, HARVEST);
	}
	a->wrong = "a ring without end";
}

/* The call after a harvest. The ring's flags must have said that it brings something. */
static void call_after_harvest(struct world *w, const struct twin *t, struct account *a)
{
	bool more = __atomic_load_n(t->ring.flags, __ATOMIC_RELAXED) & EVPOLL_RING_MORE;
	struct result r;

	wait_once(t, EVPOLL, BY_CALL, r.ev, LOOK, &r);
	add(w, a, &r, CALL);
	if (r.n > 0 && !more && !may_be_late(w))
		a->wrong = "events without EVPOLL_RING_MORE";
}

/*
 * The ready list and the ring have their turns, and each call brings level-triggered events again.
 * So calls go on as long as they bring something new, and there are two of them at least.
 */
static void call_alone(struct world *w, const struct twin *t, enum how way, struct account *a)
{
	struct result r;
	bool news;

	for (int i = 0; i < CALLS; i++) {
		wait_once(t, EVPOLL, way, r.ev, LOOK, &r);
		news = add(w, a, &r, CALL);
		if (i && !news)
			return;
	}
	a->wrong = "calls that bring new items without end";
}

static void look_once(struct world *w, struct twin *t, enum how how, int max, struct account *a)
{
	struct result r;

	wait_once(t, EPOLL, BY_CALL, r.ev, LOOK, &r);
	add(w, a, &r, EPOLL_WAIT);
	if (how != BY_HARVEST) {
		call_alone(w, t, how, a);
		return;
	}
	harvest_all(w, t, max, a);
	call_after_harvest(w, t, a);
}

/* The events that wakers may name if @held have been true */
static uint32_t may_be_named(enum kind kind, uint32_t held)
{
	/* sock_def_readable() names EPOLLIN and EPOLLPRI, whichever of the two holds. */
	if (held & (READS | EPOLLPRI | EPOLLRDBAND))
		held |= READS;
	if (held & WRITES)
		held |= WRITES;
	switch (kind) {
	case PIPE:
	case FIFO:
		/* A read from a full pipe wakes writers, also if no buffer has become free. */
	case UNIX_DGRAM:
	case UNIX_SENDER:
		/* A sender that has room again is woken, also if the receiver is full. */
		return held | WRITES;
	default:
		return held;
	}
}

/* What is wrong with the mask of @told, as far as it came from a waker? */
static const char *waker_is_wrong(const struct twin *t, const struct told *told, uint32_t mask,
				  const struct registration *item, const uint16_t *now)
{
	if (mask & ~(item->events | EPOLLERR | EPOLLHUP))
		return "a bit that was not asked for";
	/* Nobody knows what a twin said, or a file that no slot has any more. */
	if (!item->file || !(now[item->file] & POLLED))
		return NULL;
	if (mask & now[item->file] & ~told->mask[EPOLL_WAIT])
		return "a bit that holds and that epoll does not report";
	if (mask & ~may_be_named(item->kind, t->held[item->file]))
		return "a bit that did not hold at any time";
	return NULL;
}

static const char *item_is_wrong(struct world *w, const struct twin *t, const struct told *told,
				 bool exact, bool classic, const uint16_t *now)
{
	const struct registration *item = item_of(w, told->data);
	bool level = !(item->events & (EPOLLET | EPOLLONESHOT));
	uint32_t epoll = told->mask[EPOLL_WAIT], call = told->mask[CALL];
	int once = told->times[EPOLL_WAIT] > 1 ? told->times[EPOLL_WAIT] : 1;

	if (!item->file && !epoll && ring_excuses(w, t))
		return NULL;
	if (epoll && !call && !told->times[HARVEST])
		return "an event that is lost";
	if ((level || (exact && call)) && call != epoll)
		return "the mask of a call";
	if (!level && told->times[HARVEST] + told->times[CALL] >
		      once + (classic && !(item->events & EPOLLONESHOT))) {
		w->late = w->asynchronous || w->nested;
		return "an event that is told too often";
	}
	return waker_is_wrong(t, told, told->mask[HARVEST] | (level || exact ? 0 : call), item,
			      now);
}

/* Does the order of events say something about this item? See Documentation/fuzzing.rst. */
static bool has_place(struct world *w, const struct twin *t, const struct told *told, bool classic)
{
	const struct registration *item = item_of(w, told->data);

	if (!item->file || !told->times[EPOLL_WAIT] || !told->times[HARVEST])
		return false;
	if (item->since == t->looks && item->changed)
		return false;
	if (item->events & (EPOLLET | EPOLLONESHOT))
		return true;
	return item->since < t->looks && item->told != t->looks && !classic;
}

static bool order_is_wrong(struct world *w, const struct twin *t, const struct account *a,
			   bool classic)
{
	if (t->polled || t->leftover || t->watched || (w->realtime && w->asynchronous) ||
	    (w->asynchronous && t->exclusive) || (t->rotates && t->beside))
		return false;
	for (int i = 0; i < a->n; i++) {
		const struct told *x = &a->told[i];

		for (int j = 0; has_place(w, t, x, classic) && j < i; j++) {
			const struct told *y = &a->told[j];

			bool by_epoll = x->at[EPOLL_WAIT] < y->at[EPOLL_WAIT];
			bool by_ring = x->at[HARVEST] < y->at[HARVEST];

			if (has_place(w, t, y, classic) && by_epoll != by_ring)
				return true;
		}
	}
	return false;
}

/* What is wrong with the look, NULL if nothing is. @again: something came during the look */
static const char *account_is_wrong(struct world *w, struct twin *t, const struct account *a,
				    enum how how, bool again)
{
	bool exact = how == BY_HARVEST && !may_be_late(w);
	bool classic = classic_callbacks(t) != t->classic;
	uint16_t now[FILE_IDS] = {};
	const char *wrong;

	if (a->wrong)
		return a->wrong;
	note_files(w);
	poll_files(w, now);
	for (int i = 0; i < a->n; i++) {
		wrong = item_is_wrong(w, t, &a->told[i], exact, classic, now);
		if (wrong)
			return wrong;
	}
	if (how == BY_HARVEST && !again && order_is_wrong(w, t, a, classic)) {
		w->late = w->asynchronous;
		return "the order of the ring";
	}
	return NULL;
}

static bool account_differs(struct world *w, const char *what, const struct account *a)
{
	static const char *const name[TELLERS] = { "epoll", "ring", "calls" };
	struct result r[TELLERS] = {};

	for (int who = 0; who < TELLERS; who++)
		for (int at = 0; at < a->events; at++)
			for (int i = 0; i < a->n && r[who].n < LOOK; i++)
				if (a->told[i].times[who] && a->told[i].at[who] == at)
					r[who].ev[r[who].n++] = (struct epoll_event){
						a->told[i].mask[who],
						{ .u64 = a->told[i].data },
					};
	write_rows(w, what, r, name, TELLERS);
	return false;
}

/*
 * The ring told of a one-shot item and epoll did not, because the file has the event no more. Arms
 * the item again on both sides. Where that is impossible, this is the end of the twin.
 */
static void arm_again(struct world *w, struct twin *t, const struct told *told)
{
	struct registration *item = item_of(w, told->data);
	const struct slot *s = &w->slot[(told->data & 0xffff) % SLOTS];
	bool armed = item->file && s->open && file_of(s) == item->file;

	for (int side = 0; side < 2 && armed; side++) {
		struct evpoll_ctl c = {
			.op = EPOLL_CTL_MOD, .fd = s->fd[side], .events = item->events,
			.data = told->data,
		};

		armed = !change_item(t, side, &c);
	}
	item->since = t->looks;
	item->changed = true;
	if (!armed)
		twin_destroy(t);
}

static void end_look(struct world *w, struct twin *t, const struct account *a)
{
	t->looks++;
	for (int i = 0; i < a->n; i++)
		if (a->told[i].times[EPOLL_WAIT])
			item_of(w, a->told[i].data)->told = t->looks;
	t->polled = false;
	t->leftover = ring_has_entries(t);
	t->classic = classic_callbacks(t);
	memset(t->held, 0, sizeof(t->held));
	poll_files(w, t->held);
	for (int i = 0; i < a->n && t->open; i++)
		if ((item_of(w, a->told[i].data)->events & EPOLLONESHOT) &&
		    !a->told[i].times[EPOLL_WAIT])
			arm_again(w, t, &a->told[i]);
}

/* Goes on with a look: until both sides have told the same, if events may be late. */
static bool look_on(struct world *w, struct twin *t, enum how how, int max, struct account *a)
{
	long long end = now_ms() + LATEST;
	const char *wrong, *first = NULL;

	for (bool again = false;; again = true) {
		look_once(w, t, how, max, a);
		wrong = account_is_wrong(w, t, a, how, again);
		if (!first && w->trace) {
			account_differs(w, "the look", a);
			fputs(w->why, stdout);
			w->why[0] = 0;
		}
		if (!wrong)
			break;
		first = first ?: wrong;
		if (!may_be_late(w) || now_ms() > end)
			return account_differs(w, wrong, a);
		sched_yield();
	}
	w->interrupted += !!first;
	end_look(w, t, a);
	return true;
}

/* @max: of a harvest. @room: as in look() */
bool ring_look(struct world *w, struct twin *t, enum how how, int max, int room)
{
	struct account a = {};
	struct result r[2];

	end_windows(w, t);
	for (int side = 0; side < 2 && room >= 0; side++) {
		wait_once(t, side, how, bad_buffer(room), LOOK, &r[side]);
		if (r[side].n > room || (r[side].n < 0 && r[side].error != EFAULT))
			a.wrong = "a wait with a bad buffer";
		else if (r[side].n > 0)
			add(w, &a, &r[side], side == EPOLL ? EPOLL_WAIT : CALL);
	}
	return look_on(w, t, how, max < LOOK ? max : LOOK, &a);
}

/* The look has begun with a wait on each side. */
bool ring_looks_agree(struct world *w, struct twin *t, const struct result *begun)
{
	struct account a = {};

	add(w, &a, &begun[EPOLL], EPOLL_WAIT);
	add(w, &a, &begun[EVPOLL], CALL);
	return look_on(w, t, BY_CALL, LOOK, &a);
}
