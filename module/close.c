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

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/wait_bit.h>

#include "close.h"
#include "compat.h"
#include "file.h"
#include "item.h"
#include "watched.h"

/* Number of tasks in the hook that have found an item, see evpoll_close_exit(). */
static atomic_t evpoll_in_hook = ATOMIC_INIT(0);

/* The file that evpoll_close_try() closes. The hook clears this when it sees that. */
static struct file *evpoll_trial;

static void evpoll_trial_end(void)
{
	/* Pairs with READ_ONCE() in evpoll_close_try(). */
	WRITE_ONCE(evpoll_trial, NULL);
	/* Orders the store before wake_up_var() looks for sleepers. */
	smp_mb();
	wake_up_var(&evpoll_trial);
}

/* The file may be watched, and its last reference is gone. */
static noinline void evpoll_release_items(struct file *file)
{
	/* Pairs with WRITE_ONCE() in evpoll_close_try(). */
	bool trial = file == READ_ONCE(evpoll_trial);
	struct evpoll_item *item;
	bool preempt_on;

	/*
	 * Check FMODE_OPENED first: after a failed open, f_op may be NULL or its module may be
	 * gone, and evpoll_watched_first() reads f_op. Such a file may also look like an instance
	 * that it does not have.
	 */
	if (!trial && (!(file->f_mode & FMODE_OPENED) || !evpoll_watched_first(file)))
		return;
	atomic_inc(&evpoll_in_hook);
	/*
	 * If another tracer hooks the same function, ftrace calls all hooks in a loop with
	 * preemption off. PREEMPT_RT may have to sleep for a spinlock_t, so enable preemption
	 * there. Without CONFIG_PREEMPT_COUNT, evpoll_cond_resched() gives way in that loop too.
	 * That is safe: the caller of the hooked function may sleep, and ftrace disables preemption
	 * only to protect its walk over the hooks. The walk is at this hook, which stays
	 * registered.
	 */
	preempt_on = IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible();
	if (preempt_on)
		preempt_enable();
	if (trial)
		evpoll_trial_end();
	/* The file of the trial has no items. */
	while ((item = evpoll_watched_first(file))) {
		/*
		 * A file may have millions of items. cond_resched() does not count as a sleep for
		 * synchronize_rcu_tasks(), and the item keeps the module from being unloaded.
		 */
		evpoll_cond_resched();
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

/*
 * Closes a file of our own, and refuses to load if the hook does not see it. With link-time
 * optimization, for example, a function may be in the symbol table while all its callers have a
 * copy of it.
 */
static int evpoll_close_try(const char *name)
{
	/* The file may live on after a failure, so its operations are not the module's. */
	struct file *file = anon_inode_getfile("[evpoll]", &generic_ro_fops, NULL, O_RDONLY);
	atomic_t *counter;
	bool seen;

	if (IS_ERR(file))
		return PTR_ERR(file);
	/* Pairs with READ_ONCE() in evpoll_release_items(). */
	WRITE_ONCE(evpoll_trial, file);
	/* The hook looks closer at files whose counter is not 0. */
	counter = evpoll_watched_counter(file);
	atomic_inc(counter);
	/* The last reference: leaves the file to a worker, and calls that worker's function. */
	evpoll_fput(file);
	flush_delayed_fput();
	/* Another flush may have taken the file from the worker first, and be at it still. */
	seen = wait_var_event_timeout(&evpoll_trial, !READ_ONCE(evpoll_trial), HZ);
	atomic_dec(counter);
	if (seen)
		return 0;
	pr_err("the kernel closed a file without a call of %s: is it built with LTO?\n", name);
	return -ENXIO;
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
	error = evpoll_close_try(evpoll_fput_names[i - 1]);
	if (error)
		goto err_register;
	return 0;

err_register:
	evpoll_close_exit();
	return error;
err_filter:
	ftrace_free_filter(&evpoll_fput_ops);
	return error;
}
