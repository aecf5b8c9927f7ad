# SPDX-License-Identifier: GPL-2.0-only
# Sourced by scripts that fetch Debian's packages. apt uses sources, lists and a cache of its own in
# out/apt, so that those of the machine stay as they are. apt installs nothing that it fetches here.
# shellcheck disable=SC2154 # lib.sh sets out and error

apt=$out/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror from which this machine installs its own packages
debian_mirror()
{
	[ -r /etc/os-release ] || return 0
	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v release="$release" \
		'$1 ~ /debian/ && $2 == release && $3 == "main" { print $1; exit }'
}

# apt_setup SUITE...: prepare apt to fetch packages of these suites; SUITE:source is for the sources of
# packages
apt_setup()
{
	command -v apt-get > /dev/null ||
		die "this machine has no apt-get: give a kernel of your own with KERNEL= and KDIR="
	mirror=${DEBIAN_MIRROR:-$(debian_mirror)}
	if [ -z "$mirror" ]; then	# apt has no lists yet
		quietly apt.log as_root apt-get update || die "apt-get update failed: $error; check the network, or set DEBIAN_MIRROR="
		mirror=$(debian_mirror)
	fi
	[ "$mirror" ] ||
		die "apt on this machine uses no Debian mirror: set DEBIAN_MIRROR=, see 'make help'"
	[ -r "$keyring" ] ||
		die "$keyring is missing: install the package debian-archive-keyring"
	mirror=${mirror%/}

	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	for suite; do
		case $suite in
		*-security) uri=$mirror-security ;;
		*) uri=$mirror ;;
		esac
		case $suite in
		*:source) kind="deb-src [target=Sources" ;;
		*) kind="deb [arch=amd64 target=Packages" ;;
		esac
		echo "$kind signed-by=$keyring] $uri ${suite%:source} main"
	done > "$apt/sources.list"

	cat > "$apt/apt.conf" <<-EOF
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::State::lists "$apt/lists";
		Dir::State::status "/dev/null";
		Dir::Cache "$apt/cache";
		APT::Architecture "amd64";
		APT::Get::List-Cleanup "false";
		APT::Sandbox::User "root";
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	EOF
	quietly apt.log apt-get -c "$apt/apt.conf" update --error-on=any ||
		die "cannot fetch Debian's package lists: $error; check the network, or set DEBIAN_MIRROR="
}

# depends PACKAGE PATTERN: print those packages that PACKAGE depends on and whose names match
depends()
{
	apt-cache -c "$apt/apt.conf" show --no-all-versions "$1" 2> /dev/null |
		sed -n 's/^Depends: //p' | grep -o "$2[^ ,|]*" | sort -u
}

# fetch PACKAGE...: download them into the current directory
fetch()
{
	for package; do
		say FETCH "$package"
	done
	quietly apt.log apt-get -c "$apt/apt.conf" download "$@" ||
		die "cannot fetch $*: $error; check the network, or set DEBIAN_MIRROR="
}

# fetch_source PACKAGE: download the package's sources into the current directory
fetch_source()
{
	say FETCH "sources of $1"
	quietly apt.log apt-get -c "$apt/apt.conf" source --download-only "$1" ||
		die "cannot fetch the sources of $1: $error; check the network, or set DEBIAN_MIRROR="
}
