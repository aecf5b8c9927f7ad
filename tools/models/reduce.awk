# SPDX-License-Identifier: GPL-2.0-only
# Reduce record.log and report.txt of 'make models': print a row for each sample, write the rows to
# -v results=FILE, and write what happens around one message of each sample to -v figures=FILE.
#
# A message has three times: a packet brings it to the socket (sk_data_ready), the kernel begins to
# copy it to the program (skb_copy_datagram_iovec), and has copied it (sock_recv_length).

BEGIN {
	CONNECTIONS = 16	# of each sample
	split("0 read,1 write,7 poll,15 rt_sigreturn,130 rt_sigsuspend,232 epoll_wait," \
	      "270 select,426 io_uring_enter", list, ",")
	for (i in list) {
		split(list[i], word, " ")
		call_name[word[1]] = word[2]
	}
	# Of a wait, 0 means that it found nothing. Of a read, it is the end of the connection.
	waits["select"] = waits["poll"] = waits["epoll_wait"] = 1
}

# record.log: what each sample prints when it is done
FNR == NR {
	if (match($0, /: echoed [0-9]+ messages/)) {
		name = substr($0, 1, RSTART - 1)
		order[++samples] = name
		split(substr($0, RSTART + 2), word, " ")
		wanted[name] = word[2]
	}
	next
}

# ---- Read the trace ----

{
	match($1, /-[0-9]+$/)
	comm = substr($1, 1, RSTART - 1)
	pid = substr($1, RSTART + 1)
	now = ($3 + 0) * 1e6
	type = $4
}

function field(name,    at)
{
	at = index($0, " " name "=")
	return at ? substr($0, at + length(name) + 2) + 0 : ""
}
function field_text(name,    at, text)
{
	at = index($0, " " name "=")
	text = substr($0, at + length(name) + 2)
	sub(/ .*/, "", text)
	return text
}
function hex(text,    i, n)
{
	for (i = 1; i <= length(text); i++)
		n = n * 16 + index("123456789abcdef", substr(text, i, 1))
	return n
}

# The first message of each connection is not measured, because the service may still be starting.
# The measurement begins with the packet that follows, and ends when the clients close the
# connections.
function measured() { return started[sample] && !ended[sample] }

# since[] has the time since which a task of the service runs. The clients have the name of the
# service until they give themselves another.
comm == "clients" { delete since[pid] }

function note(kind, from, to, what, who)
{
	notes[sample]++
	note_kind[sample, notes[sample]] = kind
	note_from[sample, notes[sample]] = from
	note_to[sample, notes[sample]] = to
	note_what[sample, notes[sample]] = what
	note_pid[sample, notes[sample]] = who
}

type == "sys_enter:" && comm in wanted {
	sample = comm
	if (!(pid in since))
		since[pid] = now
	id = field("id")
	called[pid] = id in call_name ? call_name[id] : "system call " id
	argument[pid] = hex(substr($7, 1, 2) substr($6, length($6) - 2, 2))
	entered[pid] = now
	from_socket[pid] = 0
	if (measured())
		calls[sample]++
	next
}
type == "sys_exit:" && comm in wanted {
	if (called[pid] == "")		# the call began before the trace
		next
	ret = field("ret")
	if (measured() && (ret == -11 || (ret == 0 && called[pid] in waits)))
		nothing[sample]++
	if (called[pid] == "read" && !from_socket[pid])
		called[pid] = "read events"
	note("call", entered[pid], now, called[pid] "\t" argument[pid] "\t" ret, pid)
	called[pid] = ""
	next
}

type == "sk_data_ready:" {
	socket = field_text("skaddr")
	if (comm == "clients" && received[sample] == CONNECTIONS && !started[sample]) {
		started[sample] = now
		for (p in since)
			since[p] = now
	} else if (comm == "clients" && received[sample] == wanted[sample] && !ended[sample]) {
		ended[sample] = now
		for (p in since)
			busy[sample] += now - since[p]
	}
	arrived[socket] = now
	next
}
type == "skb_copy_datagram_iovec:" && comm in wanted { copying[pid] = now; next }
type == "sock_recv_length:" && comm in wanted {
	socket = field_text("sk")
	from_socket[pid] = 1
	if (field("ret") <= 0)
		next
	received[sample]++
	note("copy", copying[pid], now, "", pid)
	if (!measured()) {
		done[socket] = now
		next
	}
	m = ++copies[sample]
	arrival[sample, m] = arrived[socket]
	begin[sample, m] = copying[pid]
	end[sample, m] = now
	reader[sample, m] = pid
	in_socket[sample, m] = copying[pid] - arrived[socket]
	copy[sample, m] = now - copying[pid]
	wait[sample, m] = arrived[socket] - done[socket]
	done[socket] = now
	next
}

type == "sched_waking:" {
	note("wakes", now, now, "", field("pid"))
	if (measured())
		wakeups[sample]++
	next
}
type == "sched_switch:" {
	from = field_text("prev_comm")
	to = field_text("next_comm")
	if (from in wanted) {
		pid = field("prev_pid")
		slept[pid] = now
		if (measured()) {
			switches[sample]++
			busy[sample] += now - since[pid]
		}
		delete since[pid]
	}
	if (to in wanted) {
		sample = to
		pid = field("next_pid")
		since[pid] = now
		if (pid in slept)
			note("sleeps", slept[pid], now, "", pid)
	}
	next
}
type == "signal_deliver:" && comm in wanted {
	note("signal", now, now, field("sig"), pid)
	if (measured())
		signals[sample]++
	next
}

