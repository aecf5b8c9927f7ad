# SPDX-License-Identifier: GPL-2.0-only
# gnuplot -e "results='...'; dir='...'; cases=' classic burst '" plots.gp: plot the cases that were
# measured, each as SVG and PNG.
set datafile separator "\t"
set datafile missing NaN
mechanisms = "none select poll epoll io_uring evpoll-read evpoll-wait evpoll-ring " \
	     ."reuseport evpoll-rotate"
colours = "#c0c0c0 #a0a0a0 #606060 #2060b0 #d08000 #50b060 #006020 #c02060 #8040a0 #90a000"
name(i) = word(mechanisms, i)

# The n of a row of the results, if the row has this case, mechanism and unit
size(case, i, unit) = \
	strcol(1) eq case && strcol(2) eq name(i) && strcol(4) eq unit ? column(3) : NaN
measured(case) = strstrt(cases, " ".case." ") > 0

set grid lc rgb "#e0e0e0"
set border 3
set tics nomirror
set format "%'.0f"
set style data linespoints
set for [i=1:10] linetype i lc rgb word(colours, i) lw 2 pt 7 ps 0.6

do for [format in "svg png"] {
	if (format eq "svg") {
		set terminal svg size 680,380 font "sans,13" background "white" noenhanced
	} else {
		set terminal pngcairo size 1020,570 font "sans,13" noenhanced
	}

	if (measured("classic")) {
		set output dir."/classic.".format
		set logscale xy
		set key inside left top vertical reverse Left
		set xlabel "eventfds watched, one is active"
		set ylabel "instructions for one event"
		plot for [i=2:8] results using (size("classic", i, "instructions")):5 \
			title name(i) lt i
	}
	if (measured("ready-of-10000")) {
		set output dir."/ready.".format
		set key right top
		set xlabel "files that are ready, of 10,000 that are watched"
		set ylabel "instructions of the wait, for one event"
		plot for [i=2:8] results using (size("ready-of-10000", i, "instructions")):($5/$3) \
			title name(i) lt i
	}
	if (measured("burst")) {
		set output dir."/burst.".format
		set key right top
		set xlabel "files that become ready in softirq at once"
		set ylabel "instructions for one event"
		plot for [i in "1 4 5 6 7 8"] results \
			using (size("burst", int(i), "instructions")):($5/$3) \
			title name(int(i)) lt int(i)
	}
	unset logscale
	set yrange [0:*]
	if (measured("producers")) {
		set output dir."/producers.".format
		set key outside top horizontal
		set xlabel "producer threads"
		set ylabel "events/ms"
		set xrange [0.8:4.2]
		set xtics 1
		plot for [i in "1 4 5 6 7 8"] results \
			using (size("producers", int(i), "events/ms")):5 title name(int(i)) lt int(i)
		set xtics autofreq
		set autoscale x
	}
	if (measured("accept")) {
		set output dir."/accept.".format
		set key off
		set xlabel "8 workers of each, the most loaded first; one client"
		set ylabel "connections of a worker"
		set xrange [0.5:4.5]
		set xtics ("epoll" 1, "reuseport" 2, "evpoll-wait" 3, "evpoll-rotate" 4)
		set style fill solid
		set boxwidth 0.08
		accepting = "4 9 7 10"	# the mechanisms, in the order of the groups
		plot for [g=1:4] for [w=1:8] i=int(word(accepting, g)) results \
			using (g + 0.1 * (w - 4.5)): \
			(size("accept", i, "worker ".w) == 1 ? $5 : NaN) with boxes lt i
		set xtics autofreq
		set autoscale x
	}
	set autoscale y
}
