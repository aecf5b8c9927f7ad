# SPDX-License-Identifier: GPL-2.0-only
# Read a console and print it without KCSAN's reports of data races that are the kernel's alone;
# those go to the file named by -v races=FILE.
#
# The kernel has races of its own, of which KCSAN's strict rules find many, and a guest at work
# comes by them with or without evpoll. A report is ours if a function of our modules is on one of
# its two stacks: from the access out to it there is only what we called, or what called us. Not
# ours is a watched file's own ->poll, where poll(2) comes as well, and what NAPI and hrtimers have
# between themselves: a look at their own state without READ_ONCE(), in both functions of the title.
# Nor is the word of a bucket of an rhashtable: who has its bit lock reads it plainly, in rht_ptr(),
# while another tries to set the bit, which is set. The other may be the worker that resizes it.

# The first line of a stack; the access comes next.
/(read|write|read-write)( \(.*\))? to 0x[0-9a-f]* of [0-9]+ bytes by / { their_poll = 0 }

/BUG: KCSAN: / {
	reporting = 1
	report = ""
	ours = 0
	theirs = "(napi|hrtimer|schedule_hrtimeout|do_nanosleep)[a-z0-9_.]*"
	core = $0 ~ "data-race in " theirs " / " theirs "\r?$"
	table = "(evpoll_((un)?watch|leave_ring) \\[evpoll\\]|rht_deferred_worker)"
	bucket = $0 ~ "data-race in " table " / " table "\r?$"
	locks = 0
	looks = 0
}

!reporting { print; next }

{ report = report $0 "\n" }

/read-write \(marked\) to 0x[0-9a-f]* of 8 bytes by / { locks++ }
/\] read to 0x[0-9a-f]* of 8 bytes by / { looks++ }

/\[evpoll(_source)?\]/ && !their_poll && !core { ours = 1 }
/_poll(_file)?(\.[a-z0-9.]+)?\+0x/ && !/\[evpoll/ { their_poll = 1 }

/==========/ {
	reporting = 0
	if (ours && !(bucket && locks == 1 && looks == 1))
		printf "%s", report
	else
		printf "%s", report > races
}

END {
	# Cut short by the end of the guest
	if (reporting)
		printf "%s", report
}
