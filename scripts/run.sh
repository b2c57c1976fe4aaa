#!/usr/bin/env bash
# The verbs of package.json. Each works as the first command on a fresh Debian 12 with git, Node and npm: what is
# missing is installed and named, then built, then the verb runs.
#
#   run.sh demo  [--routed] [--engine node|qjs|mixed] [--datapath ebpf|queue|mixed] [--json]   two APs, a client that roams, and the same without replication
#   run.sh test  [vitest argument...]  all checks and tests; the last line has the counts
#   run.sh bench [--json] [--only ..]  measurements against nft + conntrack
#   run.sh page-test                   the status page in a real Chromium (installed if it is not there)
#   run.sh check                       lint, types, arrows
#   run.sh package [--arch ..]        installable packages for OpenWrt
set -euo pipefail
cd "$(dirname "$0")/.."

verb=${1:-}
[ $# -eq 0 ] || shift

case $verb in
demo | test | bench | check | package) ;;
*)
	echo "run.sh: \"$verb\" is no verb; accepted: demo, test, page-test, bench, check, package" >&2
	exit 2
	;;
esac

# With --json nothing but JSON may reach stdout, whatever npm or make have to say.
bash scripts/setup.sh "$verb" >&2

case $verb in
check) exec bash scripts/check.sh ;;
test) exec node scripts/ts.mjs scripts/test.ts "$@" ;;
page-test) exec node scripts/ts.mjs scripts/test.ts test/page "$@" ;;
*) exec node scripts/ts.mjs "scripts/$verb.ts" "$@" ;;
esac
