import { parseAddress } from "../../src/base/ip.ts";
import { macToBytes, parseMac } from "../../src/base/mac.ts";

/**
 * Frames for tests, as Uint8Array from the Ethernet header on. Checksums are filled in only where asked for
 * (`checksums: true`): the firewall reads none, hosts do.
 *
 *     tcp({ srcMac, dstMac, src: "10.0.0.1", dst: "10.0.0.2", sport: 1024, dport: 80, flags: "S" })
 *     fragments(udp({ ..., payload: new Uint8Array(3000) }), 1480)
 *     icmpError({ ..., type: 3, code: 4, quoted: tcp({ ... }) })
 *
 * The family follows from the addresses.
 */
export interface Link {
  readonly srcMac?: string;
  readonly dstMac?: string;
  /** VLAN id of a tag in the frame; several: outermost first. */
  readonly vlan?: number | readonly number[];
}

export interface Ip extends Link {
  readonly src: string;
  readonly dst: string;
  readonly ttl?: number;
  /** Identification (IPv4), or of a fragment header (IPv6). */
  readonly id?: number;
  /** IPv4: raw option bytes, a multiple of 4. */
  readonly options?: Uint8Array;
  /** IPv6: extension headers in order. */
  readonly extensions?: readonly Extension[];
  /** Offset in bytes (a multiple of 8) and "more": adds the header of a fragment by hand. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  readonly checksums?: boolean;
}

export interface Extension {
  /** 0 hop-by-hop, 43 routing, 60 destination options; any other is written the same way. */
  readonly header: number;
  /** Bytes after the first two; padded to 8n + 6. */
  readonly body?: Uint8Array;
}

export interface Tcp extends Ip {
  readonly sport: number;
  readonly dport: number;
  /** Letters of F S R P A U E C, as "SA"; a number is the byte itself. Default "A". */
  readonly flags?: string | number;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly payload?: Uint8Array;
  /** Raw TCP options, a multiple of 4. */
  readonly tcpOptions?: Uint8Array;
  /** Overrides the data offset, in words. */
  readonly dataOffset?: number;
}

export interface Udp extends Ip {
  readonly sport: number;
  readonly dport: number;
  readonly payload?: Uint8Array;
  /** Overrides the length field. */
  readonly udpLength?: number;
}

export interface Icmp extends Ip {
  readonly type: number;
  readonly code?: number;
  /** Identifier and sequence, or the second word of the header as it is. */
  readonly identifier?: number;
  readonly sequence?: number;
  readonly payload?: Uint8Array;
}

const CLIENT_MAC = "02:00:00:00:0a:01";
const PEER_MAC = "02:00:00:00:0b:01";
const EMPTY = new Uint8Array(0);

