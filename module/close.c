// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a watched file.
 *
 * epoll is told by __fput() through file->f_ep. A module is not: we attach to __fput() with
 * ftrace, as live patching and tracers do. FTRACE_OPS_FL_PERMANENT keeps
 * kernel.ftrace_enabled=0 from taking the hook away. FTRACE_OPS_FL_RECURSION says that the
 * hook cannot come to itself (nothing in it closes a file); without it ftrace would call the
 * hook with preemption off, where PREEMPT_RT cannot take a spinlock_t.
 *
 * The hook runs in process context where sleeping is allowed, but must not sleep on purpose:
 * ftrace frees what brought us here after synchronize_rcu_tasks(), which takes a task that
 * sleeps for one that has left.
 *
 * The items of all instances hang in evpoll_watched, by file. Every close in the system looks
 * there, and nearly every one finds nothing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rhashtable.h>

#include "compat.h"
#include "evpoll.h"

struct rhltable evpoll_watched;

const struct rhashtable_params evpoll_watched_params = {
	.key_len = sizeof_field(struct evpoll_item, file),
	.key_offset = offsetof(struct evpoll_item, file),
	.head_offset = offsetof(struct evpoll_item, by_file),
	.automatic_shrinking = true,
};

/* With the last reference gone nobody but the hook takes items of @file away, or adds one. */
static struct evpoll_item *evpoll_watched_first(struct file *file)
{
	struct rhlist_head *first;

	/* The table may be replaced by a larger or smaller one while we look. */
	rcu_read_lock();
	first = rhltable_lookup(&evpoll_watched, &file, evpoll_watched_params);
	rcu_read_unlock();
	return first ? container_of(first, struct evpoll_item, by_file) : NULL;
}

static void notrace evpoll_fput_hook(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct file *file = (struct file *)compat_ftrace_argument(fregs, 0);
	struct evpoll_item *item;

	while ((item = evpoll_watched_first(file)))
		evpoll_item_remove(item);
}

static struct ftrace_ops evpoll_fput_ops = {
	.func = evpoll_fput_hook,
	.flags = FTRACE_OPS_FL_PERMANENT | FTRACE_OPS_FL_RECURSION | COMPAT_FTRACE_OPS_FL_ARGS,
};

/*
 * __fput() is static, and a compiler may have made clones of it under other names. It calls
 * locks_remove_file(), of another source file, for every file that was opened, before
 * ->release. Both have the file as their first argument.
 */
static char * const evpoll_fput_names[] = { "__fput", "locks_remove_file" };

int evpoll_close_init(void)
{
	int error = -ENOENT;
	int i;

	for (i = 0; error && i < ARRAY_SIZE(evpoll_fput_names); i++)
		error = ftrace_set_filter(&evpoll_fput_ops, evpoll_fput_names[i],
					  strlen(evpoll_fput_names[i]), 1);
	if (error) {
		pr_err("ftrace knows neither __fput nor locks_remove_file: is this kernel built with CONFIG_FUNCTION_TRACER and CONFIG_FILE_LOCKING?\n");
		goto err_filter;
	}
	error = rhltable_init(&evpoll_watched, &evpoll_watched_params);
	if (error)
		goto err_filter;
	error = register_ftrace_function(&evpoll_fput_ops);
	if (error) {
		pr_err("cannot attach to %s, error %d: is kernel.ftrace_enabled 0?\n",
		       evpoll_fput_names[i - 1], error);
		goto err_table;
	}
	return 0;

err_table:
	rhltable_destroy(&evpoll_watched);
err_filter:
	ftrace_free_filter(&evpoll_fput_ops);
	return error;
}

void evpoll_close_exit(void)
{
	/* Waits for those who are in the hook. */
	unregister_ftrace_function(&evpoll_fput_ops);
	ftrace_free_filter(&evpoll_fput_ops);
	rhltable_destroy(&evpoll_watched);
}
