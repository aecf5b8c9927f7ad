#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Record in the VM how the samples wait for data and get it, print a table, and draw each of them,
# with tools/models/.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/record.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/models
guest=$dir/guest
[ "$name" != 6.1 ] ||
	die "models needs the tracepoints sk_data_ready and sock_recv_length, which 6.1 lacks"
samples="blocking nonblocking select poll epoll evpoll signal async"

record_setup models
make -s -C "$top/samples" O="$guest" LDFLAGS=-static
gcc -O2 -Wall -static -I"$top/uapi" -o "$guest/sliced" "$top/tools/models/sliced.c"
echo "$samples" > "$guest/samples"
record "$top/tools/models/record"

say DRAW "$dir"
trace-cmd report -t -R -i "$dir/trace.dat" > "$dir/report.txt" 2> "$dir/report.log"
busybox awk -v results="$dir/results.tsv" -v figures="$dir/figures.tsv" \
	-f "$top/tools/models/reduce.awk" "$dir/record.log" "$dir/report.txt" ||
	die "the trace is incomplete; see record.log and report.log in $dir"
# draw FILE SAMPLES
draw()
{
	busybox awk -v samples="$2" -v svg="$dir/$1.svg" -f "$top/tools/svg.awk" \
		-f "$top/tools/models/draw.awk" "$dir/figures.tsv"
	rsvg-convert --zoom 1.5 -o "$dir/$1.png" "$dir/$1.svg"
}
for sample in $samples; do
	draw "$sample" "$sample"
done
draw models "$samples"
echo
echo "models.png has all figures, and one each is beside it; the trace is report.txt in $dir"
