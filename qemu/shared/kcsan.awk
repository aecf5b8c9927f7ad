# SPDX-License-Identifier: GPL-2.0-only
# Read a console and print it without KCSAN's reports of data races that evpoll has no part in.
# Write those reports to the file of -v races=FILE.
#
# The kernel has data races of its own. KCSAN's strict rules find many of them, with or without
# evpoll. A report is ours if one of its two stacks has a function of our modules, with these
# exceptions:
#
# - A stack with a watched file's ->poll() between the access and our function. poll(2) calls the
#   same ->poll().
# - Both functions of the title belong to NAPI or to hrtimers. They read their own state without
#   READ_ONCE().
# - The word of an rhashtable bucket. The owner of the bucket's bit lock reads the word plainly, in
#   rht_ptr(), while another task tries to set the lock bit, which is already set. Either of them may
#   be the worker that resizes the table, or the insertion that a resize slows down.

# A stack begins with this line. The function of the access follows.
/(read|write|read-write)( \(.*\))? to 0x[0-9a-f]* of [0-9]+ bytes by / { their_poll = 0 }

/BUG: KCSAN: / {
	reporting = 1
	report = ""
	ours = 0
	theirs = "(napi|hrtimer|schedule_hrtimeout|do_nanosleep)[a-z0-9_.]*"
	core = $0 ~ "data-race in " theirs " / " theirs "\r?$"
	user = "evpoll_(watch|watch_plain|unwatch|remove_sibling) \\[evpoll\\]"
	table = "(" user "|rhashtable_insert_slow|rht_deferred_worker)"
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
	# The guest ended in the middle of a report.
	if (reporting)
		printf "%s", report
}
