# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the tests of 'make conformance', which run in the guest: results as KTAP, and proof that
# evpoll did the work. Programs of the host stand in /, Debian's servers in /servers.

preload=/libevpoll-preload.so
# shellcheck disable=SC2034 # for the tests
host=127.0.0.1
tests=0

# No device, and the test must not pass by epoll.
export EVPOLL_PRELOAD_STRICT=1

# result NAME STATUS
result()
{
	tests=$((tests + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $tests $1"
	else
		echo "not ok $tests $1"
	fi
}

# check NAME COMMAND...: its output says why it failed
check()
{
	name=$1
	shift
	status=0
	"$@" > /tmp/check.log 2>&1 || status=$?
	sed 's/^/# /' /tmp/check.log
	result "$name" $status
}

# counted NAME MECHANISM EVENT: count these trace events, from now on and from 0; see count()
counted()
{
	instance=/sys/kernel/tracing/instances/$1
	[ ! -e "$instance" ] || rmdir "$instance"
	mkdir "$instance"
	echo 8 > "$instance/buffer_size_kb"
	echo 1 > "$instance/events/$2/$3/enable"
}

# The buffer keeps few, and knows how many there were.
count()
{
	cat "/sys/kernel/tracing/instances/$1"/per_cpu/cpu*/stats |
		awk '/^(entries|overrun):/ { n += $2 } END { print n + 0 }'
}

# both PROGRAM: run all its cases on this kernel's epoll, then under the preload library. What passes
# there must pass here.
both()
{
	counted evpoll evpoll evpoll_ctl
	"$1" > /tmp/epoll.ktap 2>&1
	by_epoll=$(count evpoll)
	LD_PRELOAD=$preload "$1" > /tmp/evpoll.ktap 2>&1
	awk -v by_epoll="$by_epoll" -v by_evpoll="$(count evpoll)" -f /conformance/both.awk \
		/tmp/epoll.ktap /tmp/evpoll.ktap
}

# in_servers COMMAND...: a program of the servers' root, without the preload library
in_servers() { chroot /servers "$@"; }

# serve COMMAND...: start a server under the preload library; its children are found by its name
serve()
{
	server=${1##*/}
	[ -e /servers/dev/null ] || {
		mount --bind /dev /servers/dev
		mount --bind /proc /servers/proc
		mount --bind /tmp /servers/tmp
	}
	LD_PRELOAD=$preload chroot /servers "$@" > "/tmp/$server.log" 2>&1 &
}

# up PORT: true once something listens there. Nothing tells when it will, so ask again and again.
up()
{
	/conformance/client wait "$1" && return
	cat "/tmp/$server.log"
	return 1
}

# did_it SERVER: say how many events evpoll delivered to its processes. False if there was none, or
# one has an epoll instance.
did_it()
{
	delivered=0
	for pid in $(pidof "$1"); do
		for fd in "/proc/$pid/fd"/*; do
			case $(readlink "$fd") in
			*\[eventpoll\])
				echo "$1 has an epoll instance: $fd"
				return 1
				;;
			*/dev/evpoll)
				info=/proc/$pid/fdinfo/${fd##*/}
				delivered=$((delivered + $(awk '/^delivered:/ { print $2 }' "$info")))
			esac
		done
	done
	echo "$delivered events delivered"
	[ $delivered -gt 0 ]
}

# proof SERVER: did_it() as a test, with the number in its name
proof()
{
	status=0
	did_it "$1" > /tmp/proof || status=$?
	result "evpoll served $1: $(cat /tmp/proof)" $status
}
