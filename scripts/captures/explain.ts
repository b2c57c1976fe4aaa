/**
 * What a capture had before a packet, and what of the packet itself explains that it is denied. Shares no code with the
 * filter: what both got wrong alike would not be seen.
 */
import { REASONS } from "../../src/datapath/abi.ts";
import type { DeniedFrame } from "../../src/policy/learn.ts";

const NS_PER_S = 1_000_000_000n;
/** Lifetime of a UDP question, and of a handshake or a closed connection. */
const BRIEF_S = 30;
const LONG_S = 240;

interface Flow {
  opened: boolean;
  /** TCP: a SYN-ACK came. */
  answered: boolean;
  reset: boolean;
  /** Both sides of it were heard. */
  readonly heard: Set<number>;
  lastNs: bigint;
}

export interface DeniedPacket {
  readonly reason: number;
  readonly frame: DeniedFrame | undefined;
  /** As a replay describes it. */
  readonly text: string;
  readonly timeNs: bigint;
  /** Of Ethernet; may be cut short. */
  readonly bytes: Uint8Array;
  /** On the wire. */
  readonly length: number;
}

export class Seen {
  private readonly flows = new Map<string, Flow>();
  /** by pair: whether the last head of fragments passed */
  private readonly heads = new Map<string, boolean>();

  note(frame: DeniedFrame, text: string, timeNs: bigint, passed: boolean): void {
    if (text.includes("(first fragment)")) this.heads.set(pairOf(frame), passed);
    const key = keyOf(frame);
    const flow = this.flows.get(key) ?? newFlow(timeNs);
    this.flows.set(key, flow);
    if (frame.says === "opens") {
      flow.opened = true;
      flow.reset = false;
    }
    const waitedS = Number((timeNs - flow.lastNs) / NS_PER_S);
    if (text.includes("SYN+ACK") && flow.opened && waitedS <= LONG_S) flow.answered = true;
    if (frame.says === "refuses") flow.reset = true;
    flow.heard.add(frame.direction);
    flow.lastNs = timeNs;
  }

  of(frame: DeniedFrame): Flow | undefined {
    return this.flows.get(keyOf(frame));
  }

  headOf(frame: DeniedFrame): boolean | undefined {
    return this.heads.get(pairOf(frame));
  }
}

function newFlow(lastNs: bigint): Flow {
  return { opened: false, answered: false, reset: false, heard: new Set(), lastNs };
}

const PROTOCOLS: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6" };

export function explain(packet: DeniedPacket, seen: Seen): string {
  const name = REASONS[packet.reason]![0];
  if (name === "state" && packet.frame) return `state: ${stateOf(packet, packet.frame, seen)}`;
  if (name === "malformed") return `malformed: ${faultOf(packet.bytes, packet.length)}`;
  if (name === "non_ip") return `non_ip: ${etherTypeOf(packet.bytes)}`;
  if (name === "fragment" && packet.frame) {
    const head = seen.headOf(packet.frame);
    if (head === undefined) return "fragment: a tail whose head the capture has not before it";
    return head ? "fragment: a tail that came more than 30 s after its head" : "fragment: a tail whose head was denied";
  }
  if (name === "flags")
    return `flags: ${packet.text.includes("tcp") ? "TCP flags" : "ICMP types"} that no conforming host sends`;
  if (name === "exempt_rate") return "exempt_rate: a flood of ARP, ND or DHCP";
  return name;
}

function stateOf({ text, timeNs }: DeniedPacket, frame: DeniedFrame, seen: Seen): string {
  const protocol = PROTOCOLS[frame.proto] ?? "other protocols";
  if (text.includes("icmp error")) return "an error about a packet that the capture has not";
  const flow = seen.of(frame);
  if (!flow?.opened) return `${protocol}, the flow began before the capture`;
  if (protocol === "tcp" && !flow.answered) return "tcp, the capture has no SYN-ACK after its SYN";
  if (flow.reset) return `${protocol}, after a reset`;
  const silentS = Number((timeNs - flow.lastNs) / NS_PER_S);
  if (silentS > BRIEF_S) return `${protocol}, silent for ${silentS > LONG_S ? "more than 240" : "30 to 240"} s`;
  if (!flow.heard.has(1 - frame.direction)) return `${protocol}, only one side was captured`;
  return `${protocol}, UNEXPLAINED`;
}

const KNOWN_TYPES: Readonly<Record<number, string>> = {
  33024: "more than one VLAN tag",
  34984: "more than one VLAN tag",
  34887: "MPLS",
  34888: "MPLS",
  34915: "PPPoE",
  34916: "PPPoE",
};

function etherTypeOf(bytes: Uint8Array): string {
  let at = 12;
  let type = be16(bytes, at);
  if (type === 0x8100 || type === 0x88a8) {
    at += 4;
    type = be16(bytes, at);
  }
  return KNOWN_TYPES[type] ?? (type < 0x0600 ? "802.3 frames" : "other protocols of layer 2");
}

