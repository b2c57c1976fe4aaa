#!/bin/sh
# The agent and its commands, by the engine that is configured or there.
LIB=/usr/lib/roamwall
engine=$(uci -q get roamwall.agent.engine)
[ "${engine:-auto}" != auto ] || {
	engine=node
	[ ! -x /usr/bin/roamwall-qjs ] || engine=qjs
}
case $engine in
qjs) exec /usr/bin/roamwall-qjs --memory 32 --bundle $LIB/roamwall-qjs.js "$@" ;;
node)
	# An access point has little memory; these cost speed that nothing here needs.
	exec node --max-old-space-size=32 --max-semi-space-size=1 --optimize-for-size $LIB/roamwall.cjs "$@"
	;;
esac
echo "roamwall: /etc/config/roamwall agent.engine: \"$engine\"; accepted: auto, node, qjs" >&2
exit 2
