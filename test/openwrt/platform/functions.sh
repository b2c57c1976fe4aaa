# A stand-in for OpenWrt's /lib/functions.sh: what packages and init scripts of ours call, with the same outcome.

config_load() { CONFIG_PACKAGE=$1; }
config_get() {
	eval "$1=\$(uci -q get \"\$CONFIG_PACKAGE.$2.$3\")"
	eval "[ -n \"\$$1\" ] || $1=\$4"
}
config_get_bool() {
	config_get "$@"
	case $(eval "echo \$$1") in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	0 | off | false | no | disabled) eval "$1=0" ;;
	*) eval "$1=\$4" ;;
	esac
}

files_of() { grep -s "^$2" "/usr/lib/opkg/info/$1.list"; }

default_postinst() {
	local package script
	package=$(basename "${1%.*}")
	for script in $(files_of "$package" /etc/uci-defaults/); do
		(. "$script") && rm -f "$script"
	done
	uci commit
	[ ! -f "/usr/lib/opkg/info/$package.postinst-pkg" ] || (. "/usr/lib/opkg/info/$package.postinst-pkg")
	for script in $(files_of "$package" /etc/init.d/); do
		[ "$PKG_UPGRADE" = 1 ] || "$script" enable
		"$script" start
	done
}

default_prerm() {
	local package script
	package=$(basename "${1%.*}")
	[ ! -f "/usr/lib/opkg/info/$package.prerm-pkg" ] || (. "/usr/lib/opkg/info/$package.prerm-pkg")
	for script in $(files_of "$package" /etc/init.d/); do
		[ "$PKG_UPGRADE" = 1 ] || "$script" disable
		"$script" stop
	done
}
