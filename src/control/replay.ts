/**
 * What the firewall would say of a capture: the model over its packets, with the capture's own clock. Nothing of it
 * touches the network or needs privileges.
 */

import { compileAutomata, mayShorten } from "../automata/compile.ts";
import { badInput } from "../base/errors.ts";
import { type Address, formatAddress } from "../base/ip.ts";
import { type Mac, macFromBytes } from "../base/mac.ts";
import type { Geometry } from "../bloom/geometry.ts";
import { CONSTANTS, REASON, REASONS } from "../datapath/abi.ts";
import { toEthernet } from "../pcap/ethernet.ts";
import type { CapturedPacket } from "../pcap/reader.ts";
import type { Seeds } from "../policy/filter.ts";
import type { DeniedFrame } from "../policy/learn.ts";
import type { CompiledPolicy, CompiledRole } from "../policy/policy.ts";
import { ETHERTYPE, type FrameInput, Packet } from "../sfr/packet.ts";
import { Sfr } from "../sfr/sfr.ts";
import { Conversations, type Side } from "./conversations.ts";
import { recordOfRole } from "./role-record.ts";

export { openCapture } from "../pcap/reader.ts";
export { replayReport } from "./report/replay-report.ts";
export { Tally } from "./report/tally.ts";

/** `auto`: whoever speaks first in each conversation. */
export type ReplayClient = "auto" | { readonly mac: Mac } | { readonly address: Address };

export interface ReplayOptions {
  readonly client: ReplayClient;
  readonly geometry: Geometry;
  readonly policy: CompiledPolicy;
  /** With which the policy was compiled. */
  readonly seeds: Seeds;
  /** Role of clients that the policy does not list. */
  readonly role?: string;
}

export interface Judged {
  readonly packet: CapturedPacket;
  /** Why it was not judged; then nothing below means anything. */
  readonly skipped: string | undefined;
  readonly pass: boolean;
  readonly reason: number;
  readonly direction: 0 | 1;
  /** As `10.0.0.1:5000 > 192.0.2.1:443 tcp SYN`. Made when asked for. */
  describe(): string;
  /** For reports and for learning, from the client's side; undefined: no flow's, or it was not judged. */
  frame(): DeniedFrame | undefined;
}

const SLOTS = 4096;
const UNKNOWN_MAC = "00:00:00:00:00:00" as Mac;
const GROUP_MAC = "ff:ff:ff:ff:ff:ff" as Mac;

export class Replay {
  /** Packets by reason, `REASONS`' order; passed ones at 0. */
  readonly counts: number[] = REASONS.map(() => 0);
  /** by cause */
  readonly skipped = new Map<string, number>();
  readonly clients = new Set<Mac>();
  firstNs: bigint | undefined;
  lastNs = 0n;
  private readonly sfr: Sfr;
  private readonly parsed = new Packet();
  private readonly conversations = new Conversations();
  private readonly policy: CompiledPolicy;

  /** Throws ROAMWALL_ERR_INPUT when the policy has no such role. */
  constructor(private readonly options: ReplayOptions) {
    const { geometry } = options;
    this.policy = options.policy;
    this.sfr = new Sfr({ geometry, seeds: options.seeds, mirrors: 0, slots: SLOTS });
    this.sfr.loadAutomata(compileAutomata({ geometry, shorten: mayShorten(geometry) }));
    for (const filter of this.policy.filters) this.sfr.setFilter(filter);
    this.sfr.setZones(this.policy.zones);
    this.sfr.setServices(this.policy.services);
    if (options.role !== undefined && !this.policy.roles.has(options.role)) {
      throw badInput(
        "--role",
        `"${options.role}"`,
        [...this.policy.roles.keys()].join(", ") || "the policy has no roles",
      );
    }
    if (this.policy.group) this.setRecord(GROUP_MAC, 0, this.policy.group);
    const unknown = options.role ?? this.policy.unknown;
    if (unknown !== undefined) this.setRecord(UNKNOWN_MAC, 0, this.policy.roles.get(unknown)!);
  }

  get usedCells(): number {
    return this.sfr.table.used;
  }

