#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the benchmark of tools/bench/ in the VM, and write results.tsv, plots and a report.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/carry.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/bench
guest=$dir/guest
root=$dir/root

one_at_a_time
sh "$shared/setup.sh" bench
sh "$shared/qemu.sh"
sh "$shared/kernel.sh" "$name"

rm -rf "$guest" "$root"
mkdir -p "$guest"
gcc -O2 -Wall -static -pthread -I"$top/uapi" -o "$guest/bench" "$top"/tools/bench/*.c -lm
cp "$top/tools/bench/run" "$guest"

# The servers run in a root of their own, under libevpoll-preload.
sh "$shared/servers.sh"
build_library "$out/lib"
mkdir -p "$root/servers"
cp -a "$out/servers/." "$root/servers"
cp "$out/lib/libevpoll-preload.so" "$root/servers"
sh "$shared/initramfs.sh" "$name" "$dir/initramfs" "$guest" "$root"

# boot MODE QEMU-OPTION...: measure in that mode, and write $dir/MODE.tsv
boot()
{
	mode=$1
	shift
	say BOOT "$name, $mode"
	{
		status=0
		APPEND="MODE=$mode CASE=${CASE:-} QUICK=${QUICK:-} ${APPEND:-}" LIMIT=${LIMIT:-1500} \
			sh "$shared/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" bench \
			-serial "file:$dir/$mode-console.log" -serial stdio "$@" < /dev/null || status=$?
		echo "# ended with $status"
	} | tr -d '\r' | tee "$dir/$mode.log" | awk -F '\t' -v results="$dir/$mode.tsv" '
		BEGIN { printf "" > results }
		NF == 6 {
			printf "  %-16s %-12s %6d %12s %s\n", $1, $2, $3, $5, $4
			print > results
			next
		}
		{ print "  " $0 }
		{ fflush() }'
	grep -qx '# ended with 0' "$dir/$mode.log" ||
		die "the benchmark failed in the guest: see $mode.log and $mode-console.log in $dir"
}

# What the report says about this machine and this run
machine()
{
	echo "kernel: $(sed -n 's/^# //p' "$dir/instructions.log" | head -n 1)"
	echo "evpoll: $(git -C "$top" describe --always --dirty 2> /dev/null || echo "no git here")"
	echo "emulator: $("$(qemu)" --version | head -n 1)"
	echo "machine: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors"
	echo "date: $(date -u '+%Y-%m-%d %H:%M') UTC"
}

# With -icount an instruction takes a nanosecond of the guest's time, whatever else this machine
# does. The seed and the date are fixed, so that the guest's addresses and hashes are the same in
# each run.
ACCEL=tcg,thread=single SMP=1 boot instructions -icount shift=0,sleep=off \
	-seed 1 -rtc base=2026-01-01,clock=vm
# This mode measures time, so compare only ratios within one run.
SMP=2 boot smp

say REPORT "$dir"
{
	printf 'case\tmechanism\tn\tunit\tvalue\tspread\n'
	cat "$dir/instructions.tsv" "$dir/smp.tsv"
} > "$dir/results.tsv"
"$guest/bench" list > "$dir/cases.tsv"
machine > "$dir/machine"
sh "$top/tools/bench/report" "$dir" > "$out/report.html"
echo "$out/report.html; results.tsv and the plots (*.svg, *.png) are in $dir"
