#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Test the lab itself: which programs and files vm-run takes into the VM, what comes back, and what
# the lab says where it cannot work. Build the samples, and run them in the VM.
. "$(dirname "$0")/../shared/lib.sh"

work=$out/check-lab
here="$work/a dir~@"
clone="$work/a clone"	# this tree under a path with a space
passed=0
failed=0

# ok NAME COMMAND...: the test passes if the command succeeds
ok()
{
	test=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		say PASS "$test"
	else
		failed=$((failed + 1))
		say FAIL "$test"
		sed 's/^/    # /' "$work/stdout" "$work/stderr"
	fi
}

# run COMMAND...: run it, and keep its status and what it prints
run()
{
	status=0
	env -u KERNEL -u KDIR "$@" > "$work/stdout" 2> "$work/stderr" < /dev/null || status=$?
}

# vm_run NAME=VALUE...: run vm-run with these options
vm_run() { run "$@" sh "$clone/qemu/commands/vm-run.sh"; }

printed() { grep -qxF -- "$1" "$work/stdout"; }

said() { grep -qF -- "$1" "$work/stderr"; }

# fails TEXT: the command failed early, and the lab said why in one line
fails()
{
	[ $status -ne 0 ] && said "$1" && ! grep -qv -e '^evpoll: ' -e '^make: ' "$work/stderr"
}

# program FILE: make a program of what stdin says
program()
{
	cat > "$1"
	chmod +x "$1"
}

one_at_a_time
rm -rf "$work"
mkdir -p "$here/x:y" "$here/empty"
ln -s "$top" "$clone"
cd "$here"

mkdir -m 750 private
echo text > private/file
ln -s file private/link
ln -s .. private/up
ln -s nowhere private/dangling
echo '#!/usr/local/bin/no-such-program' | program lacks
echo '#!/usr/bin/env -S A=1 no-such-program' | program lacks-env
printf '%s\n' '#!/bin/sh' 'echo called' | program called
program x:y/main <<-"END"
	#!/usr/bin/env bash
	echo "arguments $1 $2"
	echo "variable $variable"
	echo "folder $PWD"
	echo error >&2
	called
	echo "links $(cat private/link) $(readlink private/link) $(readlink private/up)"
	readlink private/dangling
	echo "mode $(stat -c '%a %u' private)"
	ls -d empty
	echo device > /dev/stdout
	ls /etc/nsswitch.conf
	setpriv --reuid 65534 --clear-groups cat "$0" > /dev/null && echo readable
	exit 42
END
printf '%s\n' '#!/bin/sh' 'echo "preload $LD_PRELOAD"' | program differs

say BOOT "a script that calls others"
[ "$(id -u)" -ne 0 ] || chown 12345 private
owner=$(stat -c %u private)
umask 077
vm_run PATH="$PATH:$here" FILES="'$here' /usr/bin/bash $(command -v setpriv)" \
	CMD="variable='a b' '$here/x:y/main' \$((1 + 1)) \"\$HOME\""
umask 022
ok "status of a script" [ $status -eq 42 ]
ok "path with a space and signs, arguments" printed "arguments 2 /"
ok "variable before the program" printed "variable a b"
ok "current folder" printed "folder $here"
ok "carried program in PATH" printed called
ok "links stay links" printed "links text file .."
ok "a link to nothing" printed nowhere
ok "mode and owner stay" printed "mode 750 $owner"
ok "empty folder" printed empty
ok "/dev/stdout" printed device
ok "/etc/nsswitch.conf" printed /etc/nsswitch.conf
ok "other users can read with umask 077" printed readable
ok "stdout has only the program's output" [ "$(wc -l < "$work/stdout")" -eq 11 ]
ok "stderr comes apart" grep -qx error "$work/stderr"
ok "one line for what is missing" \
	[ "$(grep -c 'no-such-program' "$work/stderr") $(grep -c '^  NOTE ' "$work/stderr")" = "1 1" ]

say BOOT "a program that the shell has too, by make"
run make -C "$top" vm-run PRELOAD=1 CMD='printf "%s $((1 + 1))\n" "$0"'
ok "not the shell's own" printed "/vm-run 2"
ok "program did not use evpoll" said "the program did not use evpoll"

say BOOT "a program on both"
vm_run BOTH=1 CMD="'$here/differs'"
ok "epoll and evpoll differ" [ $status -eq 1 ]
ok "what differs" printed "+preload /libevpoll-preload.so"

sh "$shared/setup.sh" samples
say BOOT "the samples"
run make -s -C "$top/samples" O="$work/samples"
ok "samples build" [ $status -eq 0 ]
samples="blocking nonblocking select poll epoll evpoll signal async"
{
	echo '#!/bin/sh'
	for sample in $samples; do
		echo "$work/samples/$sample"
	done
} | program run-samples
vm_run LIMIT=60 FILES="$work/samples" CMD="'$here/run-samples'"
for sample in $samples; do
	ok "sample $sample" printed "$sample: echoed 256 messages on 16 connections"
done

vm_run CMD="'$here/lacks'"
ok "program without its interpreter" fails "needs /usr/local/bin/no-such-program"
vm_run CMD="'$here/lacks-env'"
ok "program whose interpreter env does not find" fails "needs no-such-program"
for word in if cd alias . no-such-program "'$here'"; do
	vm_run CMD="$word x"
	ok "no program is called $word" fails "no program is called '"
done
vm_run CMD=true FILES="'$here"
ok "quote without an end in FILES" fails "FILES= has quotes without an end"
vm_run CMD=true FILES="/nowhere"
ok "no such file in FILES" fails "FILES=: there is no /nowhere"

run env -u OUT sh "$clone/qemu/commands/module.sh"
ok "clone under a path with a space" fails "kbuild cannot build in '$clone/out'"
for folder in "a b" a:b "a'b" a,b; do
	for target in run check module; do
		run make -C "$top" $target OUT="$work/$folder"
		ok "make $target OUT=$folder" fails "kbuild cannot build in '$work/$folder'"
	done
	mkdir -p "$work/$folder"
	run make -C "$top" KDIR="$work/$folder"
	ok "make KDIR=$folder" fails "kbuild cannot build in '$work/$folder'"
	run make -C "$top" clean OUT="$work/$folder"
	ok "make clean OUT=$folder" [ $status -eq 0 ]
done
run make -C "$top" lib OUT="$work/a b"
ok "make lib OUT=a b" said "because of the space"
run make -C "$top" run OUT=/proc/evpoll
ok "folder that cannot be written" fails "you cannot write to '/proc/evpoll'"

echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
