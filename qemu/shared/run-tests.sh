# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the commands that run tests. Boot a guest that runs the programs in /tests, watch the
# guest, and print the results. The caller sets work, and limit: the seconds that the guest may be
# silent.
# shellcheck disable=SC2154

# Patterns of the messages that a kernel prints when it finds a fault
splats='(^|\] )(WARNING: |BUG[ :]|Oops|general protection|Kernel panic|UBSAN: |ODEBUG: )
BUG: |refcount_t: |KASAN: |KCSAN: |Call Trace:|list_(add|del) corruption|NOHZ tick-stop error
INFO: (task .* blocked|trying to register|.*detected.* stall)
unreferenced object|suspected memory leaks'

# console() must have read this console before.
is_clean()
{
	! grep -qE "$splats" "$1.scan"
}

# console LOG: print as KTAP whether the kernel found a fault
console()
{
	# fault.c makes kmem_cache_create() fail, which then prints a stack. That is no fault.
	sed '/kmem_cache_create[a-z_]*(evpoll_item) failed/,/<\/TASK>/{ /Call Trace:/d; }' "$1" |
		busybox awk -v races="$1.races" -f "$shared/kcsan.awk" > "$1.scan"
	if [ -s "$1.races" ]; then
		printf '# progress %s data races of the kernel alone, see %s\n' \
			"$(grep -c KCSAN: "$1.races")" "$1.races"
	fi
	if is_clean "$1"; then
		echo "ok 1 console is clean"
	else
		grep -nE -B 2 -A 25 "$splats" "$1.scan" | head -n 38 | sed 's/^/# /'
		printf '# all of it: %s\nnot ok 1 console is clean\n' "$1"
	fi
}

# ending STATUS FOLDER: print as KTAP how the guest ended; STATUS is that of boot.sh
ending()
{
	case $1 in
	0)	echo "ok 2 guest ran to its end"; return ;;
	2)	why="a test hangs in the kernel" ;;
	125)	why="panic or reboot, or QEMU did not start" ;;
	*)	why="status $1" ;;
	esac
	[ ! -e "$2/silent" ] || why="it said nothing for $limit s"
	tail -n 20 "$2/console.log" | sed 's/^/# /'
	printf '# all of it: %s\nnot ok 2 guest ran to its end: %s\n' "$2/console.log" "$why"
}

# The guest itself ends a test that takes too long. If the guest hangs, end it from here: an NMI
# makes it print its stacks, and panic.
watchdog()
{
	while sleep 5 && [ -e "$1/pid" ]; do
		if [ $(($(date +%s) - $(stat -c %Y "$1/ktap.log"))) -gt "$limit" ]; then
			touch "$1/silent"
			echo nmi > "$1/monitor.in"
			sleep 10
			kill "$(cat "$1/pid")"
		fi
	done
}

# run NAME: boot that kernel with $work/NAME/initramfs
run()
{
	say BOOT "$1"
	dir=$work/$1
	rm -f "$dir/silent" "$dir"/console.log* "$dir"/monitor.*
	mkfifo "$dir/monitor.in" "$dir/monitor.out"
	: > "$dir/ktap.log"
	: > "$dir/pid"
	watchdog "$dir" 2> /dev/null &
	{
		status=0
		LIMIT=0 sh "$shared/boot.sh" "$out/kernels/$1/bzImage" "$dir/initramfs" check \
			-serial "file:$dir/console.log" -serial stdio -pidfile "$dir/pid" \
			-monitor "pipe:$dir/monitor" < /dev/null || status=$?
		rm -f "$dir/pid"
		printf '\n# begin console 0\n1..2\n'
		console "$dir/console.log"
		ending $status "$dir"
		printf '# end console 0 0\n'
	} | tee "$dir/ktap.log" | busybox awk -v totals="$work/totals" -f "$shared/ktap.awk"
}

# run_all "NAME...": run each of these kernels, print the sum over all of them, and return whether all
# tests passed.
run_all()
{
	: > "$work/totals"
	for name in $1; do
		run "$name"
	done
	awk '{ passed += $1; failed += $2; skipped += $3 }
		END {
			printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit failed || !passed
		}' "$work/totals"
}
