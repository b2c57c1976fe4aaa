import { joined } from "../../base/bytes.ts";
import type { Crypto, Ed25519, KeyedHash, X25519 } from "../platform.ts";
import { host } from "./host.ts";

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;

/** The host's: in the engine itself a datagram takes a hundred times as long. */
export const hostCrypto: Crypto = {
  sha256: (bytes) => host.sha256(bytes),
  hkdfSha256: hkdf,
  sipHash: (key) => new HostSipHash(key.slice()),
  aead(key) {
    const kept = key.slice();
    return {
      seal: (nonce, aad, plain, sealed) => host.seal(kept, nonce, aad, plain, sealed),
      open: (nonce, aad, sealed) => host.open(kept, nonce, aad, sealed),
    };
  },
};

export const hostEd25519: Ed25519 = {
  publicKey: (seed) => host.publicKey(seed),
  sign: (seed, message) => host.sign(seed, message),
  verify: (publicKey, message, signature) => host.verify(publicKey, message, signature),
};

export const hostX25519: X25519 = {
  publicKey: (secret) => host.dhPublicKey(secret),
  shared: (secret, publicKey) => host.dhShared(secret, publicKey),
};

/** Asked of every stranger's datagram: in the engine it took as long as five seals. */
class HostSipHash implements KeyedHash {
  high = 0;
  low = 0;
  private readonly out = new DataView(new ArrayBuffer(8));
  private readonly bytes = new Uint8Array(this.out.buffer);

  constructor(private readonly key: Uint8Array) {}

  hash(bytes: Uint8Array, length: number): void {
    host.sipHash(this.key, bytes, length, this.bytes);
    this.high = this.out.getUint32(0);
    this.low = this.out.getUint32(4);
  }
}

/** RFC 5869. */
function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, bytes: number): Uint8Array {
  const key = hmac(salt, secret);
  const out = new Uint8Array(bytes);
  let block: Uint8Array = new Uint8Array();
  for (let i = 1, at = 0; at < bytes; i++, at += HASH_BYTES) {
    block = hmac(key, joined(block, info, Uint8Array.of(i)));
    out.set(block.subarray(0, bytes - at), at);
  }
  return out;
}

/** RFC 2104. */
function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const short = key.length > BLOCK_BYTES ? host.sha256(key) : key;
  const padded = (with_: number) => Uint8Array.from({ length: BLOCK_BYTES }, (_, i) => (short[i] ?? 0) ^ with_);
  return host.sha256(joined(padded(0x5c), host.sha256(joined(padded(0x36), message))));
}
