# SPDX-License-Identifier: GPL-2.0-only
# both.awk EPOLL EVPOLL: two runs of one kselftest program as KTAP. Print a result for each case of
# the first: it is to pass in the second if it did in the first. And one that says that evpoll had
# part in the second alone (-v by_epoll=, by_evpoll=: how often EVPOLL_IOC_CTL was called till then).

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
	state[run, name] = passed ? "pass" : "fail"
	diagnostics = ""
	next
}

# What a case says stands before its result.
{ sub(/^# */, ""); diagnostics = diagnostics "# " $0 "\n" }
/RUN  / { diagnostics = "" }

END {
	print "TAP version 13"
	print "1.." cases + 1
	for (i = 1; i <= cases; i++) {
		name = names[i]
		if (state[1, name] != "pass")
			print "ok " i " " name " # SKIP fails on this kernel's epoll, " \
			      (state[2, name] == "pass" ? "passes" : "fails") " on evpoll"
		else if (state[2, name] == "pass")
			print "ok " i " " name
		else
			printf "%snot ok %d %s\n", (2, name) in why ? why[2, name] :
			       "# did not run under the preload library\n" diagnostics, i, name
	}
	did_it = !by_epoll && by_evpoll > 0
	printf "%s %d evpoll did it: EVPOLL_IOC_CTL was called %d times, before %d times\n",
	       did_it ? "ok" : "not ok", cases + 1, by_evpoll, by_epoll
}
