# SPDX-License-Identifier: GPL-2.0-only
# awk -v dir=FOLDER -f report.awk cases.tsv results.tsv targets reasons report.in > report.html
#
# Fill in report.in: replace a line "@NAME ARGUMENT..." by what the function of that name below
# writes, and "{CASE:MECHANISM:N}" in a text by that figure.

BEGIN {
	FS = "\t"
	split("none select poll epoll reuseport io_uring evpoll-read evpoll-wait evpoll-eager " \
	      "evpoll-rotate evpoll-uring evpoll-ring", order, " ")
	# Published times of 100,000 operations, in seconds: see report.in
	published("poll", "0.61 2.9 35 990")
	published("select", "0.73 3.0 35 930")
	published("epoll", "0.41 0.42 0.53 0.66")
}

function published(mechanism, list,    value, sizes, i)
{
	split(list, value, " ")
	split("10 100 1000 10000", sizes, " ")
	for (i in value)
		others[mechanism, sizes[i]] = value[i]
}

FNR == 1 { file++ }

file == 1 { what[$1] = $2; name_of[++ncases] = $1; next }
file == 2 && FNR > 1 { add($1, $2, $3, $4, $5, $6) }
file == 2 { next }
file == 3 && /^#/ { next }
file == 3 { target[++ntargets] = $0; next }

# Compute derived figures before the report uses them.
file == 4 && /^#/ { next }
file == 4 { reason[$1] = $2; next }
file == 5 && FNR == 1 { derive() }

/^@/ {
	split($0, arg, " ")
	if (arg[1] == "@machine") machine()
	else if (arg[1] == "@targets") targets()
	else if (arg[1] == "@classic") classic()
	else if (arg[1] == "@table") table(arg)
	else if (arg[1] == "@plot") plot(arg[2])
	else if (arg[1] == "@losses") losses()
	next
}

{ print filled($0) }

# List the cases in which both read() and WAIT of evpoll cost more than epoll, or a wait on a ring
# does, with the reasons.
function losses(    i, name, where)
{
	print "<dl class=losses>"
	for (i = 1; i <= ncases; i++) {
		name = name_of[i]
		if ((where = loses(name, "evpoll-read", "evpoll-wait")))
			printf "<dt><b>%s</b> %s<dd>%s\n", name, where, reason[name]
		if ((where = loses(name, "evpoll-ring")))
			printf "<dt><b>%s, evpoll-ring</b> %s<dd>%s\n", name, where,
			       reason[name ":evpoll-ring"]
	}
	print "</dl>"
}

# Return the sizes in which both mechanisms cost more than epoll, "" if there is none.
function loses(name, one, other,    size, n, k, where, best, base)
{
	if (first_unit[name] ~ /^(events|most)/)
		return ""
	n = split(sizes[name], size, " ")
	for (k = 1; k <= n; k++) {
		best = lower(number(name ":" one ":" size[k]), number(name ":" other ":" size[k]))
		base = number(name ":epoll:" size[k])
		if (best != "" && base != "" && best / base >= 1.005)
			where = where (where ? ", " : "") "n = " pretty(size[k]) ": " times(best / base) \
				" (" pretty(best - base) " more)"
	}
	return where
}

function lower(a, b)
{
	return a == "" || (b != "" && b < a) ? b : a
}

function add(name, mechanism, n, unit, figure, range)
{
	if (!((name, unit) in known)) {
		known[name, unit] = 1
		units[name] = units[name] (units[name] ? "\t" : "") unit
		first_unit[name] = first_unit[name] ? first_unit[name] : unit
	}
	if (!((name, n) in has_size)) {
		has_size[name, n] = 1
		sizes[name] = sizes[name] (sizes[name] ? " " : "") n
	}
	value[name, mechanism, n, unit] = figure
	spread[name, mechanism, n, unit] = range
	by[name, mechanism] = 1
	if (unit == "instructions" && range > largest_spread)
		largest_spread = range
}

function derive()
{
	# poll(2) of 64 files does 63 times more than of one file: look the file up and poll it.
	if (number("nothing-ready:poll:64") != "" && number("nothing-ready:poll:1") != "")
		add("one-poll", "poll", 1, "instructions",
		    (number("nothing-ready:poll:64") - number("nothing-ready:poll:1")) / 63, 0)
}

