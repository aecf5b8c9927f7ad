#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# initramfs.sh NAME ARCHIVE [TESTS [ROOT [LIST]]]: build the modules for the kernel NAME, and pack the
# guest's files: busybox, init, the modules, the demo and the tools. The files of the folder TESTS
# go to /tests, the tree ROOT goes to /. What LIST names goes to the same path, see carry.sh.
. "$(dirname "$0")/lib.sh"

kdir=$out/kernels/$1/build
archive=$2
tests=${3:-}
more=${4:-}
list=${5:-}

sh "$shared/modules.sh" "$kdir"
build=$out/build/$(cat "$kdir/include/config/kernel.release")

root=$archive.d
rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/etc" "$root/tests"
ln -s usr/bin "$root/bin"	# as on most machines; a carried /bin/bash may be /usr/bin/bash

program()
{
	gcc -O2 -Wall -static -pthread -I"$top/uapi" -o "$root/bin/${1##*/}" "$top/$1.c"
}
program qemu/guest/vm-exit
program qemu/guest/demo
program tools/trace/burst
program tools/moderation/moderation
cp "$top/tools/evpollstat" "$root/bin"
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$top/qemu/guest/init" "$root/init"
chmod +x "$root/init"
for module in evpoll selftests/modules/evpoll_source; do
	strip --strip-debug -o "$root/${module##*/}.ko" "$build/$module.ko"
done
[ -z "$tests" ] || cp "$tests"/* "$root/tests"

printf '%s\n' 'root:x:0:0::/:/bin/sh' 'nobody:x:65534:65534::/:/bin/sh' > "$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' > "$root/etc/group"
echo "127.0.0.1 localhost" > "$root/etc/hosts"
[ -z "$more" ] || cp -a "$more/." "$root"

(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 > "$archive"
# The kernel unpacks one archive after the other.
[ -z "$list" ] || grep -vx /bin "$list" | cpio --quiet -o -H newc | gzip -1 >> "$archive"
rm -rf "$root"
