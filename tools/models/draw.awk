# SPDX-License-Identifier: GPL-2.0-only
# Draw figures.tsv of 'make models': one message of each sample that -v samples="NAME..." lists, one
# below the other on the same time axis. -v svg=FILE names the output.

BEGIN {
	FS = "\t"
	name["blocking"] = "Model 1, blocking I/O"
	name["nonblocking"] = "Model 2, non-blocking I/O"
	name["select"] = "Model 3, multiplexed I/O with select"
	name["poll"] = "Model 3, multiplexed I/O with poll"
	name["epoll"] = "Model 3, multiplexed I/O with epoll"
	name["evpoll"] = "Model 3, multiplexed I/O with evpoll"
	name["signal"] = "Model 4, signal-driven I/O"
	name["async"] = "Model 5, asynchronous I/O"
	about["blocking"] = "One call does both: it sleeps until the message is there, and copies it. " \
		"Each connection has a thread that waits like this."
	about["nonblocking"] = "The service asks one connection after the other. A call without a message " \
		"fails at once, so the service never sleeps. One call finds the message and copies it."
	multiplexed = "One call waits for all 16 connections, and returns when one has a message. " \
		"A second call copies the message. "
	about["select"] = multiplexed "The service searches 16 bits for the connection."
	about["poll"] = multiplexed "The service searches 16 entries for the connection."
	about["epoll"] = multiplexed "The first call names the connection."
	about["evpoll"] = multiplexed "The first call is a read() of /dev/evpoll, and names the connection."
	about["signal"] = "A signal interrupts the service. Its handler asks /dev/evpoll which connection " \
		"has a message, and copies it. This service has no other work, so it sleeps meanwhile."
	about["async"] = "The receive was started before, with a buffer. io_uring copies the message there " \
		"before it tells the service. Here the service waits for that in io_uring_enter()."

	# Okabe and Ito's colours: colour-blind people can tell them apart.
	colour["wait"] = "#E69F00"
	colour["socket"] = "#F0E442"
	colour["copy"] = "#0072B2"
	colour["app"] = "#333333"
	colour["handler"] = "#CC79A7"
	colour["kernel"] = "#999999"
	colour["sleeps"] = "#E4E4E4"
	colour["wakes"] = "#D55E00"
}

{
	n = ++spans[$1]
	kind[$1, n] = $2
	from[$1, n] = $3
	to[$1, n] = $4
	call[$1, n] = $5
	fd[$1, n] = $6
	ret[$1, n] = $7
	if ($2 == "message") {
		copying[$1] = $3
		copied[$1] = $4
	} else if ($2 == "tried") {
		tried[$1] = $5
		tried_since[$1] = -$3
	}
}

# ---- Shapes ----

function arrow(class, at, y1, y2,    d)
{
	d = y2 > y1 ? -7 : 7
	line(class, at, y1, at, y2 + d)
	out(sprintf("<path class='head %s' d='M%.1f %.1f l-4 %d h8 z'/>", class, at, y2, d))
}

# ---- Time. What a sleeping service does before the axis begins stands left of a break. ----

function x(time)
{
	if (time < start)
		time = start
	if (time > stop)
		time = stop
	return left + (time - start) * scale
}
function bar(class, time1, time2, y1, h)
{
	if (time2 > start && time1 < stop)
		rect(class, x(time1), y1, x(time2) - x(time1) < 1 ? 1 : x(time2) - x(time1), h)
}

# place(AT, PART, LABEL, Y, CLASS): write the label of a call, with this part of it left of AT, and a
# line from it down to Y. It stands in the lowest row with room for it.
function place(at, part, label, y1, class,    q, r, x1, y2, width)
{
	width = 6.9 * length(label)
	x1 = at - part * width
	if (x1 + width > right)
		x1 = right - width
	for (r = 1; r <= rows && x1 < used[r] + 8; r++)
		;
	if (r > rows)
		return
	used[r] = x1 + width
	y2 = y1 - 8 - (r - 1) * row
	text(class, x1, y2, label)
	# The line must not cross a label below.
	for (q = 1; q < r && used[q] < at; q++)
		;
	if (q == r)
		line("leader", at, y2 + 4, at, y1)
}

function label(s, i,    what)
{
	what = call[s, i]
	if (what == "read events")
		return "read(evpoll)" (ret[s, i] == -11 ? ": EAGAIN" : " = " plural(ret[s, i] / 12, "event"))
	if (what == "rt_sigsuspend")
		return "sigsuspend() is interrupted"
	if (what == "rt_sigreturn")
		return "end of the handler"
	if (what == "read" || what == "write")
		what = what "(fd " fd[s, i] ")"
	else
		what = what "()"
	if (ret[s, i] == -11)
		return what ": EAGAIN"
	if (call[s, i] == "io_uring_enter")
		return what (from[s, i] < start ? " returns" : "")
	if (call[s, i] ~ /^(read|write)$/)
		return what " = " plural(ret[s, i], "byte")
	return what " = " ret[s, i] " ready"
}

