#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu.sh: put a newer QEMU into out/qemu if the machine's own is too old for TCG with several
# threads.
#
# Before 8.1, TCG with a thread for each processor may keep a stale translation of code that the
# guest has patched. The kernel then dies of an "int3" in a function that ftrace hooks. evpoll
# hooks __fput, so this happens here. Debian 12 has QEMU 7.2. Its backports have a newer QEMU that
# needs the same libraries.
. "$(dirname "$0")/lib.sh"

one_at_a_time
[ "$(accelerator)" = tcg,thread=multi ] || exit 0
[ "$(qemu_version)" -lt 801 ] || exit 0

new=$out/qemu.new
unpack()
{
	. "$shared/apt.sh"
	apt_setup bookworm-backports &&
		rm -rf "$new" && mkdir "$new" && cd "$new" &&
		fetch qemu-system-x86 qemu-system-common qemu-system-data seabios &&
		for deb in *.deb; do
			dpkg-deb -x "$deb" . || return
		done && rm -- *.deb && ./usr/bin/qemu-system-x86_64 --version > /dev/null
}

if (unpack); then
	rm -rf "$out/qemu"
	mv "$new" "$out/qemu"
else
	say NOTE "this QEMU is older than 8.1: one thread for all processors, slower"
fi
