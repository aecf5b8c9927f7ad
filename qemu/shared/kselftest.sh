#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kselftest.sh [VERSION]: extract from Debian's linux-source what a kselftest target needs into
# out/kselftest. With VERSION, extract it from that version, with the kernel's epoll test, into
# out/kselftest-VERSION.
. "$(dirname "$0")/lib.sh"

version=${1:-6.12}
dir=$out/kselftest${1:+-$1}
one_at_a_time
[ -e "$dir/scripts/subarch.include" ] && exit 0

tarball=$out/source/linux-source-$version.tar.xz
sh "$shared/source.sh" "$version"

say EXTRACT "kselftest of linux-source-$version"
tree=linux-source-$version
selftests=$tree/tools/testing/selftests
rm -rf "$dir" "$dir.new"
mkdir -p "$dir.new"
tar -xf "$tarball" -C "$dir.new" --strip-components 1 \
	"$tree/scripts/subarch.include" "$selftests/Makefile" "$selftests/lib.mk" \
	"$selftests/kselftest.h" "$selftests/kselftest_harness.h" "$selftests/kselftest" \
	"$selftests/run_kselftest.sh" ${1:+"$selftests/filesystems/epoll"} ||
	die "cannot read $tarball: remove it and try again"
mv "$dir.new" "$dir"
