#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kselftest.sh [VERSION]: extract the kernel's test harness from Debian's linux-source into
# out/kselftest. With VERSION, extract it from that version, with the kernel's epoll test, into
# out/kselftest-VERSION.
. "$(dirname "$0")/lib.sh"

version=${1:-6.12}
dir=$out/kselftest${1:+-$1}
one_at_a_time
[ -d "$dir" ] && exit 0

tarball=$out/source/linux-source-$version.tar.xz
sh "$shared/source.sh" "$version"

say EXTRACT "kselftest of linux-source-$version"
tree=linux-source-$version/tools/testing/selftests
rm -rf "$dir.new"
mkdir -p "$dir.new"
tar -xf "$tarball" -C "$dir.new" --strip-components 1 \
	"$tree/lib.mk" "$tree/kselftest.h" "$tree/kselftest_harness.h" "$tree/kselftest" \
	${1:+"$tree/filesystems/epoll"} ||
	die "cannot read $tarball: remove it and try again"
mv "$dir.new" "$dir"
