#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# tool.sh stress|million: run that program of tools/ on each kernel of KERNELS as check.sh runs the
# selftests, and print the results.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/run-tests.sh"

tool=${1:?usage: tool.sh stress|million}
duration=${DURATION:-60}
[ "$duration" -gt 0 ] 2> /dev/null || die "DURATION=$duration is not a number of seconds: give a number from 1 on"
case $tool in
# The debug kernel reports mistakes that a stock kernel survives.
stress)		kernels=${KERNELS:-debug} ;;
million)	kernels=${KERNELS:-6.12}; MEM=${MEM:-4G}; export MEM ;;
*)		die "usage: tool.sh stress|million" ;;
esac
[ -z "${KERNEL:-}" ] || kernels=custom
work=$out/$tool

one_at_a_time
# shellcheck disable=SC2034 # run-tests.sh uses it
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
# The tool ends by itself. If it hangs, the host ends the guest, which has become silent.
echo "timeout=$((duration + 900))" > "$work/tests/settings"
for name in $kernels; do
	mkdir -p "$work/$name"
	sh "$shared/initramfs.sh" "$name" "$work/$name/initramfs" "$work/tests"
done

# The guest's init gets these variables and passes them on to the tool.
export APPEND="DURATION=$duration ${SEED:+SEED=$SEED} ${APPEND:-}"
run_all "$kernels"
