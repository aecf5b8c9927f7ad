// SPDX-License-Identifier: GPL-2.0-only
/*
 * IORING_OP_URING_CMD on an instance: changes of registrations by io_uring(7), without a system
 * call for each.
 *
 * io_uring calls first with IO_URING_F_NONBLOCK, in the task that submits. If the command would
 * have to wait for a mutex, or may take long, it returns EAGAIN. Then io_uring calls again from a
 * worker thread, which may wait.
 *
 * The command may still be in the entry of the submission queue, which user space can change at any
 * moment. So each field is read once.
 */
#include <linux/uaccess.h>

#include "compat.h"
#include "copy.h"
#include "ctl.h"
#include "ctlv.h"
#include "uring.h"

static int evpoll_uring_ctl(struct file *file, unsigned int cmd, const void __user *arg,
			    bool nonblock)
{
	struct evpoll_ctl ctl;
	int error;

	error = evpoll_copy_arg(&ctl, sizeof(ctl), cmd, arg);
	if (error)
		return error;
	return ctl.result ? -EINVAL : evpoll_ctl_one(file, &ctl, nonblock);
}

static int evpoll_uring_ctlv(struct file *file, unsigned int cmd, void __user *arg)
{
	struct evpoll_ctlv ctlv;
	int error;

	error = evpoll_copy_arg(&ctlv, sizeof(ctlv), cmd, arg);
	if (error)
		return error;
	return evpoll_ctlv_is_wrong(&ctlv) ? -EINVAL : evpoll_ctlv(file, &ctlv, arg);
}

/* EVPOLL_IOC_CTL and EVPOLL_IOC_CTLV. The argument is in user memory, as it is for ioctl(2). */
static int evpoll_uring_ioctl(struct file *file, unsigned int cmd,
			      const struct evpoll_uring_ioctl *sqe, bool nonblock)
{
	void __user *arg = u64_to_user_ptr(READ_ONCE(sqe->arg));

	if (READ_ONCE(sqe->reserved))
		return -EINVAL;
	if (EVPOLL_IOC_NR(cmd) == EVPOLL_IOC_NR(EVPOLL_IOC_CTL))
		return evpoll_uring_ctl(file, cmd, arg, nonblock);
	/* Many changes would hold up the task that submits, so a worker makes them. */
	return nonblock ? -EAGAIN : evpoll_uring_ctlv(file, cmd, arg);
}

/*
 * EVPOLL_URING_EPOLL_CTL: takes what IORING_OP_EPOLL_CTL takes, and has its errors. One is added:
 * ELOOP for an epoll file.
 */
static int evpoll_uring_epoll_ctl(struct file *file, const struct evpoll_uring_epoll_ctl *sqe,
				  bool nonblock)
{
	struct evpoll_ctl ctl = { .op = READ_ONCE(sqe->op), .fd = READ_ONCE(sqe->fd) };
	struct epoll_event event;

	if (ctl.op != EPOLL_CTL_DEL) {
		if (copy_from_user(&event, u64_to_user_ptr(READ_ONCE(sqe->event)), sizeof(event)))
			return -EFAULT;
		ctl.events = evpoll_mask_from_epoll((__force u32)event.events);
		ctl.data = event.data;
	}
	/* epoll has no FORGET, so make it one that does not exist: EINVAL. */
	if (ctl.op == EVPOLL_CTL_FORGET)
		ctl.op = 0;
	return evpoll_ctl_one(file, &ctl, nonblock);
}

/* EVPOLL_URING_EPOLL_CTL is no ioctl, so no version of it has another size. */
static int evpoll_uring_do(struct io_uring_cmd *cmd, bool nonblock)
{
	/* No command has a use for buffers of io_uring. */
	if (cmd->flags & IORING_URING_CMD_MASK)
		return -EINVAL;
	switch (EVPOLL_IOC_NR(cmd->cmd_op)) {
	case EVPOLL_IOC_NR(EVPOLL_IOC_CTL):
	case EVPOLL_IOC_NR(EVPOLL_IOC_CTLV):
		return evpoll_uring_ioctl(cmd->file, cmd->cmd_op,
					  compat_uring_cmd(cmd, struct evpoll_uring_ioctl),
					  nonblock);
	}
	if (cmd->cmd_op == EVPOLL_URING_EPOLL_CTL)
		return evpoll_uring_epoll_ctl(cmd->file,
					      compat_uring_cmd(cmd, struct evpoll_uring_epoll_ctl),
					      nonblock);
	return -ENOTTY;
}

int evpoll_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	int ret = evpoll_uring_do(cmd, issue_flags & IO_URING_F_NONBLOCK);

	return compat_uring_result(cmd, ret, issue_flags);
}
