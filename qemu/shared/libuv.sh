#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Fetch the sources of Debian 13's libuv, and build its test suite in out/libuv. Debian 12's libuv
# does not use io_uring.
. "$(dirname "$0")/lib.sh"

dir=$out/libuv
one_at_a_time
[ -d "$dir" ] && exit 0
need_space 100 "$out"

. "$shared/apt.sh"
apt_setup trixie:source

new=$dir.new
rm -rf "$new"
mkdir -p "$new/fetched" "$new/source" "$new/objects" "$new/suite/test"
cd "$new/fetched"
fetch_source libuv1
tar -xf libuv1_*.orig.tar.* -C "$new/source" --strip-components 1 ||
	die "cannot unpack $new/fetched: remove that folder and try again"

# build OUTPUT-OPTION... FILE...: run gcc with the options that libuv needs
build()
{
	quietly libuv.log gcc -O2 -w -pthread -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
		-I"$new/source/include" -I"$new/source/src" "$@" || die "cannot build libuv: $error"
}

# The files of src/unix are those that libuv's own CMakeLists.txt builds for Linux.
say BUILD "libuv and its tests"
cd "$new/objects"
set --
for name in async core dl fs getaddrinfo getnameinfo linux loop loop-watcher pipe poll process \
		procfs-exepath proctitle random-devurandom random-getrandom random-sysctl-linux \
		signal stream tcp thread tty udp; do
	set -- "$@" "$new/source/src/unix/$name.c"
done
build -c "$new/source/src"/*.c "$@"
# An archive, because some tests have functions of libuv of their own.
quietly libuv.log ar rcs libuv.a ./*.o || die "cannot build libuv: $error"
cd "$new/source/test"
build -o "$new/suite/uv_run_tests" test-*.c blackhole-server.c echo-server.c run-tests.c runner.c \
	runner-unix.c "$new/objects/libuv.a"
cp -r fixtures "$new/suite/test"

mv "$new/suite" "$dir"
rm -rf "$new"
