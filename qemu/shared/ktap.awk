# SPDX-License-Identifier: GPL-2.0-only
# Read what the guest's init writes to its channel: the KTAP of each test program between
# "# begin NAME UPTIME" and "# end NAME STATUS UPTIME". Print one line for each program, failed tests
# in full, and skipped tests with their reason. Append "PASSED FAILED SKIPPED" to the file of
# -v totals=FILE.

function begin(name, time)
{
	if (program)
		finish(-1, time)
	program = name
	started = time
	plan = passed = failed = skipped = 0
	failures = skips = ""
	forget()
}

# A program prints its diagnostics before the result. Print them only if the test failed.
function say(text)
{
	if (++lines <= 40)
		diagnostics = diagnostics "    " text "\n"
}

function forget()
{
	diagnostics = ""
	lines = 0
}

function fail(text)
{
	failed++
	if (lines > 40)
		diagnostics = diagnostics "    # and " lines - 40 " lines more\n"
	failures = failures diagnostics "    " text "\n"
	forget()
}

function finish(status, time,    seen, text)
{
	seen = passed + failed + skipped
	if (status == -1)
		fail("not ok " program ": the guest ended in the middle of it")
	else if (status == 137)
		fail("not ok " program ": killed, by the timeout of selftests/settings or for lack of memory")
	else if (seen < plan)
		fail("not ok " program ": ended with status " status ", " plan - seen " of " plan " tests did not run")
	else if (!seen)
		fail("not ok " program ": ended with status " status " and ran no test")
	else if (status != 0 && status != 4 && !failed)
		fail("not ok " program ": every test passed, and it ended with status " status)

	text = passed " passed"
	if (failed)
		text = text ", " failed " failed"
	if (skipped)
		text = text ", " skipped " skipped"
	if (time > started)
		text = text sprintf(" (%.1f s)", time - started)
	printf "  %-7s %-16s %s\n%s%s", failed ? "FAIL" : "PASS", program, text, skips, failures
	fflush()

	all_passed += passed
	all_failed += failed
	all_skipped += skipped
	program = ""
}

{ sub(/\r$/, "") }

/^# begin / { begin($3, $4); next }
/^# end / && program == $3 { finish($4, $5); next }
!program { next }

# Print progress at once.
/^# progress / {
	sub(/^# progress /, "")
	print "          " $0
	fflush()
	next
}

/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	if (!plan && /# SKIP/) {
		skipped++
		skips = skips "    " $0 "\n"
	}
	next
}

/^ok .*# (SKIP|XFAIL)/ {
	skipped++
	skips = skips "    " $0 "\n"
	forget()
	next
}

/^ok / { passed++; forget(); next }
/^not ok / { fail($0); next }
NF { say($0) }

END {
	if (program)
		finish(-1, started)
	print all_passed + 0, all_failed + 0, all_skipped + 0 >> totals
}
