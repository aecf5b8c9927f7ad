# SPDX-License-Identifier: GPL-2.0-only
# Sourced by scripts that copy programs of this machine into the VM.
# shellcheck disable=SC2154 # lib.sh sets top and out

# put FOLDER FILE: copy FILE to the same path below FOLDER
put()
{
	mkdir -p "$1$(dirname "$2")"
	[ -e "$1$2" ] || cp -p "$2" "$1$2"
}

# opened_later LIBC: print the libraries that ldd does not show, because the C library opens them
# only when it looks up a name or ends a thread
opened_later()
{
	for file in libnss_files.so.2 libnss_dns.so.2 libgcc_s.so.1; do
		file=$(dirname "$1")/$file
		[ ! -e "$file" ] || echo "$file"
	done
}

# libraries FILE: print the loader and the libraries of a program; print nothing if it is static
libraries()
{
	ldd "$1" 2> /dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' |
		while read -r library; do
			echo "$library"
			case $library in
			*/libc.so.6) opened_later "$library" ;;
			esac
		done
}

# carry_needs FOLDER FILE: copy what FILE needs to run
carry_needs()
{
	case $(head -c 4 "$2" | tr -d '\0') in
	'#!'*)
		interpreter=$(sed -n '1s/^#! *\([^ ]*\).*/\1/p' "$2")
		# The VM has busybox as /bin/sh.
		[ "$interpreter" = /bin/sh ] || carry "$1" "$interpreter"
		;;
	?ELF)
		libraries "$2" | while read -r library; do
			put "$1" "$library"
		done
	esac
}

# carry FOLDER FILE: copy FILE and what it needs to run
carry()
{
	put "$1" "$2"
	carry_needs "$1" "$2"
}

# build_library FOLDER [CFLAGS]: build the libraries of tools/lib in FOLDER
build_library()
{
	quietly lib.log make -C "$top/tools/lib" O="$1" CFLAGS="-O2 -g ${2:-}" ||
		die "cannot build libevpoll: $error"
}
