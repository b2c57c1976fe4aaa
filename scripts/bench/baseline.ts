/**
 * What Roamwall is compared with: the ruleset that OpenWrt's firewall4 renders for a router with `lan` and `wan`, with
 * the chains it always has, `drop_invalid` on and a dozen rules of its owner; the link to a neighbour is trusted. No address translation: an access point
 * that forwards has none, and with it the baseline would cost more.
 */
import type { Lab } from "./lab.ts";

const RULESET = `
table inet fw4 {
  chain input {
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    iifname "mesh" accept
    ct state vmap { established : accept, related : accept, invalid : drop }
    tcp flags & (fin | syn | rst | ack) == syn jump syn_flood
    iifname "lan" jump input_lan
    iifname "wan" jump input_wan
    jump handle_reject
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "lan" jump forward_lan
    iifname "wan" jump forward_wan
    jump handle_reject
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oif "lo" accept
    ct state vmap { established : accept, related : accept, invalid : drop }
  }
  chain handle_reject {
    meta l4proto tcp reject with tcp reset
    reject
  }
  chain syn_flood {
    limit rate 25/second burst 50 packets return
    drop
  }
  chain input_lan { accept; }
  chain input_wan {
    meta nfproto ipv4 udp dport 68 accept
    icmp type echo-request accept
    jump handle_reject
  }
  chain forward_lan {
    tcp dport { 25, 465, 587 } drop
    ip daddr 10.61.200.0/24 drop
    udp dport 1900 drop
    tcp dport 23 drop
    tcp dport { 80, 443 } accept
    udp dport { 53, 123 } accept
    udp dport 20000-20200 accept
    tcp dport 8000-8015 accept
    icmp type echo-request accept
    ip protocol gre accept
    jump accept_to_wan
  }
  chain forward_wan {
    icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
    tcp dport 22 ip saddr 10.61.0.0/16 accept
    jump handle_reject
  }
  chain accept_to_wan {
    meta nfproto ipv4 oifname "wan" ct state invalid drop
    oifname "wan" accept
  }
  chain raw_prerouting { type filter hook prerouting priority raw; policy accept; }
  chain raw_output { type filter hook output priority raw; policy accept; }
  chain prerouting { type filter hook prerouting priority filter; policy accept; }
  chain mangle_prerouting { type filter hook prerouting priority mangle; policy accept; }
  chain mangle_postrouting { type filter hook postrouting priority mangle; policy accept; }
  chain mangle_input { type filter hook input priority mangle; policy accept; }
  chain mangle_output { type route hook output priority mangle; policy accept; }
  chain mangle_forward {
    type filter hook forward priority mangle; policy accept;
    oifname "wan" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
}
`;

export function startNft(lab: Lab, { namespace }: { readonly namespace: string }): void {
  lab.inside(namespace, "nft", ["-f", "-"], RULESET);
}

/** Forgets all flows, as a wiped table does on the other side. */
export function forgetFlows(lab: Lab, { namespace }: { readonly namespace: string }): void {
  lab.inside(namespace, "conntrack", ["-F"]);
}

export function countFlows(lab: Lab, { namespace }: { readonly namespace: string }): number {
  return Number(lab.inside(namespace, "conntrack", ["-C"]).trim());
}
