# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# shellcheck disable=SC2154 # lib.sh sets out, shared and top; the caller sets the rest
# Functions for trace.sh and models.sh, which record with trace-cmd in the VM. The caller sources
# lib.sh and sets name (the kernel), dir (the folder of the results) and guest (what the VM gets).

# record_setup TARGET: get what the target needs, and make an empty folder for the guest.
record_setup()
{
	one_at_a_time
	sh "$shared/setup.sh" "$1"
	sh "$shared/qemu.sh"
	sh "$shared/kernel.sh" "$name"
	rm -rf "$guest"
	mkdir -p "$guest"
}

# record SCRIPT: run the script in the guest, with this machine's trace-cmd and the libraries that it
# needs. The script sends trace.dat, and the length of it as "bytes N".
record()
{
	cp "$1" "$(command -v trace-cmd)" "$guest"
	ldd "$guest/trace-cmd" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
		while read -r library; do
			cp "$library" "$guest"
		done
	mv "$guest"/ld-linux* "$guest/ld.so"
	sh "$shared/initramfs.sh" "$name" "$dir/initramfs" "$guest"

	# With -icount an instruction takes a nanosecond of the guest's time, whatever else this
	# machine does. The processors take turns. Two of the four keep these turns short: see
	# slice() in tools/load.h.
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
}
