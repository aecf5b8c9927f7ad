# SPDX-License-Identifier: GPL-2.0-only
# Sourced by scripts that take programs of this machine into the VM. They make a LIST, a file with a
# path in each line, and initramfs.sh packs what the paths name: links stay links, and owners and
# modes stay. LIST.missing names what is needed and cannot be read here.
# shellcheck disable=SC2154 # lib.sh sets top

# lead PATH: print each folder and link on the way to PATH, and PATH; $at becomes its path without
# links
lead()
{
	left=$1
	at=
	while [ "$left" ]; do
		part=${left%%/*}
		left=${left#"$part"}
		left=${left#/}
		case $part in
		'' | .) continue ;;
		..) at=${at%/*}; continue ;;
		esac
		echo "$at/$part"
		if [ ! -L "$at/$part" ]; then
			at=$at/$part
			continue
		fi
		part=$(readlink "$at/$part")
		left=$part${left:+/$left}
		[ "$part" = "${part#/}" ] || at=
	done
	at=${at:-/}
}

# each FILE COMMAND...: run COMMAND with the lines of FILE as arguments. Its status does not matter,
# because one of many files may be of another kind.
each()
{
	file=$1
	shift
	xargs -r -d '\n' -a "$file" "$@" 2> /dev/null || true
}

# interpreters FILE: print the loaders and interpreters of the programs that FILE lists. env(1)
# looks for one in PATH. 'command -v' would find what this shell has under that name.
interpreters()
{
	each "$1" readelf -lW | sed -n 's/.*Requesting program interpreter: \(.*\)\]$/\1/p'
	each "$1" awk '
		FNR == 1 && sub(/^#![ \t]*/, "") {
			print $1
			for (i = 2; $1 ~ /\/env$/ && $i ~ /^-|=/; i++)
				;
			if ($1 ~ /\/env$/ && i <= NF)
				print $i
		}
		{ nextfile }' | while IFS= read -r name; do
			case $name in
			/*)	echo "$name" ;;
			*)	busybox which "$name" || echo "$name" ;;
			esac
		done
}

# libraries FILE: print the libraries of the programs that FILE lists. ldd does not show some that
# the C library opens when it looks up a name or ends a thread.
libraries()
{
	each "$1" ldd |
		sed -nE 's/^\t(.* => )?(\/.*) \(0x[0-9a-f]+\)$/\2/p; s/^\t(.*) => not found$/\1/p' |
		while IFS= read -r library; do
			echo "$library"
			[ "${library##*/}" = libc.so.6 ] || continue
			for later in libnss_files.so.2 libnss_dns.so.2 libgcc_s.so.1; do
				[ ! -e "${library%/*}/$later" ] || echo "${library%/*}/$later"
			done
		done
}

# needs LIST: read paths, and print those that these files need or that these links lead to
needs()
{
	while IFS= read -r path; do
		if [ -L "$path" ]; then
			# A link to a folder above it would bring everything there.
			target=$(realpath -m "$path")
			case $path in
			"${target%/}"/*) ;;
			*) [ ! -e "$path" ] || echo "$path" ;;
			esac
		elif [ -f "$path" ]; then
			echo "$path" >&4
		fi
	done 4> "$1.files"
	each "$1.files" grep -lsaP '\A(\x7fELF|#!)' > "$1.programs"
	{ interpreters "$1.programs"; libraries "$1.programs"; } | sort -u
}

# carry LIST: read paths, and add them to LIST, with what is in these folders, what these files need
# and where these links lead
carry()
{
	cat > "$1.todo"
	: >> "$1"
	while [ -s "$1.todo" ]; do
		while IFS= read -r path; do
			if [ "$path" != "${path#/}" ] && [ -r "$path" ]; then
				lead "$path"
				echo "$at" >&4
			else
				echo "$path" >&5
			fi
		done < "$1.todo" > "$1.ways" 4> "$1.ends" 5>> "$1.missing"
		each "$1.ends" sh -c 'find "$@" ! -type l ! -readable' find >> "$1.missing"
		each "$1.ends" sh -c 'find "$@" -type l -o -readable' find | LC_ALL=C sort -u |
			LC_ALL=C comm -23 - "$1" > "$1.new"
		LC_ALL=C sort -u -o "$1" "$1" "$1.ways" "$1.new"
		needs "$1" < "$1.new" > "$1.todo"
	done
}

# build_library FOLDER [CFLAGS]: build the libraries of tools/lib in FOLDER
build_library()
{
	quietly lib.log make -C "$top/tools/lib" O="$1" CFLAGS="-O2 -g ${2:-}" ||
		die "cannot build libevpoll: $error"
}
