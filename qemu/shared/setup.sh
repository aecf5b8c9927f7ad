#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# setup.sh run|check|lint|conformance|debug|samples|trace|models|bench: install the packages
# that this command needs and this machine lacks.
. "$(dirname "$0")/lib.sh"

run="gcc make libc6-dev libelf-dev cpio busybox-static qemu-system-x86 debian-archive-keyring"
check="$run gcc-multilib xz-utils"	# gcc-multilib builds a 32-bit test, xz-utils unpacks linux-source
lint="gcc make libc6-dev libelf-dev xz-utils debian-archive-keyring perl sparse shellcheck codespell"
conformance="$check pkgconf"	# finds the installed library
debug="$check flex bison bc libssl-dev"	# to build a kernel
samples="$run liburing-dev"
trace="$run trace-cmd librsvg2-bin fonts-dejavu-core"	# the guest runs this machine's trace-cmd
models="$trace liburing-dev"
bench="$run gnuplot-nox"

case ${1:-} in
run)	wanted=$run ;;
check)	wanted=$check ;;
lint)	wanted=$lint ;;
conformance) wanted=$conformance ;;
debug)	wanted=$debug ;;
samples) wanted=$samples ;;
trace)	wanted=$trace ;;
models)	wanted=$models ;;
bench)	wanted=$bench ;;
*)	die "usage: setup.sh run|check|lint|conformance|debug|samples|trace|models|bench" ;;
esac

[ "$(uname -m)" = x86_64 ] || die "the lab needs an x86-64 machine, and this one is $(uname -m)"
command -v apt-get > /dev/null ||
	die "this machine has no apt-get: install these packages under the names of your system, and give a kernel with KERNEL= and KDIR=: $wanted"

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
	die "cannot install packages, because you are not root and there is no sudo: ask an administrator for$missing"

install()
{
	# shellcheck disable=SC2086 # a list
	quietly setup.log as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends $missing
}

say INSTALL "${missing# }"
need_space 1000 /usr

# apt's lists may be empty or old. Fetch them only if the installation fails.
install ||
	{ quietly setup.log as_root apt-get update && install; } ||
	die "apt-get could not install$missing: $error; check the network"
