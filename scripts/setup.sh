#!/usr/bin/env bash
# Installs what a verb of run.sh lacks and builds what is out of date. Says a line about each thing it does, and
# nothing if there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

verb=${1:-test}
log=build/setup.log
mkdir -p build
: >"$log"

say() { echo "setup: $*"; }
is_root() { [ "$(id -u)" -eq 0 ]; }
has() { command -v "$1" >/dev/null 2>&1; }

# A step that says nothing unless it fails.
quietly() {
	local what=$1
	shift
	if ! "$@" >>"$log" 2>&1; then
		say "$what failed; its last words (all of them in $log):"
		tail -n 20 "$log"
		exit 1
	fi
}

# The package that brings a thing, and how to see that it is there.
missing_packages() {
	local wanted=(clang clang make make gcc cc libc6-dev /usr/include/stdio.h libbpf-dev /usr/include/bpf/libbpf.h
		libelf-dev /usr/include/libelf.h zlib1g-dev /usr/include/zlib.h musl-tools musl-gcc)
	case $verb in
	check) return 0 ;;
	page-test) wanted=(chromium /usr/bin/chromium fonts-dejavu-core /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf) ;;
	demo) ! is_root || wanted+=(iproute2 ip) ;;
	# The sanitizers of clang are a package of their own, by version; 14 is Debian 12's.
	test) wanted+=(libclang-rt-14-dev /usr/lib/llvm-14/lib/clang/14.0.6/share/asan_ignorelist.txt iproute2 ip openssl openssl
		iptables iptables nftables nft mosquitto /usr/sbin/mosquitto mosquitto-clients mosquitto_pub freeradius /usr/sbin/freeradius
		freeradius-utils radclient hostapd /usr/sbin/hostapd wpasupplicant /usr/sbin/wpa_supplicant
		eapoltest /usr/bin/eapol_test busybox-static busybox llvm llvm-strip) ;;
	package) wanted+=(gcc-mipsel-linux-gnu mipsel-linux-gnu-gcc gcc-mips-linux-gnu mips-linux-gnu-gcc
		libc6-dev-mipsel-cross /usr/mipsel-linux-gnu/include/stdio.h libc6-dev-mips-cross /usr/mips-linux-gnu/include/stdio.h llvm llvm-strip gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc gcc-arm-linux-gnueabihf
		arm-linux-gnueabihf-gcc libc6-dev-arm64-cross /usr/aarch64-linux-gnu/include/stdio.h
		libc6-dev-armhf-cross /usr/arm-linux-gnueabihf/include/stdio.h) ;;
	bench) wanted+=(iptables iptables libnetfilter-queue-dev /usr/include/libnetfilter_queue/libnetfilter_queue.h
		iproute2 ip procps sysctl nftables nft conntrack conntrack conntrackd /usr/sbin/conntrackd) ;;
	esac
	# Old and small CPUs: a compiler, its C library and an emulator each; half a minute.
	case $verb in
	test | bench) wanted+=(qemu-user-static qemu-arm-static gcc-i686-linux-gnu i686-linux-gnu-gcc
		libc6-dev-i386-cross /usr/i686-linux-gnu/include/stdio.h gcc-arm-linux-gnueabi arm-linux-gnueabi-gcc
		libc6-dev-armel-cross /usr/arm-linux-gnueabi/include/stdio.h gcc-mips-linux-gnu mips-linux-gnu-gcc
		libc6-dev-mips-cross /usr/mips-linux-gnu/include/stdio.h gcc-mipsel-linux-gnu mipsel-linux-gnu-gcc
		libc6-dev-mipsel-cross /usr/mipsel-linux-gnu/include/stdio.h) ;;
	esac
	local i
	for ((i = 0; i < ${#wanted[@]}; i += 2)); do
		case ${wanted[i + 1]} in
		/*) [ -e "${wanted[i + 1]}" ] || echo "${wanted[i]}" ;;
		*) has "${wanted[i + 1]}" || echo "${wanted[i]}" ;;
		esac
	done
}

# A daemon that comes with a package must not start by itself: 101 is "not allowed".
keep_daemons_quiet() {
	local policy=/usr/sbin/policy-rc.d
	[ ! -e "$policy" ] || return 0
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

install_packages() {
	local missing
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -gt 0 ] || return 0
	if ! is_root; then
		say "not root: left out installing ${missing[*]} (with root: apt-get install ${missing[*]})"
		return 0
	fi
	if ! has apt-get; then
		say "no apt-get here; install these in your system's way: ${missing[*]}"
		return 0
	fi
	say "installing Debian packages: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	keep_daemons_quiet
	quietly "apt-get update" apt-get update -q
	quietly "apt-get install" apt-get install -y -q --no-install-recommends "${missing[@]}"
}

install_modules() {
	local mark=node_modules/.package-lock.json
	if [ ! -e "$mark" ] || [ package-lock.json -nt "$mark" ]; then
		say "installing Node packages (npm ci)"
		quietly "npm ci" npm ci --no-audit --no-fund
		touch "$mark"
	fi
}

# The kernel half needs clang and libbpf; the model does without.
build_firmware() {
	local before after
	if ! has clang || ! has make || [ ! -e /usr/include/bpf/libbpf.h ]; then
		say "no clang, make or libbpf: left out building firmware/ (the kernel's half)"
		return 0
	fi
	before=$(stat -c %Y build/roamwalld build/sfr.bpf.o 2>/dev/null || true)
	# The tests and the benchmark run single packets through the kernel's program: runner.
	quietly "make -C firmware" make -C firmware all runner
	after=$(stat -c %Y build/roamwalld build/sfr.bpf.o)
	[ "$before" = "$after" ] || say "built build/sfr.bpf.o and build/roamwalld"
}

build_agent() {
	if [ -e dist/roamwall.cjs ] && [ -z "$(find src page scripts/build.mjs package.json -newer dist/roamwall.cjs -print -quit)" ]; then
		return 0
	fi
	quietly "node scripts/build.mjs" node scripts/build.mjs
	say "built dist/roamwall.cjs"
}

has node || { say "Node 20 or newer is needed, and is not here"; exit 1; }
case $(node -p 'process.versions.node.split(".")[0] >= 20') in
true) ;;
*) say "Node 20 or newer is needed; this is $(node --version)"; exit 1 ;;
esac
install_packages
install_modules
[ "$verb" = check ] || build_firmware
[ "$verb" = check ] || build_agent
