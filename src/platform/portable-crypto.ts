/** For machines that bring no cryptography of their own: audited JavaScript, the same bytes. */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { SipHash } from "../base/siphash.ts";
import type { Crypto } from "./platform.ts";

export const portableCrypto: Crypto = {
  sipHash: (key) => new SipHash(key),
  sha256: (bytes) => sha256(bytes),
  hkdfSha256: (secret, salt, info, bytes) => hkdf(sha256, secret, salt, info, bytes),
  aead: (key) => ({
    seal(nonce, aad, plain, sealed) {
      chacha20poly1305(key, nonce, aad).encrypt(plain, sealed);
    },
    open(nonce, aad, sealed) {
      try {
        return chacha20poly1305(key, nonce, aad).decrypt(sealed);
      } catch {
        return undefined;
      }
    },
  }),
};
