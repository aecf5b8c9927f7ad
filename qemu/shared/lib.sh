# SPDX-License-Identifier: GPL-2.0-only
# Sourced by every script of the lab: paths, messages and other common functions.
set -eu

# The scripts are two folders below the top, in qemu/commands or qemu/shared.
top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck disable=SC2034 # for the scripts
shared=$top/qemu/shared

say() { printf '  %-7s %s\n' "$1" "$2"; }

die()
{
	echo "evpoll: $*" >&2
	exit 1
}

# can_build NAME PATH: exit if kbuild cannot build in that folder, because make, the shell or gcc
# give a sign in its path a meaning
can_build()
{
	signs=": ; , = # % & \$ ( ) * ? [ < > | \\ or a quote"
	case $2 in
	*[[:space:]]* | *[:\;,=\#%\&\$\(\)\*\?\[\<\>\|\`\'\"\\]*)
		die "kbuild cannot build in '$2', because this path has a space, $signs: set $1= to another" ;;
	esac
}

out=$(realpath -ms "${OUT:-$top/out}")
can_build OUT "$out"
{ mkdir -p "$out" && [ -w "$out" ]; } 2> /dev/null ||
	die "you cannot write to '$out': set OUT= to a folder where you can"
[ -z "${KDIR:-}" ] || can_build KDIR "$(realpath -m "$KDIR")"
export OUT="$out"

# The guest's programs may have other users, who must be able to read its files.
umask 022

# The scripts call make for other trees, which must not get the flags of the calling make.
unset MAKEFLAGS MFLAGS MAKELEVEL

# need_space MB FOLDER: exit with a clear message before a full disk leaves a half-written file
need_space()
{
	free=$(df -Pm "$2" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] || die "disk full: $2 has $free MB free and this step needs $1 MB; remove files there"
}

# quietly LOG COMMAND...: write all output to out/LOG. If the command fails, $error says why, in one
# line.
quietly()
{
	log=$out/$1
	shift
	if [ "${V:-}" ]; then
		"$@" || { error="'$1' failed"; return 1; }
	elif ! "$@" > "$log" 2>&1; then
		error=$(grep -E '^E:|rror|No space' "$log" | head -n 1)
		error="${error:-"'$1' failed"} (the log is $log)"
		return 1
	fi
}

# Scripts that write shared files take turns, so that two makes may run at the same time.
one_at_a_time()
{
	mkdir -p "$out/lock"
	exec 9> "$out/lock/$(basename "$0")"
	flock -n 9 && return
	say WAIT "for another make in $out"
	flock 9
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Print the QEMU to use. qemu.sh may have put a newer one into out/qemu.
qemu()
{
	if [ -x "$out/qemu/usr/bin/qemu-system-x86_64" ]; then
		echo "$out/qemu/usr/bin/qemu-system-x86_64"
	else
		echo qemu-system-x86_64
	fi
}

# Print the version of that QEMU as a number: 801 for 8.1
qemu_version()
{
	"$(qemu)" --version | sed -n 's/.* version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' |
		awk '{ print $1 * 100 + $2 }'
}

# /dev/kvm may exist without working, so check that the processor has virtualization.
accelerator()
{
	if [ "${ACCEL:-}" ]; then
		echo "$ACCEL"
	elif grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; then
		echo kvm
	else
		echo tcg,thread=multi
	fi
}
