#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# modules.sh KDIR [FOLDER]: build evpoll.ko and the modules of the selftests for the kernel tree
# KDIR. They go to FOLDER [out/build/RELEASE]. kbuild understands W=, C= and V=.
. "$(dirname "$0")/lib.sh"

kdir=$(realpath "$1")
release=$(cat "$kdir/include/config/kernel.release" 2> /dev/null) ||
	die "KDIR=$1 is not a configured kernel tree: run 'make modules_prepare' there, or install its headers"
case ${C:-0} in
0) ;;
*) command -v sparse > /dev/null || die "C=$C needs sparse: install it" ;;
esac

# kbuild writes next to the sources, so it gets a tree of links to them.
one_at_a_time
build=${2:-$out/build/$release}
mkdir -p "$build/selftests"
cp -rsf "$top/Kbuild" "$top/CHANGES" "$top/module" "$top/uapi" "$build"
cp -rsf "$top/selftests/modules" "$build/selftests"
find "$build" -xtype l -delete

say BUILD "evpoll.ko for $release"
for folder in "$build" "$build/selftests/modules"; do
	# BTF would need pahole and the kernel's vmlinux. Without them kbuild complains.
	# shellcheck disable=SC2046 # no argument, or one
	make -C "$kdir" M="$folder" --no-print-directory ${V:+V="$V"} ${W:+W="$W"} ${C:+C="$C"} \
		-j"$(nproc)" $([ "${V:-}" ] || echo --silent) CONFIG_DEBUG_INFO_BTF_MODULES= modules
done
