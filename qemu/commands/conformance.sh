#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the tests of tools/conformance/ on each kernel of KERNELS: programs that know only epoll run on
# evpoll, and others test the libraries. TEST= names the tests to run.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/run-tests.sh"
. "$shared/carry.sh"

kernels=${KERNELS:-6.12}
[ -z "${KERNEL:-}" ] || kernels=custom
work=$out/conformance
source=$top/tools/conformance
version=7.3	# has the newest epoll_wakeup_test
kselftest=$out/kselftest-$version/tools/testing/selftests
harness=$work/harness
root=$work/root
guest=$root/conformance	# programs that the tests run
list=$work/carried	# libraries that these need

# compile NAME SOURCE OPTION...: build a program for the guest
compile()
{
	program=$1
	file=$2
	shift 2
	quietly conformance.log gcc -O2 -g -Wall -pthread -o "$guest/$program" "$file" "$@" ||
		die "cannot build $program: $error"
}

# Build against libevpoll as installed, with pkg-config.
compile_installed()
{
	quietly conformance.log make -C "$top/tools/lib" O="$out/lib" DESTDIR="$root" install ||
		die "cannot install libevpoll: $error"
	flags=$(PKG_CONFIG_SYSROOT_DIR="$root" PKG_CONFIG_LIBDIR="$root/usr/local/lib/pkgconfig" \
		pkg-config --cflags --libs libevpoll) || die "pkg-config does not find the installed libevpoll: see $out/conformance.log"
	# shellcheck disable=SC2086 # a list
	compile library_test "$source/library_test.c" -I"$harness" $flags
	# shellcheck disable=SC2086
	compile ring_test "$source/ring_test.c" -I"$harness" $flags
}

# 32-bit programs are built against the sources.
compile_32()
{
	build_library "$out/lib32" -m32
	cp "$out/lib32/libevpoll-preload.so" "$root/libevpoll-preload32.so"
	set -- -m32 -I"$harness" -I"$top/uapi" -I"$top/tools/lib"
	compile epoll_api32 "$source/epoll_api.c" "$@"
	compile library_test32 "$source/library_test.c" "$@" "$out/lib32/libevpoll.a"
	compile uring_api32 "$source/uring_api.c" "$@"
	compile ring_test32 "$source/ring_test.c" "$@" "$out/lib32/libevpoll.a"
	compile library_test32_time64 "$source/library_test.c" "$@" "$out/lib32/libevpoll.a" \
		-D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64
}

one_at_a_time
sh "$shared/setup.sh" conformance
sh "$shared/qemu.sh"
sh "$shared/servers.sh"
sh "$shared/libuv.sh"
sh "$shared/kselftest.sh" $version
for name in $kernels; do
	sh "$shared/kernel.sh" "$name"
done

known="wakeup api api32 preload uring uring32 library library32 library32_time64"
known="$known ring ring32 libuv redis memcached nginx"
wanted=${TEST:-$known}
rm -rf "$work/tests" "$root" "$list"
mkdir -p "$work/tests" "$guest" "$harness"
for test in $wanted; do
	[ -x "$source/$test" ] || die "no test is called '$test': TEST= takes $known"
	cp "$source/$test" "$work/tests"
done
# A test may take so many seconds, because epoll_wakeup_test and libuv's tests run twice.
echo timeout=1200 > "$work/tests/settings"
# shellcheck disable=SC2034 # run-tests.sh uses it
limit=${LIMIT:-1300}

say BUILD "libevpoll, tests"
build_library "$out/lib"
cp "$out/lib/libevpoll-preload.so" "$root"
# The harness gives a test case 30 s. An emulated machine may need more.
cp "$kselftest/kselftest.h" "$harness"
sed 's/^\(#define TEST_TIMEOUT_DEFAULT\) 30/\1 300/' "$kselftest/kselftest_harness.h" \
	> "$harness/kselftest_harness.h"
compile epoll_wakeup_test "$kselftest/filesystems/epoll/epoll_wakeup_test.c" -I"$harness"
compile epoll_api "$source/epoll_api.c" -I"$harness"
compile preload_test "$source/preload_test.c" -I"$harness"
compile uring_api "$source/uring_api.c" -I"$harness"
compile client "$source/client.c" -static
compile_installed
compile_32
cp -r "$out/libuv" "$guest/suite"
find "$guest" -type f | needs "$list" | carry "$list"
cp "$source/common.sh" "$source/both.awk" "$guest"
install -m 755 "$source/libuv_tests" "$guest"
cp -a "$out/servers" "$root/servers"
cp "$out/lib/libevpoll-preload.so" "$root/servers"

for name in $kernels; do
	mkdir -p "$work/$name"
	sh "$shared/initramfs.sh" "$name" "$work/$name/initramfs" "$work/tests" "$root" "$list"
done

run_all "$kernels"
