# SPDX-License-Identifier: GPL-2.0-only
# both.awk EPOLL EVPOLL: compare the KTAP of two runs of one kselftest program. Print a result for each
# test case of the first run: a case that passes there must pass in the second run. The last result
# says whether only the second run used evpoll. -v by_epoll= and by_evpoll= count the calls of
# EVPOLL_IOC_CTL up to the end of each run.

FNR == 1 { run++ }

/^(not )?ok [0-9]+/ {
	passed = /^ok / && !/# (SKIP|XFAIL)/
	text = $0
	sub(/^(not )?ok [0-9]+ (- )?/, "", text)
	name = text
	sub(/ *#.*/, "", name)
	if (run == 1)
		names[++cases] = name
	if (!passed)
		why[run, name] = diagnostics "# " $0 "\n"
	state[run, name] = passed ? "passes" : /# SKIP/ ? "skips" : "fails"
	diagnostics = ""
	next
}

# A test case prints its diagnostics before its result.
{ sub(/^# */, ""); diagnostics = diagnostics "# " $0 "\n" }
/RUN  / { diagnostics = "" }

END {
	print "TAP version 13"
	print "1.." cases + 1
	for (i = 1; i <= cases; i++) {
		name = names[i]
		if (state[1, name] != "passes")
			print "ok " i " " name " # SKIP " state[1, name] " on this kernel's epoll, " \
			      ((2, name) in state ? state[2, name] : "does not end") " on evpoll"
		else if (state[2, name] == "passes")
			print "ok " i " " name
		else
			printf "%snot ok %d %s\n", (2, name) in why ? why[2, name] :
			       "# did not run under the preload library\n" diagnostics, i, name
	}
	did_it = !by_epoll && by_evpoll > 0
	printf "%s %d evpoll did it: EVPOLL_IOC_CTL was called %d times, before %d times\n",
	       did_it ? "ok" : "not ok", cases + 1, by_evpoll, by_epoll
}
