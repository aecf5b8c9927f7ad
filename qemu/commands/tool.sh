#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tool.sh stress|million: run that program of tools/ on each kernel of KERNELS, as check.sh runs the
# selftests, and say how it went.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/run-tests.sh"

tool=${1:?usage: tool.sh stress|million}
duration=${DURATION:-60}
[ "$duration" -gt 0 ] 2> /dev/null || die "DURATION=$duration is not a number of seconds"
case $tool in
# A stock kernel survives many a mistake that this one reports.
stress)		kernels=${KERNELS:-debug} ;;
million)	kernels=${KERNELS:-6.12}; MEM=${MEM:-4G}; export MEM ;;
*)		die "usage: tool.sh stress|million" ;;
esac
[ -z "${KERNEL:-}" ] || kernels=custom
work=$out/$tool

one_at_a_time
# shellcheck disable=SC2034 # for run-tests.sh
limit=${LIMIT:-180}
sh "$shared/setup.sh" check
sh "$shared/qemu.sh"
for name in $kernels; do
	sh "$shared/kernel.sh" "$name"
done
say BUILD "$tool"
rm -rf "$work/tests"
mkdir -p "$work/tests"
gcc -O2 -g -Wall -static -pthread -I"$top/uapi" -I"$top/selftests" -o "$work/tests/$tool" \
	"$top/tools/$tool"/*.c
# It ends by itself, or the host sees that it says nothing.
echo "timeout=$((duration + 900))" > "$work/tests/settings"
for name in $kernels; do
	mkdir -p "$work/$name"
	sh "$shared/initramfs.sh" "$name" "$work/$name/initramfs" "$work/tests"
done

# To the guest's init, and so to the tool
export APPEND="DURATION=$duration ${SEED:+SEED=$SEED} ${APPEND:-}"
: > "$work/totals"
for name in $kernels; do
	run "$name"
done
total
