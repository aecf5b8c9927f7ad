#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kernel-build.sh NAME: build a kernel in out/kernels/NAME from Debian's newest kernel source, or
# from the version that the configuration names. The configuration is qemu/configs/NAME.config, and
# the variables for make are in NAME.make, if that exists. The script builds the kernel again when
# the source, the compiler or one of these files has changed.
. "$(dirname "$0")/lib.sh"

name=${1:?usage: kernel-build.sh NAME}
config=$top/qemu/configs/$name.config
version=$(sed -n 's/^# linux-source: //p' "$config")
version=${version:-7.3}
dir=$out/kernels/$name
build=$dir/build
source=$out/source/linux-source-$version

one_at_a_time
sh "$shared/setup.sh" debug
sh "$shared/source.sh" "$version"

fragments="$top/qemu/configs/base.config $top/selftests/config $config"
variables=$(grep -s '^[A-Z]' "$top/qemu/configs/$name.make" || true)
# shellcheck disable=SC2086 # a list
key=$({ cat $fragments; echo "$variables"; gcc --version; stat -c '%s %Y' "$source.tar.xz"; } | sha256sum)
[ "$key" != "$(cat "$dir/key" 2> /dev/null)" ] || exit 0

need_space 5000 "$out"
if [ ! -d "$source" ]; then
	say EXTRACT "linux-source-$version"
	rm -rf "$source.new"
	mkdir "$source.new"
	tar -xf "$source.tar.xz" -C "$source.new" --strip-components 1 ||
		die "cannot unpack $source.tar.xz: remove it and try again"
	mv "$source.new" "$source"
fi

say CONFIG "linux-$version, $name"
mkdir -p "$build"
# shellcheck disable=SC2086 # a list
cat $fragments > "$dir/fragment"
quietly kernel-build.log make -C "$source" O="$build" KCONFIG_ALLCONFIG="$dir/fragment" allnoconfig ||
	die "cannot configure linux-$version: $error"

# kconfig silently drops an option whose dependencies are missing, and sets one that another option
# selects. So check each of them.
grep '^CONFIG' "$dir/fragment" | while read -r option; do
	grep -qxF "$option" "$build/.config" ||
		die "linux-$version drops $option: its dependencies are missing in qemu/configs and selftests/config"
done
sed -n 's/^# \(CONFIG[A-Z0-9_]*\) is not set$/\1/p' "$dir/fragment" | while read -r option; do
	! grep -q "^$option=" "$build/.config" ||
		die "linux-$version sets $option: an option in qemu/configs or selftests/config selects it"
done

# The build takes minutes, so print a line for every 250 steps.
say BUILD "linux-$version, $name: 2000 steps or so, 10 to 15 minutes with two cores"
rm -f "$dir/bzImage"
{
	# shellcheck disable=SC2086 # a list
	make -C "$build" -j"$(nproc)" $variables bzImage modules 2>&1 &&
		ln -s build/arch/x86/boot/bzImage "$dir/bzImage"
} | tee "$out/kernel-build.log" | busybox awk 'NR % 250 == 0 { print "          step " NR; fflush() }'
[ -e "$dir/bzImage" ] ||
	die "cannot build linux-$version: $(grep -m 1 rror "$out/kernel-build.log") (the log is $out/kernel-build.log)"
echo "$key" > "$dir/key"
