# SPDX-License-Identifier: GPL-2.0-only
# Sourced by every script of the lab: where things are, and how to speak.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${OUT:=$top/out}" || exit 1
out=$(cd "$OUT" && pwd)

# Scripts call make anew, for other trees: the caller's flags are not for them.
unset MAKEFLAGS MFLAGS MAKELEVEL

say() { printf '  %-7s %s\n' "$1" "$2"; }

die()
{
	echo "evpoll: $*" >&2
	exit 1
}

# need_space MB: better one line now than a half-written file later
need_space()
{
	free=$(df -Pm "$out" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die "disk full: $out has $free MB free, this step needs $1; make room or set OUT="
}

# quietly LOG COMMAND...: all output to out/LOG; what went wrong is in $error, one line
quietly()
{
	log=$out/$1
	shift
	if [ "${V:-}" ]; then
		"$@" || { error="'$1' failed"; return 1; }
	elif ! "$@" > "$log" 2>&1; then
		error=$(grep -E '^E:|rror|No space' "$log" | head -n 1)
		error="${error:-"'$1' failed"} (all of it: $log)"
		return 1
	fi
}

# Two makes at a time: the scripts that write shared files take turns.
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
