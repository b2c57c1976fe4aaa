/** pcapng (draft-ietf-opsawg-pcapng), as little of it as a live capture needs: one section, one Ethernet interface. */
import { joined } from "../base/bytes.ts";

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINK_ETHERNET = 1;
const OPTION_END = 0;
const OPTION_COMMENT = 1;
const OPTION_INTERFACE_NAME = 2;
const OPTION_PACKET_FLAGS = 2;
const INBOUND = 1;
const OUTBOUND = 2;

export interface WrittenPacket {
  /** The first bytes of the frame. */
  readonly bytes: Uint8Array;
  /** Of the whole frame. */
  readonly length: number;
  /** Since 1970. */
  readonly microseconds: bigint;
  readonly comment: string;
  /** From the client. */
  readonly isInbound: boolean;
}

/** What a file begins with. */
export function sectionBlocks(interfaceName: string, snapLength: number): Uint8Array {
  // Length of the section: unknown.
  const section = block(SECTION_HEADER, [u32(BYTE_ORDER_MAGIC), u16(1), u16(0), u32(0xffffffff), u32(0xffffffff)]);
  const name = option(OPTION_INTERFACE_NAME, new TextEncoder().encode(interfaceName));
  const end = option(OPTION_END, new Uint8Array(0));
  return joined(section, block(INTERFACE_DESCRIPTION, [u16(LINK_ETHERNET), u16(0), u32(snapLength), name, end]));
}

export function packetBlock({ bytes, length, microseconds, comment, isInbound }: WrittenPacket): Uint8Array {
  return block(ENHANCED_PACKET, [
    u32(0),
    u32(Number(microseconds >> 32n)),
    u32(Number(microseconds & 0xffffffffn)),
    u32(bytes.length),
    u32(length),
    padded(bytes),
    option(OPTION_COMMENT, new TextEncoder().encode(comment)),
    option(OPTION_PACKET_FLAGS, u32(isInbound ? INBOUND : OUTBOUND)),
    option(OPTION_END, new Uint8Array(0)),
  ]);
}

function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(...parts);
  const length = u32(body.length + 12);
  return joined(u32(type), length, body, length);
}

function option(code: number, value: Uint8Array): Uint8Array {
  return joined(u16(code), u16(value.length), padded(value));
}

function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  out.set(bytes);
  return out;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >>> 8);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
}
