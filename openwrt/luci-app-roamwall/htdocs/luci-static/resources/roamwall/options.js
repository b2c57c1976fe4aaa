"use strict";
"require baseclass";

/* Made by scripts/gen-settings.ts from the agent's own table. */
return baseclass.extend({
	"sections": [
		"agent",
		"daemon",
		"port",
		"replication",
		"identities",
		"mqtt",
		"radius",
		"page"
	],
	"rows": [
		{
			"section": "agent",
			"name": "enabled",
			"form": "0, 1",
			"default": "0",
			"effect": "Whether this AP filters at all. Set to 0, the filter is taken off and everything passes.",
			"isSwitch": true
		},
		{
			"section": "agent",
			"name": "engine",
			"form": "auto, node, qjs",
			"default": "auto",
			"effect": "What runs the agent: Node, or the small engine of the package roamwall-qjs. auto: qjs where it is installed.",
			"choices": [
				"auto",
				"node",
				"qjs"
			]
		},
		{
			"section": "agent",
			"name": "jail",
			"form": "0, 1",
			"default": "0",
			"effect": "Puts agent and roamwalld into procd's jail (needs procd-ujail). Not yet tried on a device: hence off.",
			"isSwitch": true
		},
		{
			"section": "agent",
			"name": "id",
			"form": "1 to 65534",
			"default": "-",
			"effect": "This AP's number in the mesh. No two APs may share one.",
			"range": [
				1,
				65534
			]
		},
		{
			"section": "agent",
			"name": "name",
			"form": "text",
			"default": "ap and the id",
			"effect": "What people call this AP: shown to neighbours and in status."
		},
		{
			"section": "agent",
			"name": "daemon",
			"form": "path",
			"default": "/run/roamwall/daemon.sock",
			"effect": "Where roamwalld listens."
		},
		{
			"section": "agent",
			"name": "control",
			"form": "path",
			"default": "/run/roamwall/agent.sock",
			"effect": "Where roamwall status and the other commands find this agent."
		},
		{
			"section": "agent",
			"name": "key",
			"form": "path",
			"default": "/etc/roamwall/key",
			"effect": "The mesh's secrets, the same file as roamwalld's; mode 0600."
		},
		{
			"section": "agent",
			"name": "mode",
			"form": "enforce, monitor",
			"default": "enforce",
			"effect": "monitor counts and reports what would be denied, and lets it pass.",
			"choices": [
				"enforce",
				"monitor"
			]
		},
		{
			"section": "agent",
			"name": "policy",
			"form": "path",
			"default": "/etc/roamwall/policy.yaml",
			"effect": "Rules and clients (docs/policy.md). Read again when it changes, and at SIGHUP; whole or not at all."
		},
		{
			"section": "agent",
			"name": "arrival",
			"form": "first-frame, hostapd",
			"default": "first-frame",
			"effect": "What says that a client is here. hostapd: also its station events on OpenWrt's ubus, which come before the first frame; the client's state is fetched that much earlier. Without hostapd or ubus the first frame is enough.",
			"choices": [
				"first-frame",
				"hostapd"
			]
		},
		{
			"section": "agent",
			"name": "salt",
			"form": "0 to 65535",
			"default": "0",
			"effect": "APs with different salts place the same rules at different bits of their filters, so that what one lets through by chance, the next AP of the path stops (ICC'07's several filters). It costs nothing.",
			"range": [
				0,
				65535
			]
		},
		{
			"section": "agent",
			"name": "pickup",
			"form": "duration, 0 to 1 h",
			"default": "300s",
			"effect": "For so long after an empty table, connections that are under way are believed. Longer: fewer broken connections after a reboot; shorter: less time in which anybody may claim to have one."
		},
		{
			"section": "daemon",
			"name": "wireless",
			"form": "0, 1",
			"default": "1",
			"effect": "Every AP interface that iw dev shows is a client port, beside the port sections.",
			"isSwitch": true
		},
		{
			"section": "port",
			"name": "device",
			"form": "name of a netdev",
			"default": "-",
			"effect": "A netdev with clients behind it; it may appear later."
		},
		{
			"section": "port",
			"name": "zone",
			"form": "0 to 65535",
			"default": "0",
			"effect": "Clients of different zones are strangers to each other, also when they roam; one zone for each network.",
			"range": [
				0,
				65535
			]
		},
		{
			"section": "port",
			"name": "tagged",
			"form": "0, 1",
			"default": "0",
			"effect": "Whether clients behind this port may send VLAN tags.",
			"isSwitch": true
		},
		{
			"section": "daemon",
			"name": "table",
			"form": "4xBUCKETSx8/r26 or /r12",
			"default": "4x1024x8/r26",
			"effect": "Size of the table of expected packets: 32 cells a bucket, 4 bytes each (2 with r12, for the smallest APs; the mesh must agree on r). 1,024 buckets hold some 10,000 connections. A change empties the table once."
		},
		{
			"section": "daemon",
			"name": "clients",
			"form": "1 to 16382",
			"default": "1024",
			"effect": "Most clients known at a time. Further ones are treated as unknown.",
			"range": [
				1,
				16382
			]
		},
		{
			"section": "daemon",
			"name": "mirrors",
			"form": "1 to 8",
			"default": "8",
			"effect": "Neighbours whose tables the kernel mirrors; each takes as much memory as the own table.",
			"range": [
				1,
				8
			]
		},
		{
			"section": "daemon",
			"name": "filter_memory",
			"form": "bytes, K or M; 4K to 1024M",
			"default": "1M",
			"effect": "For the access lists of all roles and clients: 1.8 bytes a rule."
		},
		{
			"section": "daemon",
			"name": "attach",
			"form": "tcx, clsact",
			"default": "tcx where the kernel has it, else clsact",
			"effect": "How the filter is attached. tcx (kernel 6.6) needs no kernel module and cannot be overtaken; clsact needs kmod-sched-core and kmod-sched-bpf.",
			"choices": [
				"tcx",
				"clsact"
			]
		},
		{
			"section": "daemon",
			"name": "pin",
			"form": "path",
			"default": "/sys/fs/bpf/roamwall",
			"effect": "Directory in a bpffs that keeps filter and table while nothing runs."
		},
		{
			"section": "daemon",
			"name": "object",
			"form": "path",
			"default": "beside the program, then /usr/lib/roamwall",
			"effect": "The compiled filter."
		},
		{
			"section": "daemon",
			"name": "datapath",
			"form": "auto, ebpf, nfqueue",
			"default": "auto",
			"effect": "Who judges packets: the kernel by eBPF, or roamwalld itself behind netfilter's queue, which is slower. auto: eBPF, and NFQUEUE where that cannot be loaded.",
			"choices": [
				"auto",
				"ebpf",
				"nfqueue"
			]
		},
		{
			"section": "daemon",
			"name": "fail",
			"form": "open, closed",
			"default": "open",
			"effect": "With NFQUEUE: what becomes of packets while roamwalld is gone. open: they pass unfiltered; closed: they are dropped.",
			"choices": [
				"open",
				"closed"
			]
		},
		{
			"section": "daemon",
			"name": "queue",
			"form": "0 to 65535",
			"default": "4755",
			"effect": "With NFQUEUE: the number of the queue.",
			"range": [
				0,
				65535
			]
		},
		{
			"section": "daemon",
			"name": "rules",
			"form": "auto, nft, iptables, none",
			"default": "auto",
			"effect": "With NFQUEUE: how packets are led there. auto: nf_tables, else iptables-restore; none: by rules of your own.",
			"choices": [
				"auto",
				"nft",
				"iptables",
				"none"
			]
		},
		{
			"section": "daemon",
			"name": "state",
			"form": "path",
			"default": "/run/roamwall/tables",
			"effect": "With NFQUEUE: the tables, in memory that outlives the process."
		},
		{
			"section": "replication",
			"name": "network",
			"form": "name of a network",
			"default": "none",
			"effect": "Takes bind from the first address of this network (as lan or mesh), instead of an address written here."
		},
		{
			"section": "replication",
			"name": "enabled",
			"form": "0, 1",
			"default": "1",
			"effect": "Whether expectations go to and come from neighbour APs.",
			"isSwitch": true
		},
		{
			"section": "replication",
			"name": "bind",
			"form": "address",
			"default": "-",
			"effect": "This AP's address on the mesh link. Not needed when replication is off."
		},
		{
			"section": "replication",
			"name": "port",
			"form": "1 to 65535",
			"default": "4755",
			"effect": "UDP port, the same on all APs.",
			"range": [
				1,
				65535
			]
		},
		{
			"section": "replication",
			"name": "group",
			"form": "multicast address",
			"default": "none",
			"effect": "Deltas go there once for all neighbours of the link."
		},
		{
			"section": "replication",
			"name": "iface",
			"form": "address, or %name for IPv6",
			"default": "that of bind",
			"effect": "Interface on which the group is joined and sent to."
		},
		{
			"section": "replication",
			"name": "peers",
			"form": "list of address or address:port",
			"default": "none",
			"effect": "Neighbours that are written to one by one: for links without multicast, or beside it.",
			"isList": true
		},
		{
			"section": "replication",
			"name": "hold",
			"form": "duration, 0 to 10 s",
			"default": "200ms",
			"effect": "Half-open states wait so long before they are sent, and are not sent when superseded. Longer: less traffic for short connections; shorter: an opening that roams in mid-handshake is known to the neighbour earlier. 0 sends all at once."
		},
		{
			"section": "replication",
			"name": "flush",
			"form": "duration, 1 ms to 1 s",
			"default": "half of hold, at least 4ms",
			"effect": "Least time between two publications. The first change after a quiet time goes out at once; on a busy AP later ones gather. Longer: fewer, fuller datagrams and less CPU; shorter: neighbours know earlier."
		},
		{
			"section": "replication",
			"name": "path",
			"form": "symmetric, asymmetric",
			"default": "symmetric",
			"effect": "asymmetric: a flow's request may pass one AP and its reply another (write through): every AP asks all mirrors for every client, and changes leave at once (hold and flush are 0, handover too). Costs more traffic and looser filtering; the same on all APs.",
			"choices": [
				"symmetric",
				"asymmetric"
			]
		},
		{
			"section": "replication",
			"name": "rate",
			"form": "rate, 10 kB/s to 1 GB/s",
			"default": "2MB/s",
			"effect": "Ceiling of snapshots and repairs together; repairs for one neighbour: a quarter of it; mere refreshes: an eighth. Changes are never delayed by it."
		},
		{
			"section": "replication",
			"name": "mode",
			"form": "ftfw, notrack, alarm",
			"default": "ftfw",
			"effect": "What is done about lost changes. ftfw: they are found and repaired. notrack: nothing; a newcomer gets a snapshot. alarm: everything is sent again every replication.alarm. For comparison; APs of a mesh may differ.",
			"choices": [
				"ftfw",
				"notrack",
				"alarm"
			]
		},
		{
			"section": "replication",
			"name": "alarm",
			"form": "duration, 1 s to 1 h",
			"default": "15s",
			"effect": "Mode alarm only. Shorter: what is lost is known earlier; longer: less traffic."
		},
		{
			"section": "replication",
			"name": "memory",
			"form": "size, 100 kB to 1 TB",
			"default": "1/16 of the RAM",
			"effect": "For mirrors of neighbours, here and in the kernel: as many as fit, for those that clients roam to and from most. The clients of the others are handed over when they come, which needs the old AP to be there."
		},
		{
			"section": "replication",
			"name": "handover",
			"form": "duration, 0 to 2 h",
			"default": "240s",
			"effect": "What the AP that a client left keeps of its expectations. Shorter frees the table earlier; 0 lets them age normally."
		},
		{
			"section": "identities",
			"name": "mesh",
			"form": "name",
			"default": "-",
			"effect": "Each AP speaks by a key of its own, and only for itself (docs/keys.md): all APs of the mesh must have this section, or none. A member list counts only if it was signed for this name. Without the section identities are off."
		},
		{
			"section": "identities",
			"name": "keys",
			"form": "list of 64 hex digits",
			"default": "-",
			"effect": "Public keys whose signature makes a member list count: what roamwall policy keygen prints. Two while one replaces the other.",
			"isList": true
		},
		{
			"section": "identities",
			"name": "key",
			"form": "path",
			"default": "/etc/roamwall/identity",
			"effect": "This AP's own key, as roamwall identity new writes it; mode 0600. It never leaves the AP."
		},
		{
			"section": "identities",
			"name": "members",
			"form": "path",
			"default": "/etc/roamwall/members",
			"effect": "The signed list of members (roamwall members). Read again when it changes, and at SIGHUP; one with a lower revision is refused. With a broker a newer one also comes from there, and is kept here."
		},
		{
			"section": "mqtt",
			"name": "url",
			"form": "mqtt://host:port, mqtts://host:port",
			"default": "-",
			"effect": "The broker that brings the policy of the whole mesh, and hears of this AP (docs/mqtt.md)."
		},
		{
			"section": "mqtt",
			"name": "mesh",
			"form": "name",
			"default": "-",
			"effect": "Names the mesh in topics; a policy counts only if it was signed for this name."
		},
		{
			"section": "mqtt",
			"name": "keys",
			"form": "list of 64 hex digits",
			"default": "-",
			"effect": "Public keys whose signature makes a policy count: what roamwall policy keygen prints. Two while one replaces the other.",
			"isList": true
		},
		{
			"section": "mqtt",
			"name": "user",
			"form": "text",
			"default": "none",
			"effect": "Name for the broker."
		},
		{
			"section": "mqtt",
			"name": "password_file",
			"form": "path",
			"default": "none",
			"effect": "File with the password for the broker."
		},
		{
			"section": "mqtt",
			"name": "ca",
			"form": "path",
			"default": "the system's",
			"effect": "Certificates (PEM) that vouch for the broker, with mqtts."
		},
		{
			"section": "mqtt",
			"name": "certificate",
			"form": "path",
			"default": "none",
			"effect": "This AP's own certificate (PEM), where the broker asks for one."
		},
		{
			"section": "mqtt",
			"name": "private_key",
			"form": "path",
			"default": "none",
			"effect": "The key of that certificate (PEM)."
		},
		{
			"section": "mqtt",
			"name": "store",
			"form": "path",
			"default": "/etc/roamwall/policy.signed",
			"effect": "Keeps the policy in force, for a start without broker. Written only when a new one comes."
		},
		{
			"section": "mqtt",
			"name": "every",
			"form": "duration, 1 s to 1 h",
			"default": "30s",
			"effect": "How often counters are told. Changes of status are told with it."
		},
		{
			"section": "radius",
			"name": "servers",
			"form": "list of address or address:port",
			"default": "-",
			"effect": "RADIUS servers in the order in which they are asked (docs/freeradius.md); default port 1812. Accounting goes to the next higher port.",
			"isList": true
		},
		{
			"section": "radius",
			"name": "secret_file",
			"form": "path",
			"default": "-",
			"effect": "File (mode 0600) whose first line is the secret that hostapd and the servers share."
		},
		{
			"section": "radius",
			"name": "listen",
			"form": "address or address:port",
			"default": "127.0.0.1:1812",
			"effect": "Where hostapd sends logins to; accounting to the next higher port."
		},
		{
			"section": "radius",
			"name": "message_authenticator",
			"form": "eap, always",
			"default": "eap",
			"effect": "Which answers must bear a Message-Authenticator. always also protects MAC authentication from forged answers (CVE-2024-3596); it needs servers that were mended in 2024.",
			"choices": [
				"eap",
				"always"
			]
		},
		{
			"section": "radius",
			"name": "das",
			"form": "address or address:port",
			"default": "none",
			"effect": "Where CoA and Disconnect are taken; default port 3799. Absent: they are not."
		},
		{
			"section": "radius",
			"name": "das_clients",
			"form": "list of addresses",
			"default": "the servers",
			"effect": "Who may send them.",
			"isList": true
		},
		{
			"section": "radius",
			"name": "event_timestamp",
			"form": "optional, required",
			"default": "optional",
			"effect": "Whether a CoA or Disconnect must bear its time. Without one, a replay is known only while it is among the last 4,096 requests.",
			"choices": [
				"optional",
				"required"
			]
		},
		{
			"section": "radius",
			"name": "hostapd",
			"form": "list of address or address:port",
			"default": "none",
			"effect": "hostapd's own ports for Disconnect (radius_das_port), which then also sends the station away; default port 3798.",
			"isList": true
		},
		{
			"section": "radius",
			"name": "store",
			"form": "path",
			"default": "/run/roamwall/sessions.json",
			"effect": "Who is logged in, for an agent that starts again. In memory is enough: a reboot logs everybody out."
		},
		{
			"section": "radius",
			"name": "fallback",
			"form": "name of a role",
			"default": "none",
			"effect": "While no server answers, clients without rights of their own (never logged in, or their time is over) have this role instead of the policy's unknown."
		},
		{
			"section": "page",
			"name": "listen",
			"form": "address or address:port",
			"default": "none",
			"effect": "Where the status page and /metrics are served (docs/page.md); default port 9477. Absent: nowhere. An address that others can reach needs page.token-file."
		},
		{
			"section": "page",
			"name": "token_file",
			"form": "path",
			"default": "none",
			"effect": "File (mode 0600) whose first line is the token that readers must show: 16 characters or more. HTTP carries it in the clear."
		},
		{
			"section": "page",
			"name": "names",
			"form": "list of names",
			"default": "none",
			"effect": "Names under which browsers may ask for the page, beside addresses and localhost: all others are refused (DNS rebinding).",
			"isList": true
		}
	]
});
