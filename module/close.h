/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * close.c: the close hook.
 */
#ifndef EVPOLL_CLOSE_H
#define EVPOLL_CLOSE_H

int evpoll_close_init(void);
void evpoll_close_exit(void);

#endif /* EVPOLL_CLOSE_H */
