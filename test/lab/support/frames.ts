import { isIP } from "node:net";
import { macToBytes, parseMac } from "../../../src/base/mac.ts";

/** Crafted frames: right in every field that is not given, so that a row of a table says exactly what is wrong with it. */
export const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100, batman: 0x4305 } as const;
export const PROTO = { icmp: 1, tcp: 6, udp: 17 } as const;
export const FLAG = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

export function ethernet(to: string, from: string, typeOrLength: number, payload: Buffer): Buffer {
  const mac = (text: string) => Buffer.from(macToBytes(parseMac(text, "frame")));
  return Buffer.concat([mac(to), mac(from), be16(typeOrLength), payload]);
}

export function tagged(frame: Buffer, vlan: number): Buffer {
  return Buffer.concat([frame.subarray(0, 12), be16(ETHERTYPE.vlan), be16(vlan), frame.subarray(12)]);
}

export interface IpFields {
  readonly from: string;
  readonly to: string;
  readonly proto: number;
  readonly headerWords?: number;
  /** Added to the true total length. */
  readonly lie?: number;
  /** In units of 8 bytes; more follow, as for every fragment but the last. */
  readonly fragmentOffset?: number;
}

/** The packet and its ethertype, by the family of the addresses. */
export function ip(fields: IpFields, payload: Buffer): { type: number; bytes: Buffer } {
  return isIP(fields.from) === 4
    ? { type: ETHERTYPE.ipv4, bytes: ipv4(fields, payload) }
    : { type: ETHERTYPE.ipv6, bytes: ipv6(fields, payload) };
}

function ipv4(fields: IpFields, payload: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x40 | (fields.headerWords ?? 5);
  header.writeUInt16BE(20 + payload.length + (fields.lie ?? 0), 2);
  header.writeUInt16BE(fields.fragmentOffset === undefined ? 0 : 0x2000 | fields.fragmentOffset, 6);
  header[8] = 64;
  header[9] = fields.proto;
  header.set(fields.from.split(".").map(Number), 12);
  header.set(fields.to.split(".").map(Number), 16);
  header.writeUInt16BE(internetChecksum(header), 10);
  return Buffer.concat([header, payload]);
}

function ipv6(fields: IpFields, payload: Buffer): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payload.length + (fields.lie ?? 0), 4);
  header[6] = fields.proto;
  header[7] = 64;
  header.set(ipv6Bytes(fields.from), 8);
  header.set(ipv6Bytes(fields.to), 24);
  return Buffer.concat([header, payload]);
}

export function tcp(fromPort: number, toPort: number, flags: number, payload: Buffer, headerWords = 5): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(fromPort, 0);
  header.writeUInt16BE(toPort, 2);
  header[12] = headerWords << 4;
  header[13] = flags;
  header.writeUInt16BE(1024, 14);
  return Buffer.concat([header, payload]);
}

/** `lie` is added to the true length. */
export function udp(fromPort: number, toPort: number, payload: Buffer, lie = 0): Buffer {
  return Buffer.concat([be16(fromPort), be16(toPort), be16(8 + payload.length + lie), be16(0), payload]);
}

/** Fragmentation needed, about the packet that it carries. */
export function icmpTooBig(about: Buffer): Buffer {
  const message = Buffer.concat([Buffer.from([3, 4, 0, 0]), be16(0), be16(1_400), about]);
  message.writeUInt16BE(internetChecksum(message), 2);
  return message;
}

/** What mac80211 sends in a station's name when it has associated: bridges learn the new place from it. */
export function xid(station: string): Buffer {
  const llc = Buffer.from([0x00, 0x01, 0xaf, 0x81, 0x01, 0x00]);
  return ethernet("ff:ff:ff:ff:ff:ff", station, llc.length, Buffer.concat([llc, Buffer.alloc(40)]));
}

export function be16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function ipv6Bytes(text: string): Buffer {
  const [head = "", tail = ""] = text.split("::");
  const words = (part: string) =>
    part
      .split(":")
      .filter(Boolean)
      .map((word) => Number.parseInt(word, 16));
  const [left, right] = [words(head), words(tail)];
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.concat(all.map(be16));
}

function internetChecksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
