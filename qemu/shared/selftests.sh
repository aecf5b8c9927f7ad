#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# selftests.sh FOLDER: build the selftests, or only those of TEST=, and copy them into FOLDER.
. "$(dirname "$0")/lib.sh"

folder=$1
tests=$out/tests
mkdir -p "$tests"
one_at_a_time
sh "$shared/kselftest.sh"

selftests()
{
	make -s -j"$(nproc)" -C "$top/selftests" OUTPUT="$tests" \
		KSFT="$out/kselftest/tools/testing/selftests" "$@"
}

known=$(selftests COLLECTION= emit_tests | tr -d :)
wanted=${TEST:-$known}
for test in $wanted; do
	echo "$known" | grep -qxF -- "$test" ||
		die "no test is called '$test': TEST= takes $(echo "$known" | tr '\n' ' ')"
done

say BUILD "selftests"
programs=
for test in $wanted; do
	programs="$programs $tests/$test"
done
rm -rf "$folder"
mkdir -p "$folder"
# shellcheck disable=SC2086 # a list
selftests $programs && cp $programs "$top/selftests/settings" "$folder"
