/* SPDX-License-Identifier: GPL-2.0-only */
/* What twins.c, which changes the two sides of a twin, and look.c, which looks at them, share. */
#ifndef TWINS_H
#define TWINS_H

#include "fuzzer.h"

enum how { BY_CALL, BY_READING, BY_URING };

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

/* twins.c: gives the evpoll side its settings. Ends an open window. */
void set_flavour(int fd, enum flavour flavour);

/* result.c: @r has a result for each side */
bool agree(const struct result *r, bool ordered);
bool differ(struct world *w, const char *what, const struct result *r);
void trace(struct world *w, const char *what, const struct result *r);
void set_error(struct result *r, int i, int error, unsigned int slot);

/* uring.c */
int uring_change(enum mechanism by, int ep, const struct evpoll_ctl *c);
ssize_t uring_read(int ep, struct epoll_event *to, int max);

/* look.c */
void end_windows(const struct world *w, const struct twin *t);
void wait_once(const struct twin *t, int side, enum how how, struct epoll_event *to, int max,
	       struct result *r);
void wait_changing(const struct twin *t, struct evpoll_ctlv *ctlv, struct result *r);
bool looks_agree(struct world *w, struct twin *t, struct result *r);
bool look(struct world *w, struct twin *t, enum how how, int max, int room);
bool polls_agree(struct world *w, struct twin *t);

#endif /* TWINS_H */
