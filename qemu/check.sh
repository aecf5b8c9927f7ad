#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the selftests on each kernel of KERNELS and say how it went; TEST= runs one file of them.
. "$(dirname "$0")/lib.sh"

kernels=${KERNELS:-6.1 6.12}
[ -z "${KERNEL:-}" ] || kernels=custom

# What a kernel prints when something is wrong with it
splats='(^|\] )(WARNING: |BUG[ :]|Oops|general protection|Kernel panic|UBSAN: |ODEBUG: |refcount_t: )
BUG: |KASAN: |KCSAN: |Call Trace:|list_(add|del) corruption|NOHZ tick-stop error
INFO: (task .* blocked|trying to register|.*detected.* stall)
unreferenced object|suspected memory leaks'

# The console, as KTAP
console()
{
	if grep -qE "$splats" "$1"; then
		grep -nE -B 2 -A 30 "$splats" "$1" | head -n 60 | sed 's/^/# /'
		printf '# all of it: %s\nnot ok 1 console is clean\n' "$1"
	else
		echo "ok 1 console is clean"
	fi
}

# How the guest ended, as KTAP: $1 is the status of boot.sh
ending()
{
	case $1 in
	0)	echo "ok 2 guest ran to its end"; return ;;
	2)	why="a test hangs in the kernel" ;;
	124)	why="it took more than LIMIT=$limit seconds" ;;
	125)	why="panic, reboot, or QEMU did not start" ;;
	*)	why="status $1" ;;
	esac
	tail -n 20 "$2" | sed 's/^/# /'
	printf '# all of it: %s\nnot ok 2 guest ran to its end: %s\n' "$2" "$why"
}

run()
{
	say BOOT "$1"
	dir=$out/check/$1
	rm -f "$dir"/*.log
	{
		status=0
		LIMIT=$limit sh "$top/qemu/boot.sh" "$out/kernels/$1/bzImage" "$dir/initramfs" check \
			-serial "file:$dir/console.log" -serial stdio < /dev/null || status=$?
		printf '\n# begin console 0\n1..2\n'
		console "$dir/console.log"
		ending $status "$dir/console.log"
		printf '# end console 0 0\n'
	} | tee "$dir/ktap.log" | busybox awk -v totals="$out/check/totals" -f "$top/qemu/ktap.awk"
}

one_at_a_time
limit=${LIMIT:-900}
sh "$top/qemu/setup.sh" check
for name in $kernels; do
	sh "$top/qemu/kernel.sh" "$name"
done
sh "$top/qemu/selftests.sh" "$out/check/tests"
for name in $kernels; do
	mkdir -p "$out/check/$name"
	sh "$top/qemu/initramfs.sh" "$name" "$out/check/$name/initramfs" "$out/check/tests"
done

: > "$out/check/totals"
for name in $kernels; do
	run "$name"
done
awk '{ passed += $1; failed += $2; skipped += $3 }
	END {
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit failed || !passed
	}' "$out/check/totals"