# Return the figure case:mechanism:n, or "".
function number(figure,    part, key)
{
	split(figure, part, ":")
	key = part[1] SUBSEP part[2] SUBSEP part[3] SUBSEP first_unit[part[1]]
	return key in value ? value[key] : ""
}

function sum(terms,    list, n, i, part, total, figure)
{
	n = split(terms, list, " ")
	for (i = 1; i <= n; i++) {
		if (split(list[i], part, "*") == 1)
			figure = number(list[i])
		else
			figure = number(part[2]) == "" ? "" : part[1] * number(part[2])
		if (figure == "")
			return ""
		total += figure
	}
	return total
}

function pretty(x,    text, rest)
{
	if (x == "")
		return "&ndash;"
	if (x < 100)
		return sprintf("%.3g", x)
	text = sprintf("%.0f", x)
	while (length(text) > 3) {
		rest = "," substr(text, length(text) - 2) rest
		text = substr(text, 1, length(text) - 3)
	}
	return text rest
}

function filled(text,    figure)
{
	while (match(text, /\{[^ {}]*:[^ {}]*\}/)) {
		figure = substr(text, RSTART + 1, RLENGTH - 2)
		text = substr(text, 1, RSTART - 1) pretty(number(figure)) substr(text, RSTART + RLENGTH)
	}
	sub(/\{spread\}/, sprintf("%.2f %%", 100 * largest_spread), text)
	return text
}

function machine(    line, at)
{
	print "<dl class=machine>"
	while ((getline line < (dir "/machine")) > 0) {
		at = index(line, ": ")
		printf "<dt>%s<dd>%s\n", substr(line, 1, at - 1), substr(line, at + 2)
	}
	print "</dl>"
}

function plot(name,    line, svg)
{
	if ((getline line < (dir "/" name ".svg")) <= 0)
		return
	printf "<figure>\n"
	do
		if (line !~ /^<\?xml|^<!DOCTYPE|^ "http|^<title>/) {
			gsub(/gnuplot_/, name "_", line)	# make ids unique, because the page has several plots
			print line
		}
	while ((getline line < (dir "/" name ".svg")) > 0)
	printf "</figure>\n"
}

# Collect the mechanisms of these cases in list, in order.
function columns(names, n, from, list,    i, j, count)
{
	count = 0
	for (i = 1; i in order; i++)
		for (j = from; j <= n; j++)
			if ((names[j], order[i]) in by) {
				list[++count] = order[i]
				break
			}
	return count
}

# Print a figure and its ratio to epoll's.
function cell(name, mechanism, n, unit,    key, figure, base, ratio, class)
{
	key = name SUBSEP mechanism SUBSEP n SUBSEP unit
	if (!(key in value)) {
		print "<td class=no>&ndash;"
		return
	}
	figure = value[key]
	printf "<td title=\"spread %.2f %%\">%s", 100 * spread[key], pretty(figure)
	base = value[name, "epoll", n, unit]
	if (mechanism != "epoll" && mechanism != "none" && base > 0) {
		ratio = figure / base
		class = "ratio"
		if (mechanism ~ /^evpoll/)
			class = class (better(ratio, unit) ? " good" : better(1 / ratio, unit) ? " bad" : "")
		printf " <span class=\"%s\">%s</span>", class, times(ratio)
	}
	print ""
}

function better(ratio, unit)
{
	return unit ~ /^events/ ? ratio > 1.005 : ratio < 0.995
}

function times(ratio)
{
	return ratio < 10 ? sprintf("%.2f", ratio) : pretty(ratio)
}