  judge(packet: CapturedPacket): Judged {
    this.advanceTo(packet.timeNs);
    const ethernet = toEthernet(packet.linkType, packet.bytes, packet.length);
    if (!ethernet) return this.skip(packet, `link type ${packet.linkType}`);
    const { frame, length } = ethernet;
    // No frame on the air is that long: what the capture shows is not yet cut into segments.
    const gso = length > 1518;
    this.parsed.parse({ frame, length, direction: 0, portTagged: true, gso });
    const side = this.sideOf(frame);
    if (!side) return this.skip(packet, "other stations");
    const own = side.client ? withClient(frame, side) : frame;
    if (own.length >= 12) this.know(macFromBytes(own, side.direction === 0 ? 6 : 0));
    const verdict = this.sfr.judge({ frame: own, length, direction: side.direction, portTagged: true, gso });
    if (verdict.reason === REASON.malformed && frame.length < Math.min(length, CONSTANTS.PARSE_BYTES)) {
      return this.skip(packet, "cut short by the capture");
    }
    this.counts[verdict.reason]!++;
    return {
      packet,
      skipped: undefined,
      pass: verdict.pass,
      reason: verdict.reason,
      direction: side.direction,
      describe: () => describeFrame(frame, length, gso),
      frame: () => frameOf({ frame: own, length, direction: side.direction, portTagged: true, gso }),
    };
  }

  private skip(packet: CapturedPacket, cause: string): Judged {
    this.skipped.set(cause, (this.skipped.get(cause) ?? 0) + 1);
    return {
      packet,
      skipped: cause,
      pass: false,
      reason: 0,
      direction: 0,
      describe: () => cause,
      frame: () => undefined,
    };
  }

  private sideOf(frame: Uint8Array): Side | undefined {
    const { client } = this.options;
    if (client === "auto") return this.conversations.sideOf(this.parsed, frame);
    if (frame.length < 14) return { direction: 0, client: undefined };
    if ("mac" in client) {
      if (macFromBytes(frame, 6) === client.mac) return { direction: 0, client: undefined };
      if (macFromBytes(frame, 0) === client.mac) return { direction: 1, client: undefined };
    } else if (this.parsed.family === client.address.family) {
      if (isAddress(this.parsed.source, client.address)) return { direction: 0, client: undefined };
      if (isAddress(this.parsed.destination, client.address)) return { direction: 1, client: undefined };
    }
    return (frame[0]! & 1) === 1 ? { direction: 1, client: undefined } : undefined;
  }

