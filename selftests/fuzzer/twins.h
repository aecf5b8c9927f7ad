/* SPDX-License-Identifier: GPL-2.0-only */
/* What twins.c, which changes the two sides of a twin, and look.c, which looks at them, share. */
#ifndef TWINS_H
#define TWINS_H

#include "fuzzer.h"

enum how { BY_CALL, BY_READING, BY_URING, BY_HARVEST };

/* What a look returned, on one side, or changes: @ev has their errors then */
struct result {
	int n;
	int error;
	bool changes;
	struct epoll_event ev[LOOK];
};

/* How to talk to that side */
static inline enum mechanism mechanism(const struct twin *t, int side)
{
	return side == EPOLL || t->flavour == OUTER ? BY_EPOLL : BY_WAIT;
}

/* Names the open file of a slot. Neither 0 nor UNKNOWN_FILE, because objects count from 1. */
static inline unsigned int file_of(const struct slot *s)
{
	return 2 * s->object + s->end;
}

/* twins.c: gives the evpoll side its settings. Ends an open window. */
void set_flavour(int fd, enum flavour flavour);
int change_item(const struct twin *t, int side, const struct evpoll_ctl *c);
void twin_destroy(struct twin *t);

/* result.c: @r has a result for each side */
bool agree(const struct result *r, bool ordered);
bool differ(struct world *w, const char *what, const struct result *r);
void write_rows(struct world *w, const char *what, const struct result *r,
		const char *const *name, int rows);
void trace(struct world *w, const char *what, const struct result *r);
void set_error(struct result *r, int i, int error, unsigned int slot);

/* uring.c */
int uring_change(enum mechanism by, int ep, const struct evpoll_ctl *c);
ssize_t uring_read(int ep, struct epoll_event *to, int max);

/* ms; an event comes within this time, even if this machine is busy */
#define LATEST 3000

/* look.c */
bool may_be_late(const struct world *w);
struct epoll_event *bad_buffer(int room);
void end_windows(const struct world *w, const struct twin *t);
void wait_once(const struct twin *t, int side, enum how how, struct epoll_event *to, int max,
	       struct result *r);
void wait_changing(const struct twin *t, struct evpoll_ctlv *ctlv, struct result *r);
bool looks_agree(struct world *w, struct twin *t, struct result *r);
bool look(struct world *w, struct twin *t, enum how how, int max, int room);
bool polls_agree(struct world *w, struct twin *t);

/* harvest.c */
bool step_ready_ring(struct world *w, struct twin *t, unsigned int n);
bool ring_look(struct world *w, struct twin *t, enum how how, int max, int room);
bool ring_looks_agree(struct world *w, struct twin *t, const struct result *begun);
bool ring_excuses(const struct world *w, const struct twin *t);
void forgive_rings(struct world *w, struct twin *t, struct result *r);

#endif /* TWINS_H */
