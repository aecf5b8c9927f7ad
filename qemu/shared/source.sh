#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# source.sh VERSION: fetch Debian's linux-source-VERSION.tar.xz into out/source.
. "$(dirname "$0")/lib.sh"

package=linux-source-$1
dir=$out/source
one_at_a_time
[ -e "$dir/$package.tar.xz" ] && exit 0
need_space 600 "$out"

. "$shared/apt.sh"
apt_setup bookworm bookworm-security trixie-backports

rm -rf "$dir/$package.new"
mkdir -p "$dir/$package.new"
cd "$dir/$package.new"
fetch "$package"
dpkg-deb --fsys-tarfile ./*.deb | tar -xO "./usr/src/$package.tar.xz" > tarball ||
	die "cannot unpack $dir/$package.new/*.deb: remove that folder and try again"
mv tarball "$dir/$package.tar.xz"
rm -r "$dir/$package.new"