  /** A record of its own for every client met, as an AP would have. */
  private know(mac: Mac): void {
    if (this.clients.has(mac) || this.clients.size >= SLOTS - 1 || (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1)
      return;
    this.clients.add(mac);
    const name = this.policy.clients.get(mac) ?? this.options.role ?? this.policy.unknown;
    const role = name === undefined ? undefined : this.policy.roles.get(name);
    if (role) this.setRecord(mac, this.clients.size, role);
  }

  private setRecord(mac: Mac, slot: number, role: CompiledRole): void {
    this.sfr.setClient(mac, {
      slot,
      presence: CONSTANTS.PRESENCE_HERE,
      ...recordOfRole(role),
    });
  }

  /** The capture's clock drives the ticks; a clock that jumps back stands still. */
  private advanceTo(timeNs: bigint): void {
    this.firstNs ??= timeNs;
    if (timeNs < this.lastNs) return;
    this.lastNs = timeNs;
    const { geometry, table } = this.sfr;
    const sinceNs = timeNs - this.firstNs;
    this.sfr.nowNs = sinceNs;
    const sinceMs = Number(sinceNs / 1_000_000n);
    this.tickTo("fast", Math.floor(sinceMs / geometry.fastTickMs));
    this.tickTo("slow", Math.floor(sinceMs / geometry.slowTickMs));
    this.sfr.load = Math.floor((table.used * 256) / geometry.cells);
    this.sfr.share = Math.max(16, Math.floor(geometry.cells / Math.max(1, this.clients.size)));
  }

  /** Sweeps after each tick, as roamwalld does; after a whole turn of the modulus nothing old is left to sweep. */
  private tickTo(speed: "fast" | "slow", tick: number): void {
    const { geometry, table } = this.sfr;
    for (let turns = 0; table[speed] < tick && turns <= geometry.modulus; turns++) {
      table[speed]++;
      this.sfr.sweep();
    }
    if (table[speed] < tick) table[speed] = tick;
  }
}

function frameOf(input: FrameInput): DeniedFrame | undefined {
  const packet = new Packet();
  packet.parse(input);
  if (packet.reason !== 0 || (packet.family !== 4 && packet.family !== 6)) return undefined;
  const { direction, proto, family, client, peer, clientPort, peerPort } = packet;
  const mac = macFromBytes(input.frame, direction === 0 ? 6 : 0);
  return { mac, direction, proto, family, client, peer, clientPort, peerPort, says: saysOf(packet) };
}

/** From the packet alone: a client that nobody knows is denied before its packet has a type. */
function saysOf({ class: kind, sub }: Packet): DeniedFrame["says"] {
  const { CLASS_ERROR, CLASS_TAIL, CLASS_TCP, TCP_RST, TCP_SYN } = CONSTANTS;
  if (kind === CLASS_ERROR) return "refuses";
  if (kind === CLASS_TAIL) return "goes on";
  if (kind !== CLASS_TCP) return "opens";
  if ((sub & TCP_RST) !== 0) return "refuses";
  return sub === TCP_SYN ? "opens" : "goes on";
}

function isAddress(words: Uint32Array, address: Address): boolean {
  return address.words.every((word, i) => words[i] === word);
}

/** Stands for a peer that an edited capture calls a group. */
const PEER_STATION = [0x02, 0, 0, 0, 0, 0x01];
const CLIENT_STATION = [0x02, 0, 0, 0, 0, 0x02];

/**
 * The frame as the client's station would have sent or got it: on a routed path both ways may have other stations, and
 * edited captures send conversations to broadcast addresses.
 */
function withClient(frame: Uint8Array, side: Side): Uint8Array {
  if (frame.length < 14) return frame;
  const client = isGroupMac(side.client!) ? CLIENT_STATION : side.client!;
  const [clientAt, peerAt] = side.direction === 0 ? [6, 0] : [0, 6];
  const copy = frame.slice();
  copy.set(client, clientAt);
  if (isGroupMac(copy.subarray(peerAt))) copy.set(PEER_STATION, peerAt);
  return copy;
}

function isGroupMac(mac: ArrayLike<number>): boolean {
  return (mac[0]! & 1) === 1;
}

const FLAG_NAMES: [bit: number, name: string][] = [
  [CONSTANTS.TCP_SYN, "SYN"],
  [CONSTANTS.TCP_FIN, "FIN"],
  [CONSTANTS.TCP_RST, "RST"],
  [CONSTANTS.TCP_ACK, "ACK"],
];

/** A frame in words, from the sender's side. */
export function describeFrame(frame: Uint8Array, length: number, gso: boolean): string {
  const packet = new Packet();
  packet.parse({ frame, length, direction: 0, portTagged: true, gso });
  if (frame.length < 14) return `${frame.length} bytes`;
  if (packet.family === 0) {
    const type =
      packet.ethertype === ETHERTYPE.ARP ? "arp" : `ethertype 0x${packet.ethertype.toString(16).padStart(4, "0")}`;
    return `${macFromBytes(frame, 6)} > ${macFromBytes(frame, 0)} ${type}`;
  }
  const family = packet.family as 4 | 6;
  const source = formatAddress(addressOf(packet.source, family));
  const destination = formatAddress(addressOf(packet.destination, family));
  const [from, to, what] = describeTransport(packet);
  const end = (address: string, port: number | undefined) => {
    return port === undefined ? address : family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  };
  return `${end(source, from)} > ${end(destination, to)} ${what}`;
}

function describeTransport(packet: Packet): [from: number | undefined, to: number | undefined, what: string] {
  const { CLASS_ERROR, CLASS_ICMP, CLASS_ICMP6, CLASS_TAIL, CLASS_TCP, CLASS_UDP } = CONSTANTS;
  const part = packet.head ? " (first fragment)" : "";
  switch (packet.class) {
    case CLASS_TCP: {
      const flags = FLAG_NAMES.filter(([bit]) => (packet.sub & bit) !== 0).map(([, name]) => name);
      return [packet.clientPort, packet.peerPort, `tcp ${flags.join("+") || "no flags"}${part}`];
    }
    case CLASS_UDP:
      return [packet.clientPort, packet.peerPort, `udp${part}`];
    case CLASS_ICMP:
    case CLASS_ICMP6:
      return [undefined, undefined, `icmp type ${packet.icmpType}${part}`];
    case CLASS_ERROR:
      return [undefined, undefined, `icmp error type ${packet.icmpType}${part}`];
    case CLASS_TAIL:
      return [undefined, undefined, `protocol ${packet.proto} (later fragment)`];
    default:
      return [undefined, undefined, `protocol ${packet.proto}${part}`];
  }
}

function addressOf(words: Uint32Array, family: 4 | 6): Address {
  return { family, words: Array.from(words.subarray(0, family === 4 ? 1 : 4)) };
}
