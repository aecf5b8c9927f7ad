#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Record in the VM how events pass through epoll and evpoll, and draw it, with tools/trace/.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/record.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/trace
# shellcheck disable=SC2034 # for record.sh
guest=$dir/guest

record_setup trace
record "$top/tools/trace/record"

say DRAW "$dir"
trace-cmd report -t -i "$dir/trace.dat" > "$dir/report.txt" 2> "$dir/report.log"
draw()
{
	echo "$3:"
	busybox awk -v spacing="$2" -v svg="$dir/$1.svg" -f "$top/tools/svg.awk" \
		-f "$top/tools/trace/draw.awk" "$dir/report.txt"
	rsvg-convert --zoom 1.5 -o "$dir/$1.png" "$dir/$1.svg"
}
draw wakeup-path 0 "64 events in one NAPI poll"
draw wakeup-path-spaced 20 "64 events, one each 20 us"
echo "trace.dat (opens in KernelShark), report.txt, wakeup-path*.svg and .png are in $dir"
