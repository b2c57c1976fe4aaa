/** Verdicts as lines: the same words wherever one is shown. */
import type { DeniedPacket, Verdict } from "../verdict.ts";
import { clockText, printable, type Style } from "./text.ts";

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

/** `10.0.0.9:40000 > 10.1.0.7:22 tcp`, the sender first. */
export function flowText(denied: DeniedPacket & { readonly type?: string }): string {
  if (denied.client === undefined) return `ethertype 0x${denied.ethertype.toString(16).padStart(4, "0")}`;
  const proto = PROTOCOLS[denied.proto] ?? `protocol ${denied.proto}`;
  const [from, to] = denied.direction === "from client" ? [denied.client, denied.peer] : [denied.peer, denied.client];
  const type = denied.type && denied.type !== proto ? ` ${denied.type.replace("_", "-")}` : "";
  return `${from} > ${to} ${proto}${type}`;
}

/** What would have to change: a rule, or words. */
export function remedyText({ rule, remedy }: Verdict): string {
  return rule ?? remedy;
}

export const VERDICT_HEADING = ["time", "verdict", "reason", "client", "role", "packet", "would allow it"] as const;

export function verdictCells(verdict: Verdict, style: Style): string[] {
  const paint = { denied: style.bad, monitored: style.warn, passed: style.good }[verdict.verdict];
  return [
    clockText(verdict.seconds),
    paint(verdict.verdict),
    verdict.reason === "pass" ? "-" : verdict.reason,
    verdict.mac,
    printable(verdict.role ?? "-"),
    flowText(verdict),
    remedyText(verdict),
  ];
}
