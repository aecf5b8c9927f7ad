# SPDX-License-Identifier: GPL-2.0-only
# Sourced by what fetches Debian's packages. apt runs on sources, lists and a cache of its own
# under out/apt: the machine's stay as they are, and nothing fetched here is installed.
# shellcheck disable=SC2154 # out and error are lib.sh's

apt=$out/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror that this machine uses for its own Debian
debian_mirror()
{
	[ -r /etc/os-release ] || return 0
	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v release="$release" \
		'$1 ~ /debian/ && $2 == release && $3 == "main" { print $1; exit }'
}

# apt_setup SUITE...: what the_apt knows from now on
apt_setup()
{
	command -v apt-get > /dev/null ||
		die "no apt-get here: use a kernel of your own with KERNEL= and KDIR="
	mirror=${DEBIAN_MIRROR:-$(debian_mirror)}
	if [ -z "$mirror" ]; then	# no lists yet
		quietly apt.log as_root apt-get update || die "apt-get update: $error"
		mirror=$(debian_mirror)
	fi
	[ "$mirror" ] ||
		die "this machine has no Debian mirror: set DEBIAN_MIRROR=, see 'make help'"
	[ -r "$keyring" ] ||
		die "$keyring is missing: install debian-archive-keyring"
	mirror=${mirror%/}

	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	for suite; do
		case $suite in
		*-security) uri=$mirror-security ;;
		*) uri=$mirror ;;
		esac
		echo "deb [arch=amd64 target=Packages signed-by=$keyring] $uri $suite main"
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
		die "cannot fetch Debian's package lists: $error; is there a network?"
}

# depends PACKAGE PATTERN: the packages that it depends on and that match
depends()
{
	apt-cache -c "$apt/apt.conf" show --no-all-versions "$1" 2> /dev/null |
		sed -n 's/^Depends: //p' | grep -o "$2[^ ,|]*" | sort -u
}

# fetch PACKAGE...: into the current directory
fetch()
{
	for package; do
		say FETCH "$package"
	done
	quietly apt.log apt-get -c "$apt/apt.conf" download "$@" ||
		die "cannot fetch $*: $error; is there a network?"
}
