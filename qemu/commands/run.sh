#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Boot a kernel, load evpoll.ko, run the demo, and exit with the status of the demo.
. "$(dirname "$0")/../shared/lib.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/run

one_at_a_time
mkdir -p "$dir"
sh "$shared/setup.sh" run
sh "$shared/qemu.sh"
sh "$shared/kernel.sh" "$name"
sh "$shared/initramfs.sh" "$name" "$dir/initramfs"

say BOOT "$name"
status=0
LIMIT=${LIMIT:-300} sh "$shared/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" run \
	-serial "file:$dir/console.log" -serial stdio < /dev/null || status=$?
[ $status -eq 0 ] || {
	tail -n 20 "$dir/console.log"
	die "the demo failed with status $status; its console is in $dir/console.log"
}
