// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm-exit [STATUS]: end the virtual machine at once. STATUS goes to the host through QEMU's
 * isa-debug-exit, which turns the value v into the exit status 2 * v + 1. qemu/shared/boot.sh
 * computes STATUS from that. vm-exit adds 16, so that no status looks like an error of QEMU itself.
 */
#include <stdlib.h>
#include <stdio.h>
#include <sys/io.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status = argc > 1 ? atoi(argv[1]) : 0;

	if (ioperm(0xf4, 1, 1)) {
		perror("vm-exit");
		return 1;
	}
	outb(16 + (status >= 0 && status < 40 ? status : 1), 0xf4);
	/* QEMU may take a moment to stop, and if init ended meanwhile, the kernel would panic. */
	for (;;)
		pause();
}