/** Of the outermost header that lies. */
function faultOf(bytes: Uint8Array, length: number): string {
  if (bytes.length < 14) return "no Ethernet header";
  let at = 14;
  let type = be16(bytes, 12);
  while ((type === 0x8100 || type === 0x88a8) && at + 4 <= bytes.length) {
    type = be16(bytes, at + 2);
    at += 4;
  }
  if (type === 0x0800) return faultOf4(bytes, at, length);
  if (type === 0x86dd) return faultOf6(bytes, at, length);
  return "UNEXPLAINED ethertype";
}

function faultOf4(bytes: Uint8Array, at: number, length: number): string {
  const version = bytes[at]! >> 4;
  const header = (bytes[at]! & 15) * 4;
  const total = be16(bytes, at + 2);
  if (version !== 4) return "the version is not that of the Ethernet type";
  if (header < 20 || total < header) return total === 0 ? "IP length of 0" : "IP header shorter than it must be";
  if (at + total > length) return "IP length beyond the frame";
  const offset = be16(bytes, at + 6) & 0x1fff;
  const more = (be16(bytes, at + 6) & 0x2000) !== 0;
  return faultOfTransport(bytes, at + header, at + total, bytes[at + 9]!, more || offset > 0, offset);
}

function faultOf6(bytes: Uint8Array, at: number, length: number): string {
  if (bytes[at]! >> 4 !== 6) return "the version is not that of the Ethernet type";
  const end = at + 40 + be16(bytes, at + 4);
  if (end > length) return "IP length beyond the frame";
  let next = bytes[at + 6]!;
  let here = at + 40;
  let isFragment = false;
  for (let headers = 0; [0, 43, 44, 60].includes(next); headers++) {
    if (here + 8 > end) return "an extension header beyond the packet";
    if (here + 8 > Math.min(bytes.length, 128) || headers >= 6)
      return "more extension headers than 6, or than fit 128 bytes";
    if (next === 44) isFragment = isFragment || (be16(bytes, here + 2) & ~6) !== 0;
    const size = next === 44 ? 8 : (bytes[here + 1]! + 1) * 8;
    next = bytes[here]!;
    here += size;
  }
  if (here > end) return "an extension header beyond the packet";
  if (here > 128) return "more extension headers than 6, or than fit 128 bytes";
  return faultOfTransport(bytes, here, end, next, isFragment, 0);
}

function faultOfTransport(
  bytes: Uint8Array,
  at: number,
  end: number,
  proto: number,
  isFragment: boolean,
  offset: number,
): string {
  const room = end - at;
  if (proto === 6) {
    if (offset === 1) return "a fragment that would overwrite TCP's flags (RFC 1858)";
    if (room < 20)
      return isFragment ? "a first fragment too short for TCP's header (RFC 1858)" : "TCP header beyond the packet";
    const header = (bytes[at + 12]! >> 4) * 4;
    return header < 20 || header > room ? "TCP data offset too small, or beyond the packet" : "UNEXPLAINED tcp";
  }
  if (proto === 17) {
    if (room < 8) return "UDP header beyond the packet";
    const datagram = be16(bytes, at + 4);
    if (datagram === 0) return "UDP length of 0";
    if (datagram < 8) return "UDP length shorter than its header";
    return datagram > room && !isFragment ? "UDP length beyond the packet" : "UNEXPLAINED udp";
  }
  if (proto === 1 || proto === 58) return faultOfIcmp(bytes, at, room, proto);
  return "UNEXPLAINED protocol";
}

/** An error must quote an IP header and eight bytes, and go to the quoted packet's sender. */
function faultOfIcmp(bytes: Uint8Array, at: number, room: number, proto: number): string {
  if (room < 8) return "ICMP header beyond the packet";
  const quoted = at + 8;
  const least = proto === 1 ? (bytes[quoted]! & 15) * 4 + 8 : 48;
  if (room - 8 < least) return "an error that quotes too little to say of what it speaks";
  const sourceAt = quoted + (proto === 1 ? 12 : 8);
  const size = proto === 1 ? 4 : 16;
  const receiverAt = proto === 1 ? 14 + 16 : 14 + 24;
  for (let i = 0; i < size; i++) {
    if (bytes[sourceAt + i] !== bytes[receiverAt + i]) return "an error to somebody who did not send what it quotes";
  }
  return "an error that quotes another error, another family, or a header that lies";
}

function be16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function pairOf({ client, peer }: DeniedFrame): string {
  return [Array.from(client).join(), Array.from(peer).join()].sort().join();
}

function keyOf({ proto, client, peer, clientPort, peerPort, family }: DeniedFrame): string {
  const [a, b] = [`${Array.from(client)} ${clientPort}`, `${Array.from(peer)} ${peerPort}`];
  // A replay may take either end for the client.
  return `${family} ${proto} ${a < b ? `${a} ${b}` : `${b} ${a}`}`;
}