# The service's own code runs between its calls, while it does not sleep.
function code(s, time1, time2, y1,    class)
{
	class = handler != "" && time1 >= handler - 0.001 ? "handler" : "app"
	bar(class, time1, time2, y1, lane)
}

# What the service does at the left of the break: it makes the call in which it waits, or many calls.
function beginning(s, i, app, kernel,    name_of)
{
	if (tried[s]) {
		text("note", before, kernel + 12, tried[s] " calls since")
		text("note", before, kernel + 26, sprintf("%.0f us: EAGAIN", tried_since[s]))
		return
	}
	name_of = label(s, i)
	sub(/ (=|is|returns).*/, "", name_of)
	rect("app", before, app, 16, lane)
	text("call", before, app - 8, name_of)
	line("leader", before + 16, app - 4, before + 16, app)
	arrow("calls", before + 16, app + lane, kernel)
	rect("kernel", before + 16, kernel, 10, lane)
	rect("sleeps", before + 26, kernel, left - before - 25, lane)
	text("note", before + 50, kernel + 18, sprintf("sleeps %.0f us", slept[s]))
	cut(before + 36, kernel, kernel + lane)
}

function panel(s, top,    i, app, kernel, message, last, waited, y1, class)
{
	text(count > 1 ? "title" : "headline", 20, top + 20,
	     name[s] (count > 1 ? "" : ": how one message reaches a service"))
	text("about", 20, top + 40, about[s])
	app = top + 58 + rows * row
	kernel = app + lane + 26
	message = kernel + lane + 26
	for (i = 1; i <= rows; i++)
		used[i] = 0
	used[1] = before + 90

	text("lane", 20, app + 12, "Application")
	text("note", 20, app + 26, "the service's own code")
	text("lane", 20, kernel + 12, "Kernel")
	text("note", 20, kernel + 26, "in the service's calls")
	text("lane", 20, message + 12, "The message")
	text("note", 20, message + 26, "and where it is")
	line("border", before, app + lane + 13, right, app + lane + 13)

	# Its three times, through all lanes
	line("moment", x(0), app, x(0), message + lane + 8)
	line("moment", x(copying[s]), app, x(copying[s]), message + lane + 8)
	line("moment", x(copied[s]), app, x(copied[s]), message + lane + 8)

	handler = ""
	last = start
	for (i = 1; i <= spans[s]; i++) {
		if (kind[s, i] == "signal") {
			bar("kernel", last, from[s, i], kernel, lane)	# it prepares the handler's stack
			handler = last = from[s, i]
			place(x(last), 0, "SIGIO", app, "signal")
			arrow("signals", x(last), kernel, app + lane)
		}
		if (kind[s, i] != "call" || to[s, i] < start)
			continue
		if (from[s, i] < start)
			waited = i
		code(s, last, from[s, i], app)
		last = to[s, i]
		bar("kernel", from[s, i], to[s, i], kernel, lane)
		class = from[s, i] <= copying[s] && to[s, i] >= copied[s] ? "getter" : "call"
		if (from[s, i] < start && !tried[s])
			place(x(to[s, i]), 1, label(s, i), app, class)
		else if (from[s, i] > start && from[s, i] < stop)
			place((x(from[s, i]) + x(to[s, i])) / 2, 0.5, label(s, i), app, class)
		if (from[s, i] > start && from[s, i] < stop)
			arrow("calls", x(from[s, i]), app + lane, kernel)
		if (to[s, i] < stop && kind[s, i + 1] != "signal")
			arrow("calls", x(to[s, i]), kernel, app + lane)
		if (call[s, i] == "rt_sigreturn")
			handler = ""
	}
	code(s, last, stop, app)
	for (i = 1; i <= spans[s]; i++) {
		if (kind[s, i] == "sleeps") {
			bar("sleeps", from[s, i], to[s, i], kernel, lane)
			if (from[s, i] < start)
				slept[s] = to[s, i] - from[s, i]
		} else if (kind[s, i] == "copy") {
			bar("copy", from[s, i], to[s, i], kernel, lane)
		} else if (kind[s, i] == "wakes" && from[s, i] > start) {
			arrow("wakes", x(from[s, i]), message, kernel + lane)
		} else if (kind[s, i] == "arrives" && from[s, i] > start && from[s, i] < stop) {
			other(x(from[s, i]), kernel + lane + 3)
		}
	}
	beginning(s, waited, app, kernel)

	rect("wait", before, message, x(0) - before, lane)
	bar("socket", 0, copying[s], message, lane)
	bar("copy", copying[s], copied[s], message, lane)
	bar("done", copied[s], stop, message, lane)
	cut(before + 36, message, message + lane)
	text("inbar", before + 50, message + 18, "Phase 1: wait for it")
	text("dark", x(0) + 6, message + 18, sprintf("in the socket, %.0f us", copying[s]))
	text("dark", x(copied[s]) + 6, message + 18, "in the buffer")
	y1 = message + lane + 20
	text("event", x(0), y1, "it arrives")
	text("phase2", x(copying[s]), y1, sprintf("Phase 2: copy it, %.0f us", copied[s] - copying[s]))
}

