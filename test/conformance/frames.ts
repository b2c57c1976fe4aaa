/** Frames of one conversation. Checksums are zero: the firewall verifies none. */

export interface Party {
  readonly mac: readonly number[];
  /** 4 or 16 bytes. */
  readonly address: readonly number[];
}

export interface Fragment {
  readonly id: number;
  /** In units of eight bytes. */
  readonly offset: number;
  readonly more: boolean;
}

const ETHERNET_BYTES = 14;

export const PROTO = { icmp: 1, tcp: 6, udp: 17, gre: 47, icmp6: 58 } as const;

/** An Ethernet frame with the given bytes behind the IP header. */
export function ipFrame(
  from: Party,
  to: Party,
  proto: number,
  body: readonly number[],
  fragment?: Fragment,
): Uint8Array {
  const packet = ipPacket(from.address, to.address, proto, body, fragment);
  const type = from.address.length === 4 ? [0x08, 0x00] : [0x86, 0xdd];
  return Uint8Array.from([...to.mac, ...from.mac, ...type, ...packet]);
}

export function ipPacket(
  from: readonly number[],
  to: readonly number[],
  proto: number,
  body: readonly number[],
  fragment?: Fragment,
): number[] {
  return from.length === 4 ? ip4(from, to, proto, body, fragment) : ip6(from, to, proto, body, fragment);
}

function ip4(from: readonly number[], to: readonly number[], proto: number, body: readonly number[], part?: Fragment) {
  const field = part ? part.offset | (part.more ? 0x2000 : 0) : 0x4000;
  const id = part?.id ?? 0;
  return [0x45, 0, ...be16(20 + body.length), ...be16(id), ...be16(field), 64, proto, 0, 0, ...from, ...to, ...body];
}

function ip6(from: readonly number[], to: readonly number[], proto: number, body: readonly number[], part?: Fragment) {
  const header = part ? [proto, 0, ...be16((part.offset << 3) | (part.more ? 1 : 0)), 0, 0, ...be16(part.id)] : [];
  const next = part ? 44 : proto;
  return [0x60, 0, 0, 0, ...be16(header.length + body.length), next, 64, ...from, ...to, ...header, ...body];
}

export function tcpSegment(fromPort: number, toPort: number, dataBytes: number): number[] {
  return [
    ...be16(fromPort),
    ...be16(toPort),
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x50,
    0,
    0xff,
    0xff,
    0,
    0,
    0,
    0,
    ...zeros(dataBytes),
  ];
}

export function udpDatagram(fromPort: number, toPort: number, dataBytes: number): number[] {
  return [...be16(fromPort), ...be16(toPort), ...be16(8 + dataBytes), 0, 0, ...zeros(dataBytes)];
}

export function icmpQuery(type: number, id: number, sequence: number, dataBytes: number): number[] {
  return [type, 0, 0, 0, ...be16(id), ...be16(sequence), ...zeros(dataBytes)];
}

export function icmpError(type: number, code: number, embedded: readonly number[]): number[] {
  return [type, code, 0, 0, 0, 0, 0, 0, ...embedded];
}

/** Flags, sequence and acknowledgement of a frame made with `tcpSegment`. */
export function patchTcp(frame: Uint8Array, ipBytes: number, flags: number, seq: number, ack: number): void {
  const at = ETHERNET_BYTES + ipBytes;
  put32(frame, at + 4, seq);
  put32(frame, at + 8, ack);
  frame[at + 13] = flags;
}

/** What a router puts into an ICMP error: the packet without its Ethernet header, cut. */
export function embeddedOf(frame: Uint8Array, bytes: number): number[] {
  return Array.from(frame.subarray(ETHERNET_BYTES, ETHERNET_BYTES + bytes));
}

function put32(frame: Uint8Array, at: number, value: number): void {
  frame[at] = value >>> 24;
  frame[at + 1] = value >>> 16;
  frame[at + 2] = value >>> 8;
  frame[at + 3] = value;
}

function be16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}
