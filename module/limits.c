// SPDX-License-Identifier: GPL-2.0-only
/*
 * The limit of watches per user, fs.evpoll.max_user_watches, which is like that of fs.epoll in
 * epoll(7).
 *
 * epoll counts in struct user_struct, which a module cannot extend. So evpoll has a structure of
 * its own for each user, in an xarray by user id. Instances hold references on it.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/percpu_counter.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>

#include "compat.h"
#include "evpoll.h"
#include "limits.h"

/**
 * struct evpoll_user - the watches of one user
 * @refs: number of instances; lock of evpoll_users
 * @uid: index in evpoll_users; constant
 * @watches: number of items of all these instances
 */
struct evpoll_user {
	unsigned long refs;
	unsigned long uid;
	struct percpu_counter watches;
};

/* XA_FLAGS_LOCK_IRQ, because the last reference may be dropped in softirq. */
static DEFINE_XARRAY_FLAGS(evpoll_users, XA_FLAGS_LOCK_IRQ);

/*
 * The user whose last instance was freed last, or NULL. It stays in evpoll_users, because a program
 * is often the only one of its user that has an instance, and may open the next one soon. Lock of
 * evpoll_users.
 */
static struct evpoll_user *evpoll_idle_user;

static unsigned long max_user_watches __read_mostly;
static unsigned long max_user_watches_max = LONG_MAX;
static struct ctl_table_header *evpoll_sysctl;

static struct ctl_table evpoll_table[] = {
	{
		.procname = "max_user_watches",
		.data = &max_user_watches,
		.maxlen = sizeof(max_user_watches),
		.mode = 0644,
		.proc_handler = proc_doulongvec_minmax,
		.extra2 = &max_user_watches_max,
	},
	COMPAT_SYSCTL_END
};

static struct evpoll_user *evpoll_user_alloc(unsigned long uid)
{
	struct evpoll_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);

	if (!user)
		return NULL;
	if (percpu_counter_init(&user->watches, 0, GFP_KERNEL_ACCOUNT)) {
		kfree(user);
		return NULL;
	}
	user->refs = 1;
	user->uid = uid;
	return user;
}

static void evpoll_user_free(struct evpoll_user *user)
{
	percpu_counter_destroy(&user->watches);
	kfree(user);
}

/*
 * Returns the user of @uid with a reference. If there is none, inserts @new (unless that is NULL)
 * and returns NULL. May return an error of the xarray.
 */
static struct evpoll_user *evpoll_user_insert(unsigned long uid, struct evpoll_user *new)
{
	struct evpoll_user *user;

	xa_lock_irq(&evpoll_users);
	user = new ? __xa_cmpxchg(&evpoll_users, uid, NULL, new, GFP_KERNEL_ACCOUNT)
		   : xa_load(&evpoll_users, uid);
	if (user && !xa_is_err(user))
		user->refs++;
	if (user == evpoll_idle_user)
		evpoll_idle_user = NULL;
	xa_unlock_irq(&evpoll_users);
	return user;
}

struct evpoll_user *evpoll_user_get(void)
{
	unsigned long uid = from_kuid(&init_user_ns, current_user()->uid);
	struct evpoll_user *user, *new;

	user = evpoll_user_insert(uid, NULL);
	if (user)
		return user;
	new = evpoll_user_alloc(uid);
	if (!new)
		return ERR_PTR(-ENOMEM);
	user = evpoll_user_insert(uid, new);
	if (!user)
		return new;
	evpoll_user_free(new);
	return xa_is_err(user) ? ERR_PTR(xa_err(user)) : user;
}

void evpoll_user_put(struct evpoll_user *user)
{
	struct evpoll_user *old = NULL;
	unsigned long flags;

	xa_lock_irqsave(&evpoll_users, flags);
	if (!--user->refs) {
		old = evpoll_idle_user;
		evpoll_idle_user = user;
	}
	if (old)
		__xa_erase(&evpoll_users, old->uid);
	xa_unlock_irqrestore(&evpoll_users, flags);
	if (old)
		evpoll_user_free(old);
}

/*
 * Several tasks at the limit may see ENOSPC early, because an ADD that fails counts until it has
 * failed. epoll does the same.
 */
int evpoll_user_charge(struct evpoll_user *user, unsigned int nr)
{
	/* Any value that the sysctl has had is good. */
	unsigned long max = READ_ONCE(max_user_watches);

	if (max < nr || percpu_counter_compare(&user->watches, max - nr) > 0)
		return -ENOSPC;
	percpu_counter_add(&user->watches, nr);
	return 0;
}

void evpoll_user_uncharge(struct evpoll_user *user, unsigned int nr)
{
	percpu_counter_sub(&user->watches, nr);
}

int evpoll_limits_init(void)
{
	struct sysinfo si;

	/* The default is epoll's: as many watches as fit into 4 % of low memory. */
	si_meminfo(&si);
	max_user_watches = ((si.totalram - si.totalhigh) / 25 << PAGE_SHIFT) /
			   sizeof(struct evpoll_item);
	evpoll_sysctl = register_sysctl("fs/evpoll", evpoll_table);
	return evpoll_sysctl ? 0 : -ENOMEM;
}

void evpoll_limits_exit(void)
{
	unregister_sysctl_table(evpoll_sysctl);
	if (evpoll_idle_user)
		evpoll_user_free(evpoll_idle_user);
	xa_destroy(&evpoll_users);
}
