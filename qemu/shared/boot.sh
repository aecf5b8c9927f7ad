#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# boot.sh KERNEL INITRAMFS run|check|record|shell QEMU-OPTION...
#
# Boot the guest, wait until it ends, and exit with the status that it gave to vm-exit. The status
# is 124 if the guest took longer than LIMIT seconds, and 125 if it ended without vm-exit (a panic
# ends QEMU).
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
# Hide five-level page tables from the guest. While identify_cpu() reads the boot processor's
# features again, an interrupt sees the feature as missing. KASAN then takes valid addresses for
# wild ones.
cpu=$cpu,la57=off
# qemu.sh says why a QEMU before 8.1 gets only one thread.
if [ "$accel" = tcg,thread=multi ] && [ "$(qemu_version)" -lt 801 ]; then
	accel=tcg,thread=single
fi

# Keep kernel messages off the terminal of a shell, and put all of them into a log.
case $mode in
shell)	verbosity=quiet ;;
*)	verbosity=ignore_loglevel ;;
esac

# An oops or an NMI ends the guest, which prints the stacks of all processors first.
errors="oops=panic unknown_nmi_panic panic_print=0x40 panic=-1"

status=0
timeout --foreground -k 5 "${LIMIT:-0}" \
"$(qemu)" -accel "$accel" -cpu "$cpu" -smp "${SMP:-2}" -m "${MEM:-2G}" \
	-nodefaults -no-user-config -display none -no-reboot \
	-device isa-debug-exit,iobase=0xf4,iosize=1 \
	-kernel "$kernel" -initrd "$initramfs" \
	-append "console=ttyS0 $verbosity printk.time=1 no_timer_check $errors lab=$mode ${APPEND:-}" \
	"$@" || status=$?

# vm-exit.c explains this arithmetic. timeout exits with 124, or with 137 if it had to kill QEMU.
case $status in
124 | 137) exit 124 ;;
esac
[ $status -ge 33 ] && exit $(((status - 33) / 2))
exit 125
