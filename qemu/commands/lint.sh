#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run every checker over the tree, and print what they find as "FILE:LINE: TEXT". The exceptions
# are in .checkpatch.conf, .checkpatch-programs.conf, .shellcheckrc and .codespellrc, with reasons.
. "$(dirname "$0")/../shared/lib.sh"

version=6.12	# its checkpatch.pl and kernel-doc need nothing but perl
scripts=$out/scripts-$version
dir=$out/lint
findings=0

one_at_a_time
sh "$shared/setup.sh" lint
for tool in make gcc perl sparse shellcheck codespell; do
	command -v $tool > /dev/null ||
		die "cannot run $tool although its package is installed: reinstall the package $tool"
done
for name in 6.1 6.12; do
	sh "$shared/kernel.sh" $name
done
if [ ! -d "$scripts" ]; then
	tarball=$out/source/linux-source-$version.tar.xz
	sh "$shared/source.sh" $version
	say EXTRACT "scripts of linux-source-$version"
	rm -rf "$scripts.new"
	mkdir "$scripts.new"
	tree=linux-source-$version/scripts
	tar -xf "$tarball" -C "$scripts.new" --strip-components 2 "$tree/checkpatch.pl" \
		"$tree/spelling.txt" "$tree/const_structs.checkpatch" "$tree/kernel-doc" ||
		die "cannot read $tarball: remove it and try again"
	mv "$scripts.new" "$scripts"
fi

cd "$top"
rm -rf "$dir"
mkdir -p "$dir"
find . \( -name .git -o -path ./out -o -path "./${out#"$top/"}" \) -prune -o -type f -print |
	sed 's|^\./||' | sort > "$dir/files"
grep '\.[ch]$' "$dir/files" > "$dir/c-files"
xargs grep -l '^/\*\* *$' < "$dir/c-files" > "$dir/kernel-doc-files"
{
	grep '\.sh$' "$dir/files"
	xargs awk 'FNR == 1 && /^#!.*sh$/ { print FILENAME }' < "$dir/files"
} | sort -u > "$dir/scripts"

check_style()
{
	xargs perl "$scripts/checkpatch.pl" --no-tree --terse --no-summary --show-types "$@"
}

checkpatch()
{
	status=0
	grep -E '^(module|uapi)/' "$dir/c-files" | check_style -f || status=$?
	# shellcheck disable=SC2046 # options
	grep -vE '^(module|uapi)/' "$dir/c-files" |
		check_style $(grep '^--' .checkpatch-programs.conf) -f || status=$?
	return $status
}

# build KERNEL: build everything again, because make prints a warning only when it compiles
build()
{
	W=1 C=1 V='' sh "$shared/modules.sh" "$out/kernels/$1/build" "$dir/$1"
}

shell()
{
	xargs shellcheck --format gcc < "$dir/scripts"
}

kernel_doc()
{
	xargs perl "$scripts/kernel-doc" -none -Werror < "$dir/kernel-doc-files"
}

spelling()
{
	xargs codespell < "$dir/files"
}

# The tree must work on other machines too.
paths()
{
	! xargs grep -nHE '(^|[^A-Za-z0-9_}./*-])/(home|root|work|mnt|Users)/' < "$dir/files"
}

# README's table of differences has each row that the test of descriptors names.
rows()
{
	awk -F '"' 'FILENAME == "README.md" { readme = readme "\n" $0; next }
		/^#define ROW_/ && !index(readme, "\n| " $2) {
			print FILENAME ":" FNR ": README.md has no row that begins with " $2
			missing = 1
		}
		END { exit missing }' README.md selftests/descriptor.c
}

# step NAME COMMAND...: a command that fails without a finding counts as one
step()
{
	say LINT "$1"
	log=$dir/$(echo "$1" | tr ' ,' '__').log
	status=0
	shift
	"$@" > "$log" 2>&1 || status=$?
	sed -i "s|$dir/[0-9.]*/||g; s|$top/||g" "$log"
	found=$(grep -cE '^[^ :]+:[0-9]+:' "$log") || true
	grep -E '^[^ :]+:[0-9]+:' "$log" || true
	if [ $status -ne 0 ] && [ "$found" -eq 0 ]; then
		tail -n 20 "$log"
		echo "$log:1: '$1' ended with status $status and without a finding"
		found=1
	fi
	findings=$((findings + found))
}

step "checkpatch" checkpatch
step "sparse and W=1, 6.1" build 6.1
step "sparse and W=1, 6.12" build 6.12
step "shellcheck" shell
step "kernel-doc" kernel_doc
step "codespell" spelling
step "machine paths" paths
step "rows of differences" rows

if [ $findings -ne 0 ]; then
	echo "lint: $findings findings"
	exit 1
fi
echo "lint: clean"
