import { hex } from "../../src/base/bytes.ts";
import type { Crypto, Ed25519, X25519 } from "../../src/platform/platform.ts";

const TAG_BYTES = 16;
/** Of the order of Ed25519's base point, least byte first. */
const ORDER = [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14];

/** Lines that every implementation must give alike. */
export function* cipherLines(crypto: Crypto, ed25519: Ed25519, x25519: X25519): Generator<string> {
  for (let length = 0; length <= 1_300; length += length < 140 ? 1 : 97) yield sealed(crypto, length);
  for (let length = 0; length <= 80; length++) yield sipHash(crypto, length);
  for (let length = 0; length <= 300; length++) yield `sha256 ${hex(crypto.sha256(bytes(length, 5)))}`;
  for (const length of [0, 1, 32, 64, 65, 100]) {
    for (const out of [1, 32, 33, 80]) yield hkdf(crypto, length, out);
  }
  for (const length of [0, 1, 2, 63, 111, 112, 128, 1_000]) yield* signed(ed25519, length);
  for (let salt = 0; salt < 20; salt++) yield agreed(x25519, salt);
}

function agreed(x25519: X25519, salt: number): string {
  const [ours, theirs] = [bytes(32, salt), bytes(32, salt + 100)];
  const key = x25519.publicKey(theirs);
  const shared = x25519.shared(ours, key)!;
  const other = x25519.shared(theirs, x25519.publicKey(ours))!;
  // A number above the modulus, its top bit set, and the point that gives everybody the same.
  const odd = x25519.shared(ours, new Uint8Array(32).fill(0xff - salt));
  const none = x25519.shared(ours, new Uint8Array(32));
  return `agreed ${hex(key)} ${hex(shared)} ${hex(shared) === hex(other)} ${odd && hex(odd)} ${none}`;
}

function sealed(crypto: Crypto, length: number): string {
  const [key, nonce, aad] = [bytes(32, length), bytes(12, 1), bytes(length % 40, 2)];
  const aead = crypto.aead(key);
  const out = new Uint8Array(length + TAG_BYTES);
  aead.seal(nonce, aad, bytes(length, 3), out);
  const opened = aead.open(nonce, aad, out)!;
  const forged = [out.slice(), out.slice(), out.slice(0, -1)];
  forged[0]![0]! ^= 1;
  forged[1]![out.length - 1]! ^= 128;
  const refused = forged.filter((one) => aead.open(nonce, aad, one) === undefined).length;
  return `sealed ${hex(out)} opened ${hex(opened)} refused ${refused}`;
}

function sipHash(crypto: Crypto, length: number): string {
  const hash = crypto.sipHash(bytes(16, length));
  hash.hash(bytes(80, 4), length);
  return `siphash ${hash.high} ${hash.low}`;
}

function hkdf(crypto: Crypto, length: number, out: number): string {
  return `hkdf ${hex(crypto.hkdfSha256(bytes(length, 1), bytes(length, 2), bytes(length, 3), out))}`;
}

function* signed(ed25519: Ed25519, length: number): Generator<string> {
  const [seed, message] = [bytes(32, length), bytes(length, 9)];
  const key = ed25519.publicKey(seed);
  const signature = ed25519.sign(seed, message);
  yield `key ${hex(key)} signature ${hex(signature)} ${ed25519.verify(key, message, signature)}`;
  const changed = (at: number, part: Uint8Array) => part.map((byte, i) => (i === at ? byte ^ 4 : byte));
  yield [
    ed25519.verify(key, message, changed(1, signature)),
    ed25519.verify(key, message, changed(40, signature)),
    ed25519.verify(changed(3, key), message, signature),
    ed25519.verify(key, Uint8Array.of(...message, 1), signature),
    // The same signature with the order added to its second half: not a second one.
    ed25519.verify(key, message, withOrder(signature)),
    ed25519.verify(key, message, signature.subarray(1)),
    ed25519.verify(key.subarray(1), message, signature),
  ].join();
}

function withOrder(signature: Uint8Array): Uint8Array {
  const out = signature.slice();
  let carry = 0;
  for (let i = 0; i < 32; i++) {
    const sum = out[32 + i]! + (ORDER[i] ?? (i === 31 ? 0x10 : 0)) + carry;
    out[32 + i] = sum & 255;
    carry = sum >> 8;
  }
  return out;
}

function bytes(length: number, from: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 167 + from) & 255);
}
