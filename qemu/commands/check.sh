#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the selftests on each kernel of KERNELS and print the results. TEST= names the files to run.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/run-tests.sh"

kernels=${KERNELS:-6.1 6.12}
[ -z "${KERNEL:-}" ] || kernels=custom
work=$out/check

one_at_a_time
. "$top/selftests/settings"
# shellcheck disable=SC2034 # run-tests.sh uses it
limit=${LIMIT:-$((timeout + 60))}
sh "$shared/setup.sh" check
sh "$shared/qemu.sh"
for name in $kernels; do
	sh "$shared/kernel.sh" "$name"
done
sh "$shared/selftests.sh" "$work/tests"
for name in $kernels; do
	mkdir -p "$work/$name"
	sh "$shared/initramfs.sh" "$name" "$work/$name/initramfs" "$work/tests"
done

run_all "$kernels"
