// SPDX-License-Identifier: GPL-2.0-only
/*
 * The close hook: removes the items of a watched file when the file is closed for the last time.
 *
 * __fput() tells epoll of the close through file->f_ep. A module has nothing like that, so it hooks
 * a function there with ftrace, as live patching and tracers do. FTRACE_OPS_FL_PERMANENT keeps
 * kernel.ftrace_enabled=0 from disabling the hook. FTRACE_OPS_FL_RECURSION is not set, because
 * nothing in the hook closes a file, and ftrace would turn preemption off to guard against
 * recursion.
 *
 * So the hook runs in process context and can be preempted, like its caller. PREEMPT_RT needs that
 * to take a spinlock_t. The hook must not sleep on purpose: ftrace frees its trampoline after
 * synchronize_rcu_tasks(), which assumes that a task which sleeps has left the trampoline.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/module.h>

#include "close.h"
#include "compat.h"
#include "item.h"
#include "watched.h"

/* Number of tasks in the hook that have found an item, see evpoll_close_exit(). */
static atomic_t evpoll_in_hook = ATOMIC_INIT(0);

/* The file may be watched, and its last reference is gone. */
static noinline void evpoll_release_items(struct file *file)
{
	struct evpoll_item *item;
	bool preempt_on;

	/*
	 * Check FMODE_OPENED first: after a failed open, f_op may be NULL or its module may be
	 * gone, and evpoll_watched_first() reads f_op. Such a file may also look like an instance
	 * that it does not have.
	 */
	if (!(file->f_mode & FMODE_OPENED) || !evpoll_watched_first(file))
		return;
	atomic_inc(&evpoll_in_hook);
	/*
	 * If another tracer hooks the same function, ftrace calls all hooks in a loop with
	 * preemption off. PREEMPT_RT may have to sleep for a spinlock_t, so enable preemption
	 * there. That is safe: the caller of the hooked function may sleep, and ftrace disables
	 * preemption only to protect its walk over the hooks. The walk is at this hook, which stays
	 * registered.
	 */
	preempt_on = IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible();
	if (preempt_on)
		preempt_enable();
	while ((item = evpoll_watched_first(file))) {
		/*
		 * A file may have millions of items. cond_resched() does not count as a sleep for
		 * synchronize_rcu_tasks(), and the item keeps the module from being unloaded.
		 */
		if (preemptible())
			cond_resched();
		evpoll_item_remove(item);
	}
	if (preempt_on)
		preempt_disable();
	atomic_dec(&evpoll_in_hook);
}

/* Nearly every close of the system ends with the check here. */
static void notrace evpoll_fput_hook(unsigned long ip, unsigned long parent_ip,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct file *file = (struct file *)compat_ftrace_argument(fregs, 0);

	if (evpoll_may_be_watched(file))
		evpoll_release_items(file);
}

static struct ftrace_ops evpoll_fput_ops = {
	.func = evpoll_fput_hook,
	.flags = FTRACE_OPS_FL_PERMANENT | COMPAT_FTRACE_OPS_FL_ARGS,
};

/*
 * The functions to hook, the better one first. Both have the file as their first argument.
 *
 * Only __fput() calls locks_remove_file(). It does so for every file that was opened, before
 * ->release. The function is in another source file, so the compiler cannot inline a part of it.
 * __fput() is a static function that begins with a test, and the compiler may move that test into
 * its callers, with a copy of the function that the hook would miss. It is for kernels without file
 * locks and for kernels built with LTO.
 */
static char * const evpoll_fput_names[] = { "locks_remove_file", "__fput" };

/*
 * If ftrace has no memory for the entry, it adds nothing to the filter and may report success,
 * because kernels such as 6.1 take the -ENOMEM of match_records() for a match. An empty filter
 * means all functions of the kernel, so check for it: all empty filters are the same object.
 */
static int evpoll_set_filter(char *name)
{
	struct ftrace_hash __rcu *empty;
	int error;

	error = ftrace_set_filter(&evpoll_fput_ops, NULL, 0, 1);
	if (error)
		return error;
	empty = evpoll_fput_ops.func_hash->filter_hash;
	error = ftrace_set_filter(&evpoll_fput_ops, name, strlen(name), 0);
	if (!error && evpoll_fput_ops.func_hash->filter_hash == empty)
		error = -ENOMEM;
	return error;
}

int evpoll_close_init(void)
{
	int error = -EINVAL;	/* what ftrace returns for an unknown name */
	int i;

	for (i = 0; error == -EINVAL && i < ARRAY_SIZE(evpoll_fput_names); i++)
		error = evpoll_set_filter(evpoll_fput_names[i]);
	if (error) {
		if (error == -EINVAL)
			pr_err("ftrace finds neither %s (CONFIG_FILE_LOCKING) nor %s\n",
			       evpoll_fput_names[0], evpoll_fput_names[1]);
		goto err_filter;
	}
	error = register_ftrace_function(&evpoll_fput_ops);
	if (error) {
		pr_err("cannot hook %s, error %d: is kernel.ftrace_enabled 0?\n",
		       evpoll_fput_names[i - 1], error);
		goto err_filter;
	}
	return 0;

err_filter:
	ftrace_free_filter(&evpoll_fput_ops);
	return error;
}

/* All items are gone. A task that removed the last ones may still be in the hook. */
void evpoll_close_exit(void)
{
	/*
	 * On PREEMPT_RT such a task may sleep for a lock, and unregister_ftrace_function() does not
	 * wait for sleepers. So poll the counter. The hook cannot wake this task at its end,
	 * because a wakeup takes a lock itself.
	 */
	while (atomic_read(&evpoll_in_hook))
		msleep(20);
	/* Waits for all tasks in the hook. It fails only if ftrace itself has failed before. */
	WARN_ON(unregister_ftrace_function(&evpoll_fput_ops));
	ftrace_free_filter(&evpoll_fput_ops);
}
