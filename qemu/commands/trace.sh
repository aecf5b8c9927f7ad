#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Record in the VM how events pass through epoll and evpoll, and draw it, with tools/trace/.
. "$(dirname "$0")/../shared/lib.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/trace
guest=$dir/guest

one_at_a_time
sh "$shared/setup.sh" trace
sh "$shared/qemu.sh"
sh "$shared/kernel.sh" "$name"

# Copy this machine's trace-cmd and the libraries that it needs.
rm -rf "$guest"
mkdir -p "$guest"
cp "$top/tools/trace/record" "$(command -v trace-cmd)" "$guest"
ldd "$guest/trace-cmd" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
	while read -r library; do
		cp "$library" "$guest"
	done
mv "$guest"/ld-linux* "$guest/ld.so"
sh "$shared/initramfs.sh" "$name" "$dir/initramfs" "$guest"

# With -icount an instruction takes a nanosecond of the guest's time, whatever else this machine
# does. The processors take turns. Two of the four keep these turns short: see slice() in
# tools/load.h.
say BOOT "$name"
rm -f "$dir"/trace.dat "$dir"/report.txt "$dir"/*.svg "$dir"/*.png
status=0
ACCEL=tcg,thread=single SMP=4 LIMIT=${LIMIT:-300} sh "$shared/boot.sh" \
	"$out/kernels/$name/bzImage" "$dir/initramfs" record -icount shift=0,sleep=off \
	-serial "file:$dir/console.log" -serial "file:$dir/record.log" \
	-serial "file:$dir/trace.dat" < /dev/null || status=$?
sent=$(tr -d '\r' < "$dir/record.log" | sed -n 's/^bytes //p')
if [ $status -ne 0 ] || [ "$sent" != "$(wc -c < "$dir/trace.dat")" ]; then
	tail -n 20 "$dir/record.log"
	die "recording failed with status $status; see record.log and console.log in $dir"
fi

say DRAW "$dir"
trace-cmd report -t -i "$dir/trace.dat" > "$dir/report.txt" 2> "$dir/report.log"
draw()
{
	echo "$3:"
	busybox awk -v spacing="$2" -v svg="$dir/$1.svg" -f "$top/tools/trace/draw.awk" "$dir/report.txt"
	rsvg-convert --zoom 1.5 -o "$dir/$1.png" "$dir/$1.svg"
}
draw wakeup-path 0 "64 events in one NAPI poll"
draw wakeup-path-spaced 20 "64 events, one each 20 us"
echo "trace.dat (opens in KernelShark), report.txt, wakeup-path*.svg and .png are in $dir"
