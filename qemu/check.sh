#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the selftests on each kernel of KERNELS and say how it went; TEST= runs one file of them.
. "$(dirname "$0")/lib.sh"
. "$top/qemu/guest.sh"

kernels=${KERNELS:-6.1 6.12}
[ -z "${KERNEL:-}" ] || kernels=custom
work=$out/check

one_at_a_time
. "$top/selftests/settings"
# shellcheck disable=SC2034 # for guest.sh
limit=${LIMIT:-$((timeout + 60))}
sh "$top/qemu/setup.sh" check
sh "$top/qemu/qemu.sh"
for name in $kernels; do
	sh "$top/qemu/kernel.sh" "$name"
done
sh "$top/qemu/selftests.sh" "$work/tests"
for name in $kernels; do
	mkdir -p "$work/$name"
	sh "$top/qemu/initramfs.sh" "$name" "$work/$name/initramfs" "$work/tests"
done

: > "$work/totals"
for name in $kernels; do
	run "$name"
done
total