# @table CASE...: print a row for each size of each case.
function table(arg,    n, count, list, i, j, k, u, size, sizes_n, unit, units_n)
{
	n = 0
	while ((n + 1) in arg)
		n++
	count = columns(arg, n, 2, list)
	if (!count) {
		print "<p class=none>Not measured in this run.</p>"
		return
	}
	printf "<table><thead><tr><th class=what><th>n"
	for (i = 1; i <= count; i++)
		printf "<th>%s", list[i]
	print "<tbody>"
	for (j = 2; j <= n; j++) {
		units_n = split(units[arg[j]], unit, "\t")
		for (u = 1; u <= units_n; u++) {
			if (unit[u] ~ /^worker /)	# the plot shows these
				continue
			sizes_n = split(sizes[arg[j]], size, " ")
			for (k = 1; k <= sizes_n; k++) {
				printf k == 1 ? "<tr class=first>" : "<tr>"
				if (k == 1)
					printf "<th class=what rowspan=%d><b>%s</b>%s<br>%s", sizes_n,
					       arg[j], unit[u] == "instructions" ? "" : ", " unit[u],
					       u == 1 ? what[arg[j]] : ""
				printf "<td class=n>%s\n", pretty(size[k])
				for (i = 1; i <= count; i++)
					cell(arg[j], list[i], size[k], unit[u])
			}
		}
	}
	print "</table>"
}

# Print the classic table: seconds for 100,000 operations, if an instruction takes 1 ns.
function classic(    n, size, i, k, key)
{
	n = split(sizes["classic"], size, " ")
	printf "<table><thead><tr><th class=what>seconds for 100,000 operations"
	for (k = 1; k <= n; k++)
		printf "<th>%s", pretty(size[k])
	print "<tbody>"
	for (i = 2; i in order; i++) {
		if (!(("classic", order[i]) in by))
			continue
		printf "<tr class=first><th class=what><b>%s</b>", order[i]
		for (k = 1; k <= n; k++) {
			key = "classic" SUBSEP order[i] SUBSEP size[k] SUBSEP "instructions"
			printf key in value ? sprintf("<td>%.3g", value[key] * 1e5 / 1e9) : "<td class=no>&ndash;"
		}
		if (!((order[i], 10) in others))
			continue
		printf "\n<tr class=others><th class=what>published"
		for (k = 1; k <= n; k++)
			printf "<td>%s", others[order[i], size[k]]
	}
	print "</table>"
}

function worst(figure, base,    size, n, k, ratio, one, other)
{
	n = split(sizes[substr(figure, 1, index(figure, ":") - 1)], size, " ")
	ratio = ""
	for (k = 1; k <= n; k++) {
		one = number(figure ":" size[k])
		other = number(base ":" size[k])
		if (one != "" && other > 0 && (ratio == "" || one / other > ratio)) {
			ratio = one / other
			worst_n = size[k]
		}
	}
	return ratio
}

# The fields of a target: kind, work, figure, base, limit, floor, the base's work with our call
function targets(    i, f, one, other, got, met)
{
	print "<table class=targets><thead><tr><th class=what>work<th>evpoll<th>epoll<th>reached" \
	      "<th>wanted<th><th>floor<th>evpoll / floor" \
	      "<th>epoll's work,<br>our call<th>evpoll / that<tbody>"
	for (i = 1; i <= ntargets; i++) {
		split(target[i], f, "\t")	# missing fields are empty
		if (f[1] == "worst") {
			got = worst(f[3], f[4])
			f[3] = f[3] ":" worst_n
			f[4] = f[4] ":" worst_n
		}
		one = number(f[3])
		other = number(f[4])
		if (one == "" || other == "")
			got = ""
		else if (f[1] == "minus")
			got = one - other
		else
			got = f[1] == "value" ? one : one / other
		met = f[1] == "atleast" ? got >= f[5] + 0 : got <= f[5] + 0
		printf "<tr class=first><th class=what>%s<td>%s<td>%s", f[2], pretty(one), pretty(other)
		if (got == "")
			printf "<td class=no>&ndash;<td>%s<td class=no>not measured", wanted(f)
		else
			printf "<td>%s<td>%s<td class=%s", f[1] ~ /minus|value/ ? pretty(got) : sprintf("%.2f", got),
			       wanted(f), met ? "good>met" : "bad>not met"
		beside(one, f[6])
		beside(one, f[7])
		print ""
	}
	print "</table>"
}

# Print a sum of figures, and the ratio of our figure to it.
function beside(one, terms,    other)
{
	other = sum(terms)
	if (terms == "" || one == "" || other == "")
		printf "<td class=no>&ndash;<td class=no>&ndash;"
	else
		printf "<td>%s<td>%.2f", pretty(other), one / other
}

function wanted(f)
{
	return (f[1] == "atleast" ? "&ge; " : "&le; ") f[5]
}
