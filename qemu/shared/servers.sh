#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Put Debian's redis, memcached, nginx and haproxy into out/servers, with the libraries that they
# need. The VM uses that folder as a root of its own. This script installs and starts nothing.
. "$(dirname "$0")/lib.sh"

dir=$out/servers
programs="redis-server redis-tools memcached nginx haproxy"
files="usr/bin/redis-server usr/bin/redis-cli usr/bin/redis-benchmark usr/bin/memcached
usr/sbin/nginx usr/sbin/haproxy"
one_at_a_time
[ -d "$dir" ] && exit 0
need_space 500 "$out"

. "$shared/apt.sh"
apt_setup bookworm bookworm-security

# Print the libraries that the packages depend on. Leave out what only an installation needs.
# shellcheck disable=SC2154 # apt.sh sets apt
libraries_of()
{
	apt-get -c "$apt/apt.conf" -s --no-install-recommends install "$@" |
		awk '$1 == "Inst" && $2 ~ /^(lib|zlib1g)/ && $2 !~ /perl|semanage|pam/ { print $2 }'
}

new=$dir.new
rm -rf "$new"
mkdir -p "$new/packages" "$new/all"
cd "$new/packages"
# shellcheck disable=SC2046,SC2086 # lists
fetch $programs $(libraries_of $programs)
for deb in *.deb; do
	dpkg-deb -x "$deb" "$new/all"
done

# Ask the loader of these packages which files the programs need.
cd "$new/all"
loader=$(find . -name 'ld-linux-x86-64.so.2' -type f)
mkdir -p "$new/root"
for file in $files; do
	echo "$file"
	"$loader" --inhibit-cache --library-path lib/x86_64-linux-gnu:usr/lib/x86_64-linux-gnu \
		--list "$file" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }'
done | sort -u | sed 's|^/||' | while read -r file; do
	[ -e "$file" ] || die "the servers need $file, and no fetched package has it"
	mkdir -p "$new/root/$(dirname "$file")"
	cp -pL "$file" "$new/root/$file"
done
mkdir -p "$new/root/lib64" "$new/root/dev" "$new/root/proc" "$new/root/tmp" "$new/root/etc"
cp -pL "$loader" "$new/root/lib64"
cp -p lib/x86_64-linux-gnu/libgcc_s.so.1 "$new/root/lib/x86_64-linux-gnu"	# pthread_exit() loads it
printf '%s\n' 'root:x:0:0::/:' 'nobody:x:65534:65534::/:' > "$new/root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' > "$new/root/etc/group"

mv "$new/root" "$dir"
rm -rf "$new"
