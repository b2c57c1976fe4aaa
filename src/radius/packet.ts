/**
 * RADIUS packets as bytes and as attributes. Reading never throws: what is no packet is answered with the reason, in words.
 *
 *     code:8 id:8 length:16 authenticator:128 { type:8 length:8 value }*
 */
import { type AttributeName, isWellFormed, nameOf, typeOf, VENDOR } from "./attributes.ts";

export const CODE = {
  accessRequest: 1,
  accessAccept: 2,
  accessReject: 3,
  accountingRequest: 4,
  accountingResponse: 5,
  accessChallenge: 11,
  statusServer: 12,
  disconnectRequest: 40,
  disconnectAck: 41,
  disconnectNak: 42,
  coaRequest: 43,
  coaAck: 44,
  coaNak: 45,
} as const;

export const HEADER_BYTES = 20;
export const PACKET_BYTES_MAX = 4096;
export const AUTHENTICATOR_AT = 4;
const VALUE_BYTES_MAX = 253;

export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

export interface Packet {
  readonly code: number;
  readonly id: number;
  readonly authenticator: Uint8Array;
  readonly attributes: readonly Attribute[];
  /** As received, without the padding behind Length. */
  readonly bytes: Uint8Array;
}

/** A copy in packet form, or what is wrong with it. */
export function parsePacket(datagram: Uint8Array): Packet | string {
  if (datagram.length < HEADER_BYTES) return "shorter than a header";
  const length = (datagram[2]! << 8) | datagram[3]!;
  if (length < HEADER_BYTES || length > PACKET_BYTES_MAX) return `a length of ${length}`;
  if (length > datagram.length) return "shorter than its length says";
  // A copy, which slice() of Node's Buffer is not.
  const bytes = new Uint8Array(datagram.subarray(0, length));
  const attributes: Attribute[] = [];
  for (let at = HEADER_BYTES; at < length; at += bytes[at + 1]!) {
    const size = at + 1 < length ? bytes[at + 1]! : 0;
    if (size < 2 || at + size > length) return `an attribute cut short at octet ${at}`;
    attributes.push({ type: bytes[at]!, value: bytes.subarray(at + 2, at + size) });
  }
  const digests = attributes.filter(({ type }) => nameOf(type) === "Message-Authenticator");
  if (digests.length > 1) return "two Message-Authenticators";
  if (digests.some(({ value }) => value.length !== 16)) return "a Message-Authenticator of a wrong length";
  const authenticator = bytes.subarray(AUTHENTICATOR_AT, HEADER_BYTES);
  return { code: bytes[0]!, id: bytes[1]!, authenticator, attributes, bytes };
}

/** The authenticator is left zero: `authenticator.ts` knows how it is made. Undefined: more than a packet holds. */
export function emitPacket(code: number, id: number, attributes: readonly Attribute[]): Uint8Array | undefined {
  const length = attributes.reduce((sum, { value }) => sum + 2 + value.length, HEADER_BYTES);
  if (length > PACKET_BYTES_MAX || attributes.some(({ value }) => value.length > VALUE_BYTES_MAX)) return undefined;
  const bytes = new Uint8Array(length);
  bytes.set([code, id, length >> 8, length & 255]);
  let at = HEADER_BYTES;
  for (const { type, value } of attributes) {
    bytes.set([type, value.length + 2], at);
    bytes.set(value, at + 2);
    at += value.length + 2;
  }
  return bytes;
}

export function attribute(name: AttributeName, value: Uint8Array): Attribute {
  return { type: typeOf(name), value };
}

export function integerAttribute(name: AttributeName, value: number): Attribute {
  return attribute(name, integerBytes(value));
}

/** Wrapped as Vendor-Specific of roamwall's dictionary. */
export function vendorAttribute(type: number, value: Uint8Array): Attribute {
  return attribute("Vendor-Specific", Uint8Array.of(...integerBytes(VENDOR), type, value.length + 2, ...value));
}

/** Values of all attributes of this name and of a length that its form allows, in order. */
export function valuesOf(packet: Packet, name: AttributeName): Uint8Array[] {
  const type = typeOf(name);
  return packet.attributes.filter((a) => a.type === type && isWellFormed(name, a.value)).map((a) => a.value);
}

export function has(packet: Packet, name: AttributeName): boolean {
  return packet.attributes.some(({ type }) => type === typeOf(name));
}

export function textOf(packet: Packet, name: AttributeName): string | undefined {
  const [value] = valuesOf(packet, name);
  return value && decodeText(value);
}

export function integerOf(packet: Packet, name: AttributeName): number | undefined {
  const [value] = valuesOf(packet, name);
  return value && readInteger(value);
}

export function readInteger(value: Uint8Array): number {
  return ((value[0]! << 24) | (value[1]! << 16) | (value[2]! << 8) | value[3]!) >>> 0;
}

export function integerBytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

export function decodeText(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
