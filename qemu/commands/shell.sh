#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shell.sh [gdb]: boot to a shell with evpoll.ko loaded and the selftests in /tests. With gdb, QEMU
# listens for a debugger.
. "$(dirname "$0")/../shared/lib.sh"

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/shell

sh "$shared/setup.sh" check
sh "$shared/qemu.sh"
sh "$shared/selftests.sh" "$dir/tests"
sh "$shared/kernel.sh" "$name"
sh "$shared/initramfs.sh" "$name" "$dir/initramfs" "$dir/tests"

if [ "${1:-}" = gdb ]; then
	kdir=$out/kernels/$name/build
	cat <<-EOF
	In another terminal:
	  gdb -ex 'target remote :1234' $([ ! -e "$kdir/System.map" ] || echo "$kdir/vmlinux")
	  (gdb) add-symbol-file $out/build/$(cat "$kdir/include/config/kernel.release")/evpoll.ko ADDRESS
	ADDRESS is what the guest says: cat /sys/module/evpoll/sections/.text
	EOF
	set -- -gdb tcp::1234
	APPEND="${APPEND:-} nokaslr"
fi

say BOOT "$name ('poweroff' or Ctrl-A x ends it)"
APPEND="TERM=${TERM:-linux} ${APPEND:-}" sh "$shared/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" shell \
	-serial mon:stdio "$@"
