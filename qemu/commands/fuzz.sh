#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the fuzzer (selftests/fuzz.c) in the VM for DURATION seconds, beginning with SEED. PROGRAM=file
# runs only that program.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/run-tests.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/fuzz
duration=${DURATION:-60}
seed=${SEED:-$(date +%s)}

case $duration$seed in
*[!0-9]*) die "DURATION=$duration SEED=$seed: both must be numbers" ;;
esac
one_at_a_time
mkdir -p "$dir"
sh "$shared/setup.sh" check
sh "$shared/qemu.sh"
sh "$shared/kernel.sh" "$name"
TEST=fuzz sh "$shared/selftests.sh" "$dir/tests"
[ -z "${PROGRAM:-}" ] || cp "$PROGRAM" "$dir/tests/program" || exit
sh "$shared/initramfs.sh" "$name" "$dir/initramfs" "$dir/tests"

say BOOT "$name"
status=0
APPEND="${APPEND:-} duration=$duration seed=$seed" LIMIT=${LIMIT:-$((duration * 2 + 300))} \
	sh "$shared/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" fuzz \
	-serial "file:$dir/console.log" -serial stdio < /dev/null || status=$?
console "$dir/console.log"
is_clean "$dir/console.log" || status=1
case $status in
0 | 1) exit $status ;;
*) die "the guest ended with status $status; its console is in $dir/console.log" ;;
esac
