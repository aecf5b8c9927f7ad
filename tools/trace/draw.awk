# SPDX-License-Identifier: GPL-2.0-only
# Draw report.txt of 'make trace': the last round of each mode under one load, one above the other on
# the same time axis. -v spacing=US chooses the load, -v svg=FILE names the output. Print the counts.

BEGIN {
	modes = split("epoll|evpoll window=0|evpoll window=200", mode, "|")
	title["epoll"] = "epoll"
	title["evpoll window=0"] = "evpoll, default"
	title["evpoll window=200"] = "evpoll, with a window of 200 us"
	about["epoll"] = "Each wake callback makes its item ready at once, and wakes the reader if the reader sleeps."
	about["evpoll window=0"] = "Each wake callback adds its item to a pending list. " \
		"Then evpoll's NAPI poll makes all of them ready, and wakes the reader if it sleeps."
	about["evpoll window=200"] = "Each wake callback adds its item to a pending list. " \
		"200 us after the first one a timer makes all of them ready, with one wakeup."

	# Okabe and Ito's colours: colour-blind people can tell them apart.
	colour["source"] = "#0072B2"
	colour["poll"] = "#009E73"
	colour["window"] = "#CC79A7"
	colour["pending"] = "#E69F00"
	colour["ready"] = "#56B4E9"
	colour["wakeup"] = "#D55E00"
	colour["runs"] = "#333333"
	colour["sleeps"] = "#DDDDDD"
}

# ---- Read the events. Times are in us since the first event of the round. ----

$5 == "begin" || $6 == "begin" {
	match($0, /begin /)
	split(substr($0, RSTART), word)
	m = word[2] == "epoll" ? "epoll" : word[2] " " word[3]
	drawn = word[4] == "spacing=" spacing
	if (!drawn)
		next
	# A later round of the same mode replaces this one.
	bars[m] = events[m] = waits[m] = wakeups[m] = asleep[m] = flushed[m] = delivered[m] = 0
	zero = running = entered = opened = evpolls = ""
	next
}
!drawn { next }
$4 == "print:" && / end$/ {
	if (running != "")
		bar("runs", running, now, "")
	last[m] = now
	drawn = 0
	next
}
{ absolute = ($3 + 0) * 1e6; cpu = substr($2, 2, 3) + 0; type = $4 }

type == "ep_poll_callback:" || type == "evpoll_wake_callback:" {
	if (zero == "") {
		zero = absolute
		if (entered != "")
			entered -= zero
	}
	now = absolute - zero
	noted[m, ++events[m]] = now
	if (m == "epoll")
		flushed_at[m, ++flushed[m]] = now
	next
}
{ now = zero == "" ? absolute : absolute - zero }

type == "softirq_entry:" && /NET_RX/ { entered = now }
type == "napi_poll:" {
	if (zero != "" && !/work 0 /)
		bar(evpolls ? "poll" : "source", entered, now, \
		    evpolls ? moved ? "" : "looks once more: nothing" : "callbacks of the events")
	entered = now
	evpolls = 0
}
type == "evpoll_napi_poll:" { evpolls = 1 }
type == "evpoll_flush:" {
	match($0, /moved=[0-9]+/)
	moved = substr($0, RSTART + 6, RLENGTH - 6)
	for (n = moved; n > 0; n--)
		flushed_at[m, ++flushed[m]] = now
}
type == "evpoll_window_start:" { opened = now }
type == "evpoll_window_end:" { bar("window", opened, now, "") }
type == "sched_waking:" && zero != "" { woken[m, ++wakeups[m]] = now }
type == "evpoll_deliver:" { delivered_at[m, ++delivered[m]] = now }
type == "sys_exit_epoll_wait:" || type == "sys_exit_read:" {
	waits[m]++
	if (m == "epoll")
		for (n = number($NF); n > 0; n--)
			delivered_at[m, ++delivered[m]] = now
}
type == "sched_switch:" && /==> reader/ { running = now }
type == "sched_switch:" && /reader:.* ==>/ {
	if (running != "" && zero != "")
		bar("runs", running, now, "")
	running = ""
}

function bar(kind, from, to, label)
{
	bars[m]++
	bar_kind[m, bars[m]] = kind
	bar_from[m, bars[m]] = from
	bar_to[m, bars[m]] = to
	bar_label[m, bars[m]] = label
}

# trace-cmd prints the return value of a system call as hex digits after 0x.
function number(text,    i, n)
{
	sub(/^0x/, "", text)
	for (i = 1; i <= length(text); i++)
		n = n * 16 + index("123456789abcdef", substr(text, i, 1))
	return n
}

# ---- The drawing ----

function x(time) { return left + (time - start) * scale }
function counts(m)
{
	return plural(events[m], "event") ", " plural(wakeups[m], "wakeup") ", " \
	       plural(waits[m], "wait")
}

function wide(from, to,    w)
{
	w = (to - from) * scale
	return w < 1.5 ? 1.5 : w
}

# Label a lane with its name and an explanation.
function lane(y1, name, first, second)
{
	text("lane", 20, y1, name)
	text("note", 20, y1 + 17, first)
	if (second)
		text("note", 20, y1 + 32, second)
}

function marker(at, y1, y2)
{
	line("halo", at, y1, at, y2 - 10)
	line("wakeup", at, y1, at, y2 - 6)
	out(sprintf("<path class='head' d='M%.1f %.1f l-5 -10 h10 z'/>", at, y2))
}

