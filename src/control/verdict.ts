/** A verdict of the kernel for people and programs, from its ring event. Names: append, never rename. */
import { TYPE, TYPE_NAME } from "../automata/numbers.ts";
import { formatAddress } from "../base/ip.ts";
import { type Mac, macFromBytes } from "../base/mac.ts";
import { REASON, REASONS, type Reason } from "../datapath/abi.ts";
import type { RingEvent } from "../datapath/map-records.ts";
import { narrowest } from "../policy/explain.ts";
import { openingOf } from "./opening-of.ts";

/** A denial as the kernel sampled it: at most 64 a window of 1.07 s and client. */
export interface DeniedPacket {
  readonly mac: Mac;
  readonly direction: "from client" | "to client";
  readonly reason: string;
  /** It passed: mode, role or client is `monitor`. */
  readonly monitored: boolean;
  readonly ethertype: number;
  readonly proto: number;
  /** As `10.0.0.1:5000`; absent for what is not IP. */
  readonly client?: string;
  readonly peer?: string;
}

export interface Verdict extends DeniedPacket {
  readonly verdict: "denied" | "monitored" | "passed";
  /** Seconds since 1970; null: this machine does not know the time. */
  readonly seconds: number | null;
  readonly role: string | null;
  /** Packet type, as `syn` or `udp`; "" when it was not looked at. */
  readonly type: string;
  /** The narrowest rule that would allow the flow; absent where no rule would. */
  readonly rule?: string;
  /** What would let it pass, in words. */
  readonly remedy: string;
  /** Bytes of the frame. */
  readonly length: number;
  /** Verdicts of this client that the kernel did not tell, since the last one that it did. */
  readonly untold: number;
}

/** What to do about a denial, where it is not a rule. */
const REMEDIES: Readonly<Record<Reason, string>> = {
  pass: "",
  malformed: "nothing: no valid packet looks so",
  acl: "a rule",
  state: "open it anew: its flow began elsewhere, or was silent too long",
  budget: "raise `limits` of the role, or a larger table (roamwall table)",
  full: "a larger table (roamwall table)",
  fragment: "what the head of the datagram needs",
  non_ip: "nothing: only IP and what it needs is carried",
  vlan: "`tagged` for the port, if its clients use VLANs",
  busy: "nothing: the sender's repetition passes",
  exempt_rate: "nothing: more ARP, ND or DHCP than a host sends",
  flags: "nothing: no conforming host sends it",
  group: "a rule below `group`",
  unknown: "list the client in the policy, or say who is `unknown`",
};

export function verdictOf(event: RingEvent, role: string | null, seconds: number | null): Verdict {
  const packet = deniedPacket(event);
  const opening = isForWantOfRule(event) ? openingOf(event) : undefined;
  return {
    ...packet,
    verdict: event.reason === 0 ? "passed" : packet.monitored ? "monitored" : "denied",
    seconds,
    role,
    type: (TYPE_NAME[event.type] ?? "").toLowerCase(),
    ...(opening && { rule: narrowest(opening) }),
    remedy: REMEDIES[packet.reason as Reason] ?? "",
    length: event.length,
    untold: event.lost,
  };
}

/** For `state`, only of what opens: its answers would be allowed, it is not. */
function isForWantOfRule({ reason, type }: RingEvent): boolean {
  if (reason === REASON.state) return type === TYPE.SYN || type === TYPE.QUERY;
  return reason === REASON.acl || reason === REASON.unknown || reason === REASON.group;
}

export function deniedPacket(event: RingEvent): DeniedPacket {
  const isIp = event.family === 4 || event.family === 6;
  return {
    mac: macFromBytes(event.mac),
    direction: event.direction === 0 ? "from client" : "to client",
    reason: REASONS[event.reason]?.[0] ?? `reason ${event.reason}`,
    monitored: event.monitored === 1,
    ethertype: event.ethertype,
    proto: event.proto,
    ...(isIp && {
      client: endText(event.family, event.client, event.client_port),
      peer: endText(event.family, event.peer, event.peer_port),
    }),
  };
}

function endText(family: number, words: readonly number[], port: number): string {
  const six = family === 6;
  const address = formatAddress({ family: six ? 6 : 4, words: words.slice(0, six ? 4 : 1) });
  if (port === 0) return address;
  return six ? `[${address}]:${port}` : `${address}:${port}`;
}
