#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# setup.sh run|check|lint|conformance|debug|trace|bench: install what that needs and this machine lacks.
. "$(dirname "$0")/lib.sh"

run="gcc make libc6-dev libelf-dev cpio busybox-static qemu-system-x86 debian-archive-keyring"
check="$run gcc-multilib xz-utils"	# a 32-bit test; linux-source for the kselftest harness
lint="gcc make libc6-dev libelf-dev xz-utils debian-archive-keyring perl sparse shellcheck codespell"
conformance="$check pkgconf"	# finds the library as it is installed
debug="$check flex bison bc libssl-dev"	# a kernel of our own
trace="$run trace-cmd librsvg2-bin fonts-dejavu-core"	# recorded with this machine's trace-cmd
bench="$run gnuplot-nox"

case ${1:-} in
run)	wanted=$run ;;
check)	wanted=$check ;;
lint)	wanted=$lint ;;
conformance) wanted=$conformance ;;
debug)	wanted=$debug ;;
trace)	wanted=$trace ;;
bench)	wanted=$bench ;;
*)	die "usage: setup.sh run|check|lint|conformance|debug|trace|bench" ;;
esac

[ "$(uname -m)" = x86_64 ] || die "the lab needs an x86-64 machine, this one is $(uname -m)"
command -v apt-get > /dev/null ||
	die "no apt-get here: install these, as your system calls them, and an unpacked kernel to use with KERNEL= and KDIR=: $wanted"

one_at_a_time
missing=
for package in $wanted; do
	case $(dpkg-query -W -f '${Status}' "$package" 2> /dev/null) in
	*" installed") ;;
	*) missing="$missing $package" ;;
	esac
done
[ "$missing" ] || exit 0

[ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null ||
	die "neither root nor sudo: have these installed:$missing"

install()
{
	# shellcheck disable=SC2086 # a list
	quietly setup.log as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends $missing
}

say INSTALL "${missing# }"
need_space 1000 /usr

# The lists of packages may be empty or old: fetch them when that is in the way, not before.
install ||
	{ quietly setup.log as_root apt-get update && install; } ||
	die "apt-get could not install$missing: $error; is there a network?"