function panel(m, top,    i, k, y1, y2, from, softirq, raster, reader)
{
	text("title", 20, top + 22, title[m] ": " counts(m))
	text("about", 20, top + 42, about[m])
	softirq = top + 60
	raster = softirq + 44
	reader = raster + rows + 14

	grid(softirq - 6, reader + 26)
	lane(softirq + 13, "Interrupts, CPU 1", "where the events come from")
	lane(raster + rows / 2 - 14, "The 64 events", "one line each, from the callback", "until the reader has the event")
	lane(reader + 13, "Reader, CPU 0", "the program that waits")

	rect("sleeps", left, reader, right - left, 20)
	for (i = 1; i <= bars[m]; i++) {
		k = bar_kind[m, i]
		y1 = k == "runs" ? reader : k == "window" ? softirq + 25 : softirq
		y2 = k == "window" ? 8 : 20
		if (bar_to[m, i] <= start)
			continue
		from = bar_from[m, i] < start ? start : bar_from[m, i]
		rect(k, x(from), y1, wide(from, bar_to[m, i]), y2)
		if (wide(from, bar_to[m, i]) > 8 * length(bar_label[m, i]))
			text("inbar", x(from) + 6, y1 + 14, bar_label[m, i])
	}
	for (i = 1; i <= events[m]; i++) {
		y1 = raster + (i - 1) * row
		rect("pending", x(noted[m, i]), y1, wide(noted[m, i], flushed_at[m, i]), row)
		rect("ready", x(flushed_at[m, i]), y1, wide(flushed_at[m, i], delivered_at[m, i]), row)
	}
	for (i = 1; i <= wakeups[m]; i++)
		marker(x(woken[m, i]), softirq + 21, reader)
}

function legend(y1,    at)
{
	at = left
	at = key("source", at, y1, "NAPI poll of the source: callbacks run", 262)
	at = key("poll", at, y1, "NAPI poll of evpoll", 190)
	at = key("window", at, y1, "window open", 112)
	marker(at + 8, y1 - 4, y1 + 15)
	text("key", at + 22, y1 + 11, "the reader is woken")
	at = left
	y1 += 22
	at = key("pending", at, y1, "event is pending", 262)
	at = key("ready", at, y1, "event is ready to be read", 190)
	at = key("runs", at, y1, "reader runs", 112)
	at = key("sleeps", at, y1, "reader sleeps", 112)
}
function key(class, at, y1, what, width)
{
	rect(class, at, y1, 16, 12)
	text("key", at + 22, y1 + 11, what)
	return at + width + 30
}

function grid(y1, y2,    t)
{
	for (t = 0; t <= end; t += step)
		line("grid", x(t), y1, x(t), y2)
}

function axis(y1,    t)
{
	for (t = 0; t <= end; t += step)
		text("tick", x(t), y1, t)
	text("about", left, y1 + 20, "us since the first event. " \
	     "An instruction is a ns here, and the CPUs take turns: compare counts and order, not lengths.")
}

END {
	left = 240; right = 1380; row = 2; rows = 64 * row
	panel_height = 60 + 44 + rows + 14 + 20 + 28
	for (i = 1; i <= modes; i++) {
		m = mode[i]
		if (events[m] != 64 || delivered[m] != 64 || flushed[m] != 64) {
			printf "draw.awk: %s: %d events, %d ready, %d delivered, not 64 each\n",
			       m, events[m], flushed[m], delivered[m] > "/dev/stderr"
			exit 1
		}
		if (last[m] > end)
			end = last[m]
	}
	start = -end / 40
	scale = (right - left) / (end - start)
	step = 10
	while ((end - start) / step > 14)
		step *= step ~ /^2/ ? 2.5 : 2
	first = 122
	height = first + modes * panel_height + 44

	out(sprintf("<svg xmlns='http://www.w3.org/2000/svg' width='1400' height='%d'", height))
	out(sprintf("viewBox='0 0 1400 %d' font-family='DejaVu Sans, Verdana, sans-serif'>", height))
	out("<!-- SPDX-License-Identifier: GPL-2.0-only -->\n<style>\ntext { fill: #111 }")
	out(".headline { font-size: 22px; font-weight: bold }")
	out(".title { font-size: 17px; font-weight: bold }")
	out(".about, .key, .tick { font-size: 13px } .tick { text-anchor: middle }")
	out(".lane { font-size: 14px; font-weight: bold } .note { font-size: 12px; fill: #444 }")
	for (k in colour)
		out((k == "wakeup" ? ".head" : "." k) " { fill: " colour[k] " }")
	out(".inbar { font-size: 12px; fill: white }")
	out(".halo { stroke: white; stroke-width: 4; stroke-opacity: 0.8 }")
	out(".wakeup { stroke: " colour["wakeup"] "; stroke-width: 2 }")
	out(".grid { stroke: #ccc } .rule { stroke: #888 }\n</style>")
	out("<rect width='100%' height='100%' fill='white'/>")
	if (spacing) {
		headline = "64 events, one each " spacing " us, wake a sleeping program"
		intro = "Each event is an interrupt and a NAPI poll of its own, " \
			"as with a NIC that receives single packets."
	} else {
		headline = "A burst of 64 events wakes a sleeping program"
		intro = "All events come in one interrupt and one NAPI poll, " \
			"as with a NIC that received 64 packets."
	}
	text("headline", 20, 34, headline)
	text("about", 20, 56, intro " The reader is a thread on the other CPU.")
	legend(74)
	axis(first + modes * panel_height + 6)
	for (i = 1; i <= modes; i++) {
		line("rule", 20, first + (i - 1) * panel_height, right, first + (i - 1) * panel_height)
		panel(mode[i], first + (i - 1) * panel_height)
		printf "  %-32s %s\n", title[mode[i]], counts(mode[i])
	}
	out("</svg>")
}
