# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the tests of 'make conformance', which run in the guest. It prints results as KTAP and
# proves that evpoll did the work. The programs of the tests are in /conformance, Debian's servers in
# /servers.

preload=/libevpoll-preload.so
# shellcheck disable=SC2034 # for the tests
host=127.0.0.1
tests=0

# Without the device the preload library must fail. It must not fall back to epoll.
export EVPOLL_PRELOAD_STRICT=1

# result NAME STATUS: print one result
result()
{
	tests=$((tests + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $tests $1"
	else
		echo "not ok $tests $1"
	fi
}

# check NAME COMMAND...: the test passes if the command succeeds; its output becomes diagnostics
check()
{
	name=$1
	shift
	status=0
	"$@" > /tmp/check.log 2>&1 || status=$?
	sed 's/^/# /' /tmp/check.log
	result "$name" $status
}

# counted NAME MECHANISM EVENT: start to count this trace event from 0, for count()
counted()
{
	instance=/sys/kernel/tracing/instances/$1
	[ ! -e "$instance" ] || rmdir "$instance"
	mkdir "$instance"
	echo 8 > "$instance/buffer_size_kb"
	echo 1 > "$instance/events/$2/$3/enable"
}

# The buffer keeps only a few events, but its statistics count all of them.
count()
{
	cat "/sys/kernel/tracing/instances/$1"/per_cpu/cpu*/stats |
		awk '/^(entries|overrun):/ { n += $2 } END { print n + 0 }'
}

# both PROGRAM: run all its cases on this kernel's epoll, then under the preload library. A case that
# passes on epoll must pass under the library.
both()
{
	counted evpoll evpoll evpoll_ctl
	"$1" > /tmp/epoll.ktap 2>&1
	by_epoll=$(count evpoll)
	LD_PRELOAD=$preload "$1" > /tmp/evpoll.ktap 2>&1
	awk -v by_epoll="$by_epoll" -v by_evpoll="$(count evpoll)" -f /conformance/both.awk \
		/tmp/epoll.ktap /tmp/evpoll.ktap
}

# in_servers COMMAND...: run a program in the servers' root, without the preload library
in_servers() { chroot /servers "$@"; }

# serve COMMAND...: start a server under the preload library
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

# up PORT: wait until a server listens there. No event tells when it does, so the client tries again
# and again.
up()
{
	/conformance/client wait "$1" && return
	cat "/tmp/$server.log"
	return 1
}

# did_it SERVER: print how many events evpoll delivered to the server's processes. Fail if there was
# no event, or if a process has an epoll instance.
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

# proof SERVER: run did_it() as a test, and print its output in the name of the test
proof()
{
	status=0
	did_it "$1" > /tmp/proof || status=$?
	result "evpoll served $1: $(cat /tmp/proof)" $status
}
