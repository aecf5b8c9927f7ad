/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * limits.c: how many watches a user may have.
 */
#ifndef EVPOLL_LIMITS_H
#define EVPOLL_LIMITS_H

struct evpoll_user;

/* The caller's user, with a reference; or an ERR_PTR. */
struct evpoll_user *evpoll_user_get(void);

/* Drops a reference. In any context but a hard interrupt. */
void evpoll_user_put(struct evpoll_user *user);

/* Counts @nr watches. Returns 0, or -ENOSPC at the limit. */
int evpoll_user_charge(struct evpoll_user *user, unsigned int nr);

/* Undoes evpoll_user_charge(). */
void evpoll_user_uncharge(struct evpoll_user *user, unsigned int nr);

int evpoll_limits_init(void);
void evpoll_limits_exit(void);

#endif /* EVPOLL_LIMITS_H */
