#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# boot.sh KERNEL INITRAMFS run|check|record|shell QEMU-OPTION...
#
# Boot, wait, and exit with the status that the guest gave to vm-exit; 124 when it took longer
# than LIMIT seconds, 125 when it ended without a word (a panic ends QEMU).
. "$(dirname "$0")/lib.sh"

kernel=$1
initramfs=$2
mode=$3
shift 3

accel=$(accelerator)
case $accel in
kvm*)	cpu=host ;;
*)	cpu=max ;;
esac
# Until the boot processor's features are known again in identify_cpu(), an interrupt there sees
# five-level page tables missing and KASAN takes the processor's addresses for wild ones. We need four.
cpu=$cpu,la57=off
# See qemu.sh.
if [ "$accel" = tcg,thread=multi ] && [ "$(qemu_version)" -lt 801 ]; then
	accel=tcg,thread=single
fi

# A shell wants its terminal to itself, a log wants everything.
case $mode in
shell)	verbosity=quiet ;;
*)	verbosity=ignore_loglevel ;;
esac

# An oops or an NMI is the end, with the stacks of all processors.
errors="oops=panic unknown_nmi_panic panic_print=0x40 panic=-1"

status=0
timeout --foreground -k 5 "${LIMIT:-0}" \
"$(qemu)" -accel "$accel" -cpu "$cpu" -smp "${SMP:-2}" -m "${MEM:-2G}" \
	-nodefaults -no-user-config -display none -no-reboot \
	-device isa-debug-exit,iobase=0xf4,iosize=1 \
	-kernel "$kernel" -initrd "$initramfs" \
	-append "console=ttyS0 $verbosity printk.time=1 no_timer_check $errors lab=$mode ${APPEND:-}" \
	"$@" || status=$?

# See vm-exit.c.
case $status in
124 | 137) exit 124 ;;
esac
[ $status -ge 33 ] && exit $(((status - 33) / 2))
exit 125
