import type { DeniedPacket } from "../denied-log.ts";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { columns, styleFor } from "./text.ts";
import { EXIT, JSON_OPTION, type Verb } from "./verb.ts";

const PROTOCOLS: Record<number, string> = {
  1: "icmp",
  2: "igmp",
  6: "tcp",
  17: "udp",
  47: "gre",
  50: "esp",
  58: "icmpv6",
  132: "sctp",
};

export const deniedVerb: Verb = {
  name: "denied",
  summary: "Shows the last denials, newest last. A sample: at most 64 a second and client are kept, 256 in all.",
  arguments: [],
  options: [SOCKET_OPTION, JSON_OPTION],
  async run(call) {
    const denied = await ask<DeniedPacket[]>(call, "denied");
    if (!denied) return EXIT.ok;
    const style = styleFor(call.terminal.isTerminal);
    const rows = denied.map((d) => [d.mac, d.direction, d.monitored ? `${d.reason} (passed)` : d.reason, flowOf(d)]);
    call.terminal.out(
      rows.length ? columns([["client", "direction", "reason", "packet"], ...rows], style) : "no denials\n",
    );
    return EXIT.ok;
  },
};

function flowOf(denied: DeniedPacket): string {
  if (denied.client === undefined) return `ethertype 0x${denied.ethertype.toString(16).padStart(4, "0")}`;
  const proto = PROTOCOLS[denied.proto] ?? `protocol ${denied.proto}`;
  const [from, to] = denied.direction === "from client" ? [denied.client, denied.peer] : [denied.peer, denied.client];
  return `${from} > ${to} ${proto}`;
}