export function concat(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function bytes(hex: string): Uint8Array {
  const pairs = hex.replace(/[^0-9a-f]/gi, "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}

/** A frame of any ethertype (a value up to 1500 is an 802.3 length). */
export function ethernet(link: Link, ethertype: number, payload: ArrayLike<number>): Uint8Array {
  const tags = link.vlan === undefined ? [] : typeof link.vlan === "number" ? [link.vlan] : link.vlan;
  return concat(
    macToBytes(parseMac(link.dstMac ?? PEER_MAC, "dstMac")),
    macToBytes(parseMac(link.srcMac ?? CLIENT_MAC, "srcMac")),
    tags.flatMap((id) => [0x81, 0x00, id >> 8, id & 255]),
    be16(ethertype),
    payload,
  );
}

/** An IP packet of any protocol in its frame. */
export function ip(o: Ip, proto: number, payload: Uint8Array): Uint8Array {
  return parseAddress(o.src, "src").family === 4 ? ip4(o, proto, payload) : ip6(o, proto, payload);
}

function ip4(o: Ip, proto: number, payload: Uint8Array): Uint8Array {
  const options = o.options ?? EMPTY;
  const headerBytes = 20 + options.length;
  const fragment = o.fragment ? (o.fragment.offset >> 3) | (o.fragment.more ? 0x2000 : 0) : 0;
  const header = concat(
    [0x40 | (headerBytes >> 2), 0],
    be16(headerBytes + payload.length),
    be16(o.id ?? 0),
    be16(fragment),
    [o.ttl ?? 64, proto, 0, 0],
    addressBytes(o.src),
    addressBytes(o.dst),
    options,
  );
  header.set(be16(checksum(header)), 10);
  return ethernet(o, 0x0800, concat(header, payload));
}

function ip6(o: Ip, proto: number, payload: Uint8Array): Uint8Array {
  const headers = o.extensions ?? [];
  const numbers = [...headers.map((e) => e.header), ...(o.fragment ? [44] : []), proto];
  const parts = headers.map((extension, i): Uint8Array => {
    const body = extension.body ?? EMPTY;
    const units = Math.max(0, Math.ceil((body.length - 6) / 8));
    const out = new Uint8Array(8 + units * 8);
    out.set([numbers[i + 1]!, units]);
    out.set(body, 2);
    return out;
  });
  if (o.fragment) {
    const field = o.fragment.offset | (o.fragment.more ? 1 : 0);
    parts.push(concat([proto, 0], be16(field), be32(o.id ?? 0)));
  }
  const body = concat(...parts, payload);
  const header = concat(
    [0x60, 0, 0, 0],
    be16(body.length),
    [numbers[0]!, o.ttl ?? 64],
    addressBytes(o.src),
    addressBytes(o.dst),
  );
  return ethernet(o, 0x86dd, concat(header, body));
}

const FLAG_LETTERS = "FSRPAUEC";

export function tcp(o: Tcp): Uint8Array {
  const flags = o.flags ?? "A";
  const value =
    typeof flags === "number"
      ? flags
      : [...flags].reduce((all, letter) => all | (1 << FLAG_LETTERS.indexOf(letter)), 0);
  const options = o.tcpOptions ?? EMPTY;
  const segment = concat(
    be16(o.sport),
    be16(o.dport),
    be32(o.seq ?? 1),
    be32(o.ack ?? 0),
    [(o.dataOffset ?? 5 + options.length / 4) << 4, value],
    be16(o.window ?? 0xffff),
    [0, 0, 0, 0],
    options,
    o.payload ?? EMPTY,
  );
  if (o.checksums) segment.set(be16(transportChecksum(o, 6, segment)), 16);
  return ip(o, 6, segment);
}

export function udp(o: Udp): Uint8Array {
  const payload = o.payload ?? EMPTY;
  const datagram = concat(be16(o.sport), be16(o.dport), be16(o.udpLength ?? 8 + payload.length), [0, 0], payload);
  if (o.checksums) datagram.set(be16(transportChecksum(o, 17, datagram) || 0xffff), 6);
  return ip(o, 17, datagram);
}

/** ICMP or ICMPv6, by the addresses' family. */
export function icmp(o: Icmp): Uint8Array {
  const six = o.src.includes(":");
  const message = concat(
    [o.type, o.code ?? 0, 0, 0],
    be16(o.identifier ?? 0),
    be16(o.sequence ?? 0),
    o.payload ?? EMPTY,
  );
  if (o.checksums) message.set(be16(six ? transportChecksum(o, 58, message) : checksum(message)), 2);
  return ip(o, six ? 58 : 1, message);
}

/** Echo request and its answer share the identifier. */
export function ping(o: Omit<Icmp, "type"> & { readonly answer?: boolean }): Uint8Array {
  const six = o.src.includes(":");
  return icmp({ ...o, type: six ? (o.answer ? 129 : 128) : o.answer ? 0 : 8 });
}

/** An error about a frame made by this builder: quotes its IP packet, all of it or its first `quotedBytes`. */
export function icmpError(
  o: Omit<Icmp, "payload"> & { readonly quoted: Uint8Array; readonly quotedBytes?: number },
): Uint8Array {
  const packet = ipPacket(o.quoted);
  return icmp({ ...o, payload: packet.slice(0, o.quotedBytes ?? packet.length) });
}

/** The IP packet of a frame. */
export function ipPacket(frame: Uint8Array): Uint8Array {
  let at = 12;
  while (frame[at] === 0x81 && frame[at + 1] === 0) at += 4;
  return frame.slice(at + 2);
}

export interface Arp extends Link {
  /** 1 request, 2 answer. */
  readonly operation?: number;
  readonly senderIp: string;
  readonly targetIp: string;
  readonly targetMac?: string;
}

export function arp(o: Arp): Uint8Array {
  const broadcast = { ...o, dstMac: o.dstMac ?? "ff:ff:ff:ff:ff:ff" };
  const sender = macToBytes(parseMac(o.srcMac ?? CLIENT_MAC, "srcMac"));
  const target = macToBytes(parseMac(o.targetMac ?? "00:00:00:00:00:00", "targetMac"));
  const operation = be16(o.operation ?? 1);
  const body = concat(
    [0, 1, 8, 0, 6, 4],
    operation,
    sender,
    addressBytes(o.senderIp),
    target,
    addressBytes(o.targetIp),
  );
  return ethernet(broadcast, 0x0806, body);
}

/** 802.3 frame with an LLC header: XID by default. */
export function llc(o: Link & { readonly control?: number; readonly dsap?: number }): Uint8Array {
  const body = [o.dsap ?? 0, 1, o.control ?? 0xaf, 0x81, 1, 0];
  return ethernet({ ...o, dstMac: o.dstMac ?? "ff:ff:ff:ff:ff:ff" }, body.length, body);
}

/** Cuts the datagram of a frame made by this builder into fragments of at most `bytes` (a multiple of 8) of payload. */
export function fragments(frame: Uint8Array, size: number, id = 1): Uint8Array[] {
  const l2 = frame.length - ipPacket(frame).length;
  const packet = frame.slice(l2);
  const four = packet[0]! >> 4 === 4;
  const headerBytes = four ? (packet[0]! & 15) * 4 : 40;
  const payload = packet.slice(headerBytes);
  const out: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length; offset += size) {
    const more = offset + size < payload.length;
    const piece = payload.slice(offset, offset + size);
    const header = packet.slice(0, headerBytes);
    const part = four ? fragment4(header, piece, offset, more, id) : fragment6(header, piece, offset, more, id);
    out.push(concat(frame.slice(0, l2), part));
  }
  return out;
}

function fragment4(header: Uint8Array, piece: Uint8Array, offset: number, more: boolean, id: number): Uint8Array {
  header.set(be16(header.length + piece.length), 2);
  header.set(be16(id), 4);
  header.set(be16((offset >> 3) | (more ? 0x2000 : 0)), 6);
  header.set([0, 0], 10);
  header.set(be16(checksum(header)), 10);
  return concat(header, piece);
}

function fragment6(header: Uint8Array, piece: Uint8Array, offset: number, more: boolean, id: number): Uint8Array {
  const next = header[6]!;
  header[6] = 44;
  header.set(be16(8 + piece.length), 4);
  return concat(header, [next, 0], be16(offset | (more ? 1 : 0)), be32(id), piece);
}

/** RFC 1071. */
export function checksum(data: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < data.length; i += 2) sum += (data[i]! << 8) | (data[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return ~sum & 0xffff;
}

function transportChecksum(o: Ip, proto: number, segment: Uint8Array): number {
  const pseudo = concat(addressBytes(o.src), addressBytes(o.dst), be32(segment.length), be32(proto));
  return checksum(concat(pseudo, segment));
}

export function addressBytes(text: string): number[] {
  return parseAddress(text, "address").words.flatMap(be32);
}

function be16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

function be32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
