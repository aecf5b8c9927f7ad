#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# module.sh [KDIR]: build evpoll.ko in out/build/RELEASE, and the modules of the selftests below it,
# for the kernel of that tree, or for each of KERNELS. W=, C= and V= are kbuild's.
. "$(dirname "$0")/lib.sh"

if [ $# -eq 0 ]; then
	for name in ${KERNELS:-6.1 6.12}; do
		sh "$top/qemu/kernel.sh" "$name"
		sh "$0" "$out/kernels/$name/build"
	done
	exit 0
fi

kdir=$(realpath "$1")
release=$(cat "$kdir/include/config/kernel.release" 2> /dev/null) ||
	die "KDIR=$1 is not a configured kernel tree: run 'make modules_prepare' there, or install its headers"
case ${C:-0} in
0) ;;
*) command -v sparse > /dev/null || die "C=$C needs sparse: install it" ;;
esac

# kbuild writes beside the sources: it gets a tree of links to them.
one_at_a_time
build=$out/build/$release
mkdir -p "$build/selftests"
cp -rsf "$top/Kbuild" "$top/CHANGES" "$top/module" "$top/uapi" "$build"
cp -rsf "$top/selftests/modules" "$build/selftests"
find "$build" -xtype l -delete

say BUILD "evpoll.ko for $release"
for folder in "$build" "$build/selftests/modules"; do
	# BTF would need pahole and the kernel's vmlinux, and kbuild complains without them.
	# shellcheck disable=SC2046 # no argument, or one
	make -C "$kdir" M="$folder" --no-print-directory ${V:+V="$V"} ${W:+W="$W"} ${C:+C="$C"} \
		-j"$(nproc)" $([ "${V:-}" ] || echo --silent) CONFIG_DEBUG_INFO_BTF_MODULES= modules
done
