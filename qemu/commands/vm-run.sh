#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run CMD= in the VM with evpoll.ko loaded, and exit with its status: 128 + n if signal n ended it,
# 124 if it took longer than LIMIT seconds, 125 if the guest failed before the program ended. With
# BOTH=1 the status is 1 if epoll and evpoll differ.
. "$(dirname "$0")/../shared/lib.sh"
. "$shared/carry.sh"
exec 3>&1 >&2	# only the program writes to stdout

name=${KERNELS:-6.12}
name=${name%% *}
[ -z "${KERNEL:-}" ] || name=custom
dir=$out/vm-run
root=$dir/root
list=$dir/carried

# quote WORD: print it as the shell reads it
quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

# front REGEX: print what CMD begins with, if that matches
front() { printf '%s' "$CMD" | sed -zE "s/^($1).*/\1/; t; d"; }

one_at_a_time
sh "$shared/setup.sh" run
sh "$shared/qemu.sh"
sh "$shared/kernel.sh" "$name"

# CMD is a command line for the shell: assignments, a program, and the rest. Only the guest expands
# the assignments and the rest. It gets the program's path, because its shell may have a builtin of
# that name, as this shell has. So 'command -v' would not do.
[ "${CMD:-}" ] || die "no program to run: give CMD='program args'"
syntax="CMD= must begin with a program in PATH, or with a path"
syntax="$syntax; quote a path with a space; for all else give CMD=\"sh -c '...'\""
piece="([^][:space:]'\"\\\\;&|<>()]|\\\\.|'[^']*'|\"([^\"\\\\]|\\\\.)*\")"
before=$(front "([[:space:]]*[A-Za-z_][A-Za-z0-9_]*=$piece*[[:space:]])*[[:space:]]*"; echo .)
before=${before%.}
CMD=${CMD#"$before"}
word=$(front "$piece+")
program=$(eval "busybox which $word" 2> /dev/null) || die "no program is called '$word': $syntax"
program=$(realpath -s "$program")

rm -rf "$dir"
mkdir -m 700 "$dir"	# some files may be secret
mkdir "$root"
echo "$program" > "$list.own"
interpreters "$list.own" | while IFS= read -r file; do
	[ -e "$file" ] || die "$program needs $file to run, and this machine has no such program"
done

set -f	# eval expands patterns
(eval "set -- ${FILES:-}") 2> /dev/null ||
	die "FILES= has quotes without an end: quote a path as the shell does"
set +f
eval "set -- ${FILES:-}"
for file; do
	[ -e "$file" ] || die "FILES=: there is no $file"
	realpath -s "$file" >> "$list.own"
done
# The C library looks up names as these files say.
for file in /etc/nsswitch.conf /etc/services /etc/protocols; do
	[ ! -e "$file" ] || echo "$file" >> "$list.own"
done
lead "$PWD" > "$list"
carry "$list" < "$list.own"
say CARRY "$program and what it needs: $(wc -l < "$list") files and folders"
[ ! -s "$list.missing" ] ||
	say NOTE "this machine lacks, or does not let you read: $(sort -u "$list.missing" |
		sed '10 { s/$/ .../; q }' | tr '\n' ' ')"

how=epoll
[ "${PRELOAD:-0}" = 0 ] || how=evpoll
[ "${BOTH:-0}" = 0 ] || how=both
if [ $how != epoll ]; then
	build_library "$out/lib"
	cp "$out/lib/libevpoll-preload.so" "$root"
fi
{
	echo "cd $(quote "$PWD")"
	echo "export PATH=$(quote "$PATH:/bin")"
	echo 'on_epoll() ('
	echo "$before$(quote "$program")${CMD#"$word"}"
	echo ')'
	cat "$top/qemu/guest/vm-run"
	echo $how
} > "$root/vm-run"

sh "$shared/initramfs.sh" "$name" "$dir/initramfs" '' "$root" "$list"

say BOOT "$name"
# QEMU writes the guest's stderr into a FIFO. This script keeps it open until QEMU has ended.
mkfifo "$dir/stderr"
exec 4<> "$dir/stderr"
cat "$dir/stderr" 4<&- &
status=0
LIMIT=${LIMIT:-300} sh "$shared/boot.sh" "$out/kernels/$name/bzImage" "$dir/initramfs" vm_run \
	-serial "file:$dir/console.log" -serial stdio -serial "file:$dir/stderr" \
	-serial "file:$dir/status" < /dev/null >&3 || status=$?
exec 4<&-
wait $!
case $status in
0)	exit "$(tr -d '\r\n' < "$dir/status")" ;;
124)	echo "evpoll: the program took longer than ${LIMIT:-300} s, which LIMIT= sets"
	echo "evpoll: the guest's console is in $dir/console.log" ;;
*)	tail -n 20 "$dir/console.log"
	echo "evpoll: the guest failed; its console is in $dir/console.log"
	status=125 ;;
esac
exit $status
