#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Record the way of events through epoll and evpoll in the VM, and draw it: tools/trace/.
. "$(dirname "$0")/lib.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/trace
guest=$dir/guest

one_at_a_time
sh "$top/qemu/setup.sh" trace
sh "$top/qemu/qemu.sh"
sh "$top/qemu/kernel.sh" "$name"

# This machine's trace-cmd, with the libraries that it needs
rm -rf "$guest"
mkdir -p "$guest"
cp "$top/tools/trace/record" "$(command -v trace-cmd)" "$guest"
ldd "$guest/trace-cmd" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
	while read -r library; do
		cp "$library" "$guest"
	done
mv "$guest"/ld-linux* "$guest/ld.so"
sh "$top/qemu/initramfs.sh" "$name" "$dir/initramfs" "$guest"

say BOOT "$name"
rm -f "$dir"/trace.dat "$dir"/report.txt "$dir"/*.svg "$dir"/*.png
status=0
LIMIT=${LIMIT:-300} sh "$top/qemu/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" trace \
	-serial "file:$dir/console.log" -serial "file:$dir/record.log" \
	-serial "file:$dir/trace.dat" < /dev/null || status=$?
sent=$(tr -d '\r' < "$dir/record.log" | sed -n 's/^bytes //p')
[ $status -eq 0 ] && [ "$sent" = "$(wc -c < "$dir/trace.dat")" ] || {
	tail -n 20 "$dir/record.log"
	die "recording failed with status $status; see record.log and console.log in $dir"
}

say DRAW "$dir"
trace-cmd report -t -i "$dir/trace.dat" > "$dir/report.txt" 2> "$dir/report.log"
for load in burst spaced; do
	svg=$dir/wakeup-path.svg
	[ $load = burst ] || svg=$dir/wakeup-path-$load.svg
	busybox awk -v load=$load -v svg="$svg" -f "$top/tools/trace/draw.awk" "$dir/report.txt"
	rsvg-convert --zoom 1.5 -o "${svg%.svg}.png" "$svg"
done
echo "trace.dat (opens in KernelShark), report.txt, wakeup-path*.svg and .png are in $dir"
