#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# selftests.sh FOLDER: build the selftests, or only those of TEST=, and copy them into FOLDER. They
# are built as in a kernel tree, which shows that a copy of selftests/ works there.
. "$(dirname "$0")/lib.sh"

folder=$1
kselftest=$out/kselftest/tools/testing/selftests
built=$out/tests
one_at_a_time
sh "$shared/kselftest.sh"

known=$(for file in "$top"/selftests/*.c; do basename "$file" .c; done)
wanted=${TEST:-$known}
for test in $wanted; do
	echo "$known" | grep -qxF -- "$test" ||
		die "no test is called '$test': TEST= takes $(echo "$known" | tr '\n' ' ')"
done

say BUILD "selftests"
# -p: make builds again what has changed.
rm -rf "$kselftest/evpoll"
cp -rLp "$top/selftests" "$kselftest/evpoll"
# The guest has no C library.
make -s -j"$(nproc)" -C "$kselftest" TARGETS=evpoll FORCE_TARGETS=1 O="$built" TEST="$wanted" \
	USERLDFLAGS=-static
rm -rf "$folder"
mkdir -p "$folder"
cp "$top/selftests/settings" "$folder"
for test in $wanted; do
	cp "$built/kselftest/evpoll/$test" "$folder"
done
