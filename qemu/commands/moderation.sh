#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Count wakeups and measure latency of epoll and evpoll under the loads of tools/moderation/.
. "$(dirname "$0")/../shared/lib.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/moderation

one_at_a_time
mkdir -p "$dir/guest"
sh "$shared/setup.sh" run
sh "$shared/qemu.sh"
sh "$shared/kernel.sh" "$name"
cp "$top/tools/moderation/record" "$dir/guest"
sh "$shared/initramfs.sh" "$name" "$dir/initramfs" "$dir/guest"

# trace.sh explains -icount. If the processors ran at the same time, each figure would depend on the
# load of this machine, and the guest could not handle 100000 interrupts a second.
say BOOT "$name"
rm -f "$dir/results.tsv" "$dir/status"
{
	status=0
	ACCEL=tcg,thread=single SMP=4 LIMIT=${LIMIT:-1200} sh "$shared/boot.sh" \
		"$out/kernels/$name/bzImage" "$dir/initramfs" record -icount shift=0,sleep=off \
		-serial "file:$dir/console.log" -serial stdio < /dev/null || status=$?
	echo "status $status"
} | tee "$dir/record.log" | busybox awk -v results="$dir/results.tsv" \
	-f "$top/tools/moderation/table.awk" ||
	die "the results are incomplete or contradict a claim above; see record.log and console.log in $dir"
echo "results.tsv is in $dir"