# A break in the time axis
function cut(at, y1, y2)
{
	out(sprintf("<path class='cut' d='M%.1f %.1f h6 L%.1f %.1f h-6 z'/>", at + 6, y1 - 2, at + 6,
		    y2 + 2))
}

function other(at, y1)
{
	out(sprintf("<path class='other' d='M%.1f %.1f l-4 8 h8 z'/>", at, y1))
}

function key(class, at, y1, what, width)
{
	rect(class, at, y1, 16, 12)
	text("key", at + 22, y1 + 11, what)
	return at + width + 34
}
function legend(y1,    at)
{
	at = key("wait", 20, y1, "phase 1: the message is not there yet", 250)
	at = key("socket", at, y1, "it is in the socket, and the service does not have it yet", 372)
	at = key("copy", at, y1, "phase 2: the kernel copies it", 190)
	arrow("wakes", at + 8, y1 + 14, y1 - 4)
	at = 22 + at
	text("key", at, y1 + 11, "the service is woken")
	at += 160
	other(at, y1 + 2)
	text("key", at + 10, y1 + 11, "another message arrives")
	y1 += 22
	at = key("app", 20, y1, "the service's code runs", 250)
	at = key("handler", at, y1, "the same, in a signal handler", 372)
	at = key("kernel", at, y1, "a system call runs", 190)
	at = key("sleeps", at, y1, "the service does not run", 120)
}

function axis(y1,    t)
{
	for (t = int(start / 10) * 10; t <= stop; t += 10) {
		line("tickmark", x(t), y1 - 14, x(t), y1 - 10)
		text("tick", x(t), y1 + 2, t)
	}
	text("note", 20, y1 + 24, "Time in us since the message arrived. In this VM an instruction takes " \
	     "a ns, the CPUs of service and clients take turns, and recording takes time: trust the " \
	     "order, not the lengths.")
}

END {
	count = split(samples, wanted, " ")
	before = 190; left = 330; right = 1380; row = 16; rows = 3; lane = 28
	height_of_panel = 62 + rows * row + 3 * lane + 2 * 26 + 34
	start = -16
	for (i = 1; i <= count; i++) {
		if (copied[wanted[i]] == "") {
			print "draw.awk: no message of " wanted[i] > "/dev/stderr"
			exit 1
		}
		if (copied[wanted[i]] + 16 > stop)
			stop = copied[wanted[i]] + 16
	}
	scale = (right - left) / (stop - start)
	first_panel = count > 1 ? 110 : 10
	height = first_panel + count * height_of_panel + (count > 1 ? 50 : 105)

	out(sprintf("<svg xmlns='http://www.w3.org/2000/svg' width='1400' height='%d'", height))
	out(sprintf("viewBox='0 0 1400 %d' font-family='DejaVu Sans, Verdana, sans-serif'>", height))
	out("<!-- SPDX-License-Identifier: GPL-2.0-only -->\n<style>\ntext { fill: #111 }")
	out(".headline { font-size: 22px; font-weight: bold } .title { font-size: 17px; font-weight: bold }")
	out(".about, .key { font-size: 13px } .lane { font-size: 14px; font-weight: bold }")
	out(".note, .tick { font-size: 12px; fill: #444 } .tick { text-anchor: middle }")
	out(".call, .getter, .signal, .event, .phase2, .dark, .inbar { font-size: 12px }")
	out(".getter, .phase2 { font-weight: bold } .phase2, .getter { fill: " colour["copy"] " }")
	out(".inbar { font-weight: bold }")
	for (k in colour)
		out("." k " { fill: " colour[k] "; stroke: " colour[k] "; stroke-width: 0 }")
	out(".done { fill: #CCE3F1 } .other { fill: #888 } .cut { fill: white }")
	out("line.wakes { stroke-width: 2 } .leader { stroke: #bbb }")
	out("line.calls { stroke: #333; stroke-width: 1 } path.calls { fill: #333 }")
	out("line.signals { stroke: " colour["handler"] "; stroke-width: 2 }")
	out("path.signals { fill: " colour["handler"] " }")
	out(".border { stroke: #666; stroke-dasharray: 6 4 } .moment { stroke: #999; stroke-dasharray: 2 3 }")
	out(".rule, .tickmark { stroke: #888 }\n</style>")
	out("<rect width='100%' height='100%' fill='white'/>")
	if (count > 1) {
		text("headline", 20, 34, "One message: eight ways to wait for it and to get it")
		legend(56)
	}
	for (i = 1; i <= count; i++) {
		y = first_panel + (i - 1) * height_of_panel
		if (count > 1)
			line("rule", 20, y, right, y)
		panel(wanted[i], y + 4)
	}
	axis(first_panel + count * height_of_panel + 14)
	if (count == 1)
		legend(height - 50)
	out("</svg>")
}
