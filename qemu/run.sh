#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Boot, load evpoll.ko, run the demo, and exit with its status.
. "$(dirname "$0")/lib.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/run

one_at_a_time
mkdir -p "$dir"
sh "$top/qemu/setup.sh" run
sh "$top/qemu/qemu.sh"
sh "$top/qemu/kernel.sh" "$name"
sh "$top/qemu/initramfs.sh" "$name" "$dir/initramfs"

say BOOT "$name"
status=0
LIMIT=${LIMIT:-300} sh "$top/qemu/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" run \
	-serial "file:$dir/console.log" -serial stdio < /dev/null || status=$?
[ $status -eq 0 ] || {
	tail -n 20 "$dir/console.log"
	die "the demo failed with status $status; the console is in $dir/console.log"
}
