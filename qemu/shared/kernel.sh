#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kernel.sh NAME: provide the kernel NAME in out/kernels/NAME: bzImage, and build, the tree that
# modules are built with.
. "$(dirname "$0")/lib.sh"

name=${1:?usage: kernel.sh NAME}
dir=$out/kernels/$name

if [ "$name" = custom ]; then
	[ -f "${KERNEL:-}" ] || die "KERNEL=${KERNEL:-} is not a file: give the path of a bzImage"
	[ -d "${KDIR:-}" ] || die "KDIR=${KDIR:-} is not a folder: give the tree that KERNEL was built in"
	mkdir -p "$dir"
	ln -sfn "$(realpath "$KERNEL")" "$dir/bzImage"
	ln -sfn "$(realpath "$KDIR")" "$dir/build"
	exit 0
fi

case $name in
6.1)		flavour=cloud-amd64 ;;
6.12)		flavour=6.12-cloud-amd64 ;;
6.12-rt)	flavour=6.12-rt-amd64 ;;
debug | kcsan | none)
		exec sh "$shared/kernel-build.sh" "$name" ;;
*)		die "no kernel is called '$name': KERNELS= takes 6.1 6.12 6.12-rt debug kcsan none; give a kernel of your own with KERNEL= and KDIR=" ;;
esac

one_at_a_time
[ -e "$dir/bzImage" ] && exit 0
need_space 800 "$out"

. "$shared/apt.sh"
apt_setup bookworm bookworm-security

headers=$(depends "linux-headers-$flavour" linux-headers-)
[ "$headers" ] ||
	die "the mirror has no linux-headers-$flavour: set DEBIAN_MIRROR= to another mirror, or give a kernel with KERNEL= and KDIR="
image=linux-image-${headers#linux-headers-}

# Unpack into another folder and rename it when it is complete.
new=$dir.new
rm -rf "$new"
mkdir -p "$new"
cd "$new"
# shellcheck disable=SC2046 # lists
fetch "$image" "$headers" $(depends "$headers" linux-headers-) $(depends "$headers" linux-kbuild-)
for deb in *.deb; do
	case $deb in
	linux-image-*) dpkg-deb --fsys-tarfile "$deb" | tar -x --wildcards './boot/vmlinuz-*' ;;
	*) dpkg-deb -x "$deb" . ;;
	esac
done
rm -- *.deb

ln -s boot/vmlinuz-* bzImage
ln -s "usr/src/$headers" build

# The headers expect to be in /usr/src, on a machine with the compiler that built the kernel. Point
# them to this folder, and to gcc if there is no such compiler.
sed -i "s|/usr/src/|../|" build/Makefile
gcc=$(grep -o 'gcc-[0-9]*' build/.kernelvariables)
command -v "$gcc" > /dev/null || sed -i "s/$gcc/gcc/" build/.kernelvariables

rm -rf "$dir"
mv "$new" "$dir"
