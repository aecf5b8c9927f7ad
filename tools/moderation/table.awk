# SPDX-License-Identifier: GPL-2.0-only
# Print the rows of 'make moderation' as they arrive, write them to -v results=FILE, and explain them
# at the end. The status is 1 if they contradict a claim about evpoll.

BEGIN {
	FS = "\t"
	print "load\tmode\tevents\twakeups\tswitches\tp50_ns\tp99_ns\tfirst_ns" > results
}

/^status / { status = substr($0, 8); next }
NF != 9 { print; next }

function row(load, mode, events, wakeups, each, switches, p50, p99, first, rate)
{
	printf "%-8s %-9s %7s %8s %11s %9s %9s %9s %9s %9s\n", load, mode, events, wakeups, each,
	       switches, p50, p99, first, rate
}
$1 != last {
	printf "\n%s\n", about($1)
	row("load", "mode", "events", "wakeups", "ev/wakeup", "switches", "p50 us", "p99 us",
	    "first us", "events/s")
	last = $1
}
{
	events[$1] = $3
	wakeups[$1, $2] = $4
	p50[$1, $2] = $6 / 1000
	p99[$1, $2] = $7 / 1000
	first[$1, $2] = $9 / 1000
	row($1, $2, $3, $4, $4 ? sprintf("%.1f", $3 / $4) : "-", $5, sprintf("%.1f", $6 / 1000),
	    sprintf("%.1f", $7 / 1000), $1 ~ /^b/ ? sprintf("%.1f", $9 / 1000) : "-",
	    sprintf("%.0f", $3 / $8 * 1000000))
	fflush()
	# busy64 repeats burst64 for a claim below, so the results leave it out.
	if ($1 != "busy64") {
		for (i = 1; i < 8; i++)
			printf "%s\t", $i > results
		print $9 > results
		rows++
	}
}

function about(load)
{
	if (load == "burst1")
		return "A file becomes readable in a NAPI poll; again when the reader sleeps:"
	if (load == "burst64")
		return "64 files become readable in one NAPI poll, 1 us apart; again when the reader sleeps:"
	if (load == "busy64")
		return "The same, while another thread takes the reader's processor:"
	if (load == "steady")
		return "Single events, one each 10 us, each in an interrupt and a NAPI poll of its own:"
	return "Messages of another process over loopback TCP, one each 50 us, on 64 connections in turn:"
}

function a_burst(load, mode) { return wakeups[load, mode] * 64 / events[load] }
function a_wakeup(load, mode) { return events[load] / (wakeups[load, mode] + 0.001) }

# Runs differ by some percent, because the processors take turns.
function is_as_early(load, percent)
{
	return first[load, "eager"] <= (1 + percent / 100) * first[load, "epoll"]
}

function beside(load)
{
	return sprintf("%.1f us, epoll %.1f", first[load, "eager"], first[load, "epoll"])
}

function explain()
{
	print "\nA wakeup is what a sleeping reader costs: an interrupt for its processor and a"
	print "context switch. Latency is from the event to the return of the wait that reports it;"
	print "'first' is its median for the first events of the bursts."
	print ""
	print "  epoll, off  each event wakes the reader, if it sleeps at that moment. 'off' is evpoll"
	print "              without batching."
	print "  default     what one interrupt brought is one wakeup, when its work is done. Single"
	print "              events have nothing to be joined with, and are not delayed."
	print "  eager       the first event wakes the reader at once, and the rest of what the interrupt"
	print "              brought is one more wakeup."
	print "  50us 200us  the wakeup comes so long after the first event, with all that came."
	print "  adaptive    a window only while it would collect 8 events, and as long as that takes,"
	printf "              at most 200 us. Under steady it did: %.1f events a wakeup, half of them\n",
	       a_wakeup("steady", "adaptive")
	printf "              within %.0f us. Under tcp 8 messages take 400 us, so it did not: %.1f.\n",
	       p50["steady", "adaptive"], a_wakeup("tcp", "adaptive")
	print "              Bursts it knows by the time between events, so a pause between two may"
	printf "              look like a window's worth: p99 %.0f us, default %.0f, for equal wakeups.\n",
	       p99["burst64", "adaptive"], p99["burst64", "default"]
	print ""
	print "An instruction is a ns here, and processors take turns: see Documentation/wakeup-path.rst."
}

function claim(what, holds)
{
	printf "  %-4s %s\n", holds ? "yes" : "NO", what
	if (!holds)
		failed = 1
}

END {
	if (status != 0 || rows != 24) {
		printf "%d rows, not 24; the guest ended with status %s\n", rows, status
		exit 1
	}
	explain()
	print "\nIs it as claimed?"
	claim(sprintf("64 events in a NAPI poll are one wakeup by default; by epoll %.1f",
		      a_burst("burst64", "epoll")), a_burst("burst64", "default") == 1)
	claim(sprintf("also while the reader's processor is busy; by epoll %.1f",
		      a_burst("busy64", "epoll")), a_burst("busy64", "default") == 1)
	claim(sprintf("with eager an event that comes alone is as early as by epoll (within 5 %%): %s",
		      beside("burst1")), is_as_early("burst1", 5))
	claim(sprintf("so is the first of 64 (within 15 %%, as the reader also takes others): %s",
		      beside("burst64")), is_as_early("burst64", 15))
	claim(sprintf("and with eager the 64 are %.2f wakeups (at most 2)",
		      a_burst("burst64", "eager")), a_burst("burst64", "eager") <= 2)
	ratio = wakeups["steady", "epoll"] / (wakeups["steady", "200us"] + 0.001)
	claim(sprintf("steady events with 200us: a wakeup for %.1f of epoll's (at least 10)", ratio),
	      ratio >= 10)
	over = p99["steady", "200us"] - 200
	claim(sprintf("and their p99 is the window and %.1f us (at most 50) to wake up", over),
	      over <= 50)
	exit failed
}
