#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run CMD= in the VM with evpoll.ko loaded, and exit with its status: 128 + n if signal n ended it,
# 124 if it took longer than LIMIT seconds, 125 if the guest failed before the program ended.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/carry.sh"
exec 3>&1 >&2	# only the program writes to stdout

[ "${CMD:-}" ] || die "no program to run: give CMD='program args'"
word=${CMD%%[!A-Za-z0-9_./+-]*}
program=$(command -v "$word") || program=
[ -x "$program" ] ||
	die "no program is called '$word': CMD= must begin with a program in PATH, or with a path"
program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/vm-run
root=$dir/root

one_at_a_time
sh "$shared/setup.sh" run
sh "$shared/qemu.sh"
sh "$shared/kernel.sh" "$name"

say CARRY "$program${FILES:+ $FILES}"
rm -rf "$dir"
mkdir -p "$root$PWD"
carry "$root" "$program"
for file in ${FILES:-}; do
	file=$(realpath -s "$file")
	[ -e "$file" ] || die "FILES=: there is no $file"
	find -L "$file" -type f | while read -r file; do
		carry "$root" "$file"
	done
done

{
	echo "cd '$PWD'"
	if [ "${PRELOAD:-}" ] && [ "$PRELOAD" != 0 ]; then
		build_library "$out/lib"
		cp "$out/lib/libevpoll-preload.so" "$root"
		echo "export LD_PRELOAD=/libevpoll-preload.so"	# affects no busybox tool, because busybox is static
	fi
	echo "$program${CMD#"$word"}"
} > "$root/vm-run"

sh "$shared/initramfs.sh" "$name" "$dir/initramfs" '' "$root"

say BOOT "$name"
status=0
LIMIT=${LIMIT:-300} sh "$shared/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" vm_run \
	-serial "file:$dir/console.log" -serial stdio -serial "file:$dir/status" \
	< /dev/null >&3 || status=$?
case $status in
0)	exit "$(tr -d '\r\n' < "$dir/status")" ;;
124)	echo "evpoll: '$CMD' took longer than ${LIMIT:-300} s; LIMIT= sets this time" ;;
*)	tail -n 20 "$dir/console.log"
	echo "evpoll: the guest failed; its console is in $dir/console.log"
	status=125 ;;
esac
exit $status
