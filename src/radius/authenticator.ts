/**
 * Who signed a packet. MD5 is what RADIUS has; what keeps a forger out is the Message-Authenticator, an HMAC over the whole
 * packet: a Response Authenticator alone can be forged by who sits on the path (CVE-2024-3596).
 */
import { hmac } from "@noble/hashes/hmac.js";
import { md5 } from "@noble/hashes/legacy.js";
import { typeOf } from "./attributes.ts";
import { type Attribute, AUTHENTICATOR_AT, attribute, emitPacket, HEADER_BYTES, has, type Packet } from "./packet.ts";

const ZEROS = new Uint8Array(16);

/** `unsigned`: the authenticator is right, and a Message-Authenticator that is demanded is missing. */
export type Signed = "signed" | "bad authenticator" | "bad Message-Authenticator" | "unsigned";

/** Answers of servers. `demanded`: also where RFC 3579 leaves the Message-Authenticator to the server. */
export function checkReply(reply: Packet, request: Packet, secret: Uint8Array, demanded: boolean): Signed {
  const made = responseAuthenticator(reply.bytes, request.authenticator, secret);
  if (!isSame(made, reply.authenticator)) return "bad authenticator";
  const isEap = has(reply, "EAP-Message") || has(request, "EAP-Message");
  return checkMessageAuthenticator(reply, request.authenticator, secret, demanded || isEap);
}

/** Accounting-, CoA- and Disconnect-Requests: their authenticator is a digest, not a random number. */
export function checkRequest(request: Packet, secret: Uint8Array, demanded: boolean): Signed {
  if (!isSame(responseAuthenticator(request.bytes, ZEROS, secret), request.authenticator)) return "bad authenticator";
  return checkMessageAuthenticator(request, ZEROS, secret, demanded);
}

function checkMessageAuthenticator(
  packet: Packet,
  authenticator: Uint8Array,
  secret: Uint8Array,
  demanded: boolean,
): Signed {
  const at = messageAuthenticatorAt(packet.bytes);
  if (at < 0) return demanded ? "unsigned" : "signed";
  const made = messageAuthenticator(packet.bytes, at, authenticator, secret);
  return isSame(made, packet.bytes.subarray(at, at + 16)) ? "signed" : "bad Message-Authenticator";
}

/** An answer to `request`, with a Message-Authenticator. Undefined: more than a packet holds. */
export function signReply(
  code: number,
  request: Packet,
  attributes: readonly Attribute[],
  secret: Uint8Array,
): Uint8Array | undefined {
  const bytes = emitPacket(code, request.id, [attribute("Message-Authenticator", ZEROS), ...attributes]);
  if (!bytes) return undefined;
  const at = messageAuthenticatorAt(bytes);
  bytes.set(messageAuthenticator(bytes, at, request.authenticator, secret), at);
  bytes.set(responseAuthenticator(bytes, request.authenticator, secret), AUTHENTICATOR_AT);
  return bytes;
}

/** A request whose authenticator is random (Access-Request, Status-Server) or, without `random`, a digest. */
export function signRequest(
  code: number,
  id: number,
  attributes: readonly Attribute[],
  secret: Uint8Array,
  random?: Uint8Array,
): Uint8Array | undefined {
  const bytes = emitPacket(code, id, [attribute("Message-Authenticator", ZEROS), ...attributes]);
  if (!bytes) return undefined;
  const at = messageAuthenticatorAt(bytes);
  bytes.set(messageAuthenticator(bytes, at, random ?? ZEROS, secret), at);
  bytes.set(random ?? responseAuthenticator(bytes, ZEROS, secret), AUTHENTICATOR_AT);
  return bytes;
}

/** MD5(code, id, length, authenticator of the request or zeros, attributes, secret). */
function responseAuthenticator(bytes: Uint8Array, authenticator: Uint8Array, secret: Uint8Array): Uint8Array {
  const hash = md5.create().update(bytes.subarray(0, AUTHENTICATOR_AT)).update(authenticator);
  return hash.update(bytes.subarray(HEADER_BYTES)).update(secret).digest();
}

function messageAuthenticator(
  bytes: Uint8Array,
  at: number,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  const copy = bytes.slice();
  copy.set(authenticator, AUTHENTICATOR_AT);
  copy.set(ZEROS, at);
  return hmac(md5, secret, copy);
}

/** Where its value begins, in a well-formed packet; -1: it has none. */
function messageAuthenticatorAt(bytes: Uint8Array): number {
  const type = typeOf("Message-Authenticator");
  for (let at = HEADER_BYTES; at < bytes.length; at += bytes[at + 1]!) if (bytes[at] === type) return at + 2;
  return -1;
}

/** In a time that does not tell where they differ. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let different = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) different |= a[i]! ^ (b[i] ?? 0);
  return different === 0;
}