# ---- The table ----

# median(A, N): the median of a[sample, 1..n]
function median(a, n,    i, j, sorted, v)
{
	for (i = 1; i <= n; i++) {
		v = a[sample, i]
		for (j = i; j > 1 && sorted[j - 1] > v; j--)
			sorted[j] = sorted[j - 1]
		sorted[j] = v
	}
	return sorted[int((n + 1) / 2)]
}
function each(n) { return sprintf("%.2f", n / copies[sample]) }
function row(a, b, c, d, e, f, g, h, i, j)
{
	printf "%-12s %8s %8s %8s %8s %8s %9s %9s %8s %7s\n", a, b, c, d, e, f, g, h, i, j
}

function tell(kind, from, to, what)
{
	print sample, kind, sprintf("%.3f", from), sprintf("%.3f", to), what > figures
}

# Write what happens around message m: system calls, sleep, signals and wakeups of the task that gets
# it, and what arrives. Times are in us since the message arrived.
function figure(m,    i, zero, first, last, tries, since_then)
{
	zero = arrival[sample, m]
	first = zero - 20
	last = end[sample, m] + 60
	tell("message", begin[sample, m] - zero, end[sample, m] - zero)
	for (i = 1; i <= notes[sample]; i++)
		if (note_pid[sample, i] == reader[sample, m] && note_to[sample, i] > first &&
		    note_from[sample, i] < last)
			tell(note_kind[sample, i], note_from[sample, i] - zero,
			     note_to[sample, i] - zero, note_what[sample, i])
	# A service that never sleeps calls again and again, and the calls fail with EAGAIN, because
	# the message is not there yet. Count these calls.
	if (nothing[sample] > 2 * copies[sample]) {
		for (i = 1; i <= notes[sample] && note_to[sample, i] < zero; i++) {
			if (note_kind[sample, i] == "copy")
				tries = 0
			else if (note_kind[sample, i] == "call" &&
				 note_what[sample, i] ~ /-11$/ && !tries++)
				since_then = note_from[sample, i]
		}
		tell("tried", since_then - zero, 0, tries)
	}
	for (i = 1; i <= copies[sample]; i++)
		if (i != m && arrival[sample, i] > first && arrival[sample, i] < last)
			tell("arrives", arrival[sample, i] - zero, arrival[sample, i] - zero)
}

# Of the messages that found the service without other work, choose the one with the median time.
function typical(    i, m, n, alone, which)
{
	for (m = 1; m <= copies[sample]; m++) {
		alone = 1
		for (i = 1; i <= copies[sample] && alone; i++)
			if (i != m && arrival[sample, i] < arrival[sample, m] &&
			    end[sample, i] + 50 > arrival[sample, m])
				alone = 0
		if (alone) {
			took[sample, ++n] = end[sample, m] - arrival[sample, m]
			which[took[sample, n]] = m
		}
	}
	return which[median(took, n)]
}

END {
	OFS = "\t"
	print "sample\tcalls\tnothing\tswitches\twakeups\tsignals\twait_us\tsocket_us\tcopy_us\tbusy" > results
	row("", "system", "found", "", "", "", "waits", "in the", "copy", "service")
	row("a message:", "calls", "nothing", "switches", "wakeups", "signals", "us", "socket us", "us", \
	    "is busy")
	for (s = 1; s <= samples; s++) {
		sample = order[s]
		if (received[sample] != wanted[sample] || !ended[sample]) {
			printf "reduce.awk: the trace has %d messages of %s, not %d\n", received[sample],
			       sample, wanted[sample] > "/dev/stderr"
			exit 1
		}
		part = 100 * busy[sample] / (ended[sample] - started[sample])
		row(sample, each(calls[sample]), each(nothing[sample]), each(switches[sample]),
		    each(wakeups[sample]), each(signals[sample]),
		    sprintf("%.0f", median(wait, copies[sample])),
		    sprintf("%.1f", median(in_socket, copies[sample])),
		    sprintf("%.1f", median(copy, copies[sample])), sprintf("%.0f %%", part))
		print sample, each(calls[sample]), each(nothing[sample]), each(switches[sample]),
		      each(wakeups[sample]), each(signals[sample]),
		      sprintf("%.1f", median(wait, copies[sample])),
		      sprintf("%.2f", median(in_socket, copies[sample])),
		      sprintf("%.2f", median(copy, copies[sample])), sprintf("%.1f", part) > results
		figure(typical())
	}
	print "\nfound nothing  system calls that returned EAGAIN, or a wait that returned 0"
	print "switches       how often the service left its processor"
	print "waits          phase 1: from the message before on this connection to this one (median)"
	print "in the socket  from there until the copy begins: the service is told, and asks (median)"
	print "copy           phase 2: from the kernel's buffer to that of the service (median)"
	print "An instruction takes a ns in this VM, the CPUs of service and clients take turns, and recording"
	print "takes time too. So compare times only with each other. Documentation/io-models.rst says more."
}
