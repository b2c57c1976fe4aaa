# A stand-in for procd: one instance a service, restarted when its command, a parameter or the content of a named file has
# changed, and left alone otherwise. What it was told stays in /tmp/procd/SERVICE.* for the tests to read.

PROCD=/tmp/procd
mkdir -p $PROCD

procd_open_service() {
	service=$1
	new=$PROCD/$service.new
	rm -rf "$new"
	mkdir "$new"
	: >"$PROCD/$service.triggers"
}
procd_open_instance() { : >"$new/command"; }
procd_close_instance() { :; }
procd_set_param() {
	local kind=$1
	shift
	if [ "$kind" = command ]; then printf '%s\n' "$@" >"$new/command"; else echo "$kind $*" >>"$new/parameters"; fi
}
procd_append_param() {
	shift
	printf '%s\n' "$@" >>"$new/command"
}
procd_add_jail() { echo "jail $*" >>"$new/parameters"; }
procd_add_jail_mount() { echo "mount $*" >>"$new/parameters"; }
procd_add_jail_mount_rw() { echo "mount_rw $*" >>"$new/parameters"; }
procd_add_reload_trigger() { echo "config $*" >>"$PROCD/$service.triggers"; }
procd_add_reload_interface_trigger() { echo "interface $*" >>"$PROCD/$service.triggers"; }

# Of /usr/share/libubox/jshn.sh, as far as a firewall rule goes: one line for each value.
procd_open_data() { :; }
procd_close_data() { :; }
json_add_array() { echo "data array $*" >>"$new/parameters"; }
json_add_object() { :; }
json_add_string() { echo "data $*" >>"$new/parameters"; }
json_close_object() { :; }
json_close_array() { :; }
procd_set_config_changed() { echo "changed $*" >>/tmp/procd/changes; }

running() { [ -s "$PROCD/$1.pid" ] && kill -0 "$(cat "$PROCD/$1.pid")" 2>/dev/null; }

procd_kill() {
	! running "$1" || kill "$(cat "$PROCD/$1.pid")"
	rm -f "$PROCD/$1.pid" "$PROCD/$1.signature"
}

signature() {
	cat "$new/command" "$new/parameters"
	sed -n 's/^file //p' "$new/parameters" | tr ' ' '\n' | while read -r file; do md5sum "$file" 2>/dev/null; done
}

procd_close_service() {
	local now pid
	[ -s "$new/command" ] || {
		procd_kill "$service"
		return
	}
	now=$(signature | md5sum)
	! running "$service" || [ "$now" != "$(cat "$PROCD/$service.signature")" ] || return 0
	pid=$(cat "$PROCD/$service.pid" 2>/dev/null)
	procd_kill "$service"
	while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	tr '\n' '\0' <"$new/command" | xargs -0 setsid sh -c 'echo $$ >$0; exec "$@"' "$PROCD/$service.pid" >>/tmp/log 2>&1 &
	while [ ! -s "$PROCD/$service.pid" ]; do sleep 0.05; done
	echo "$now" >"$PROCD/$service.signature"
	echo start >>"$PROCD/$service.starts"
}
