/**
 * Whatever link a capture was made on, the firewall sees Ethernet. Links without addresses get a made-up one for each
 * IP address, so that every host of the capture is a station of its own.
 */

import { xxh32Words } from "../base/hash.ts";
import { type Mac, macToBytes } from "../base/mac.ts";

/** https://www.tcpdump.org/linktypes.html */
export const LINK = {
  null: 0,
  ethernet: 1,
  ppp: 9,
  rawBsd: 12,
  rawOpenBsd: 14,
  raw: 101,
  loop: 108,
  linuxSll: 113,
  ipv4: 228,
  ipv6: 229,
  linuxSll2: 276,
} as const;

const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;

/** RFC 1661, RFC 1662: address and control may be left out. */
const PPP = { allStations: 0xff03, ipv4: 0x0021, ipv6: 0x0057 } as const;

/** An Ethernet frame, or undefined when the link is none we know or its header is cut short. */
export function toEthernet(
  linkType: number,
  bytes: Uint8Array,
  length: number,
): { frame: Uint8Array; length: number } | undefined {
  switch (linkType) {
    case LINK.ethernet:
      return { frame: bytes, length };
    case LINK.raw:
    case LINK.rawBsd:
    case LINK.rawOpenBsd:
    case LINK.ipv4:
    case LINK.ipv6:
      return reframe(bytes, 0, length, etherTypeOfIp(bytes, 0));
    case LINK.null:
    case LINK.loop:
      // The family's number differs between systems and its byte order between hosts: the IP version does not.
      return reframe(bytes, 4, length, etherTypeOfIp(bytes, 4));
    case LINK.ppp: {
      const at = etherType(bytes, 0) === PPP.allStations ? 4 : 2;
      const isIp = etherType(bytes, at - 2) === PPP.ipv4 || etherType(bytes, at - 2) === PPP.ipv6;
      return isIp ? reframe(bytes, at, length, etherTypeOfIp(bytes, at)) : undefined;
    }
    case LINK.linuxSll:
      return bytes.length < 16 ? undefined : reframe(bytes, 16, length, etherType(bytes, 14), bytes.subarray(6, 12));
    case LINK.linuxSll2:
      return bytes.length < 20 ? undefined : reframe(bytes, 20, length, etherType(bytes, 0), bytes.subarray(12, 18));
    default:
      return undefined;
  }
}

/** The station that stands for an IP address on links without stations. */
export function macOfAddress(words: readonly number[]): Mac {
  const low = words.length === 1 ? words[0]! : xxh32Words(words, 0);
  const family = words.length === 1 ? 0x04 : 0x06;
  const pairs = [0x02, family, low >>> 24, (low >>> 16) & 255, (low >>> 8) & 255, low & 255];
  return pairs.map((byte) => byte.toString(16).padStart(2, "0")).join(":") as Mac;
}

/** Ethernet header before what follows the link's own header at `at`. */
function reframe(bytes: Uint8Array, at: number, length: number, type: number | undefined, source?: Uint8Array) {
  if (type === undefined || bytes.length < at) return undefined;
  const payload = bytes.subarray(at);
  const frame = new Uint8Array(14 + payload.length);
  const ends = addressesOf(payload, type);
  frame.set(ends ? stationOf(ends.to) : [0x02, 0, 0, 0, 0, 0], 0);
  frame.set(ends ? stationOf(ends.from) : (source ?? [0x02, 0, 0, 0, 0, 1]), 6);
  frame[12] = type >> 8;
  frame[13] = type & 255;
  frame.set(payload, 14);
  return { frame, length: Math.max(frame.length, length - at + 14) };
}

function addressesOf(payload: Uint8Array, type: number): { from: number[]; to: number[] } | undefined {
  if (type === ETHERTYPE.ipv4 && payload.length >= 20)
    return { from: words(payload, 12, 1), to: words(payload, 16, 1) };
  if (type === ETHERTYPE.ipv6 && payload.length >= 40) return { from: words(payload, 8, 4), to: words(payload, 24, 4) };
  return undefined;
}

/** Group addresses have the group MAC addresses of RFC 1112 and RFC 2464. */
function stationOf(address: readonly number[]): number[] {
  const last = address[address.length - 1]!;
  if (address.length === 4 && address[0]! >>> 24 === 0xff) return [0x33, 0x33, ...low(last, 4)];
  if (address.length === 1 && last === 0xffffffff) return [255, 255, 255, 255, 255, 255];
  if (address.length === 1 && last >>> 28 === 0xe) return [0x01, 0x00, 0x5e, ...low(last & 0x7fffff, 3)];
  return macToBytes(macOfAddress(address));
}

function low(word: number, count: number): number[] {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].slice(4 - count);
}

function words(bytes: Uint8Array, at: number, count: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => view.getUint32(at + i * 4, false));
}

function etherType(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function etherTypeOfIp(bytes: Uint8Array, at: number): number | undefined {
  const version = (bytes[at] ?? 0) >> 4;
  return version === 4 ? ETHERTYPE.ipv4 : version === 6 ? ETHERTYPE.ipv6 : undefined;
}
