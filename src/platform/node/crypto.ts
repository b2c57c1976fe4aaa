import { createCipheriv, createDecipheriv, createHash, createSecretKey, getCiphers, hkdfSync } from "node:crypto";
import { RoamwallError } from "../../base/errors.ts";
import { SipHash } from "../../base/siphash.ts";
import type { Aead, Crypto } from "../platform.ts";
import { plain } from "./plain.ts";

const CIPHER = "chacha20-poly1305";
const TAG_BYTES = 16;
const WITH_TAG = { authTagLength: TAG_BYTES };

/** OpenSSL's. The portable one gives the same bytes, and is no part of what Node runs. */
export const nodeCrypto: Crypto = {
  // OpenSSL's wants a call for each part, and is slower.
  sipHash: (key) => new SipHash(key),
  sha256: (bytes) => plain(createHash("sha256").update(bytes).digest()),
  hkdfSha256: (secret, salt, info, bytes) => new Uint8Array(hkdfSync("sha256", secret, salt, info, bytes)),
  aead: nativeAead,
};

function nativeAead(keyBytes: Uint8Array): Aead {
  if (!getCiphers().includes(CIPHER)) {
    throw new RoamwallError(
      "ROAMWALL_ERR_CIPHER",
      `this Node's OpenSSL has no ${CIPHER}: what APs say cannot be sealed`,
    );
  }
  const key = createSecretKey(keyBytes);
  return {
    seal(nonce, aad, text, sealed) {
      const cipher = createCipheriv(CIPHER, key, nonce, WITH_TAG);
      cipher.setAAD(aad, { plaintextLength: text.length });
      sealed.set(cipher.update(text));
      cipher.final();
      sealed.set(cipher.getAuthTag(), text.length);
    },
    open(nonce, aad, sealed) {
      const length = sealed.length - TAG_BYTES;
      if (length < 0) return undefined;
      const decipher = createDecipheriv(CIPHER, key, nonce, WITH_TAG);
      decipher.setAAD(aad, { plaintextLength: length });
      decipher.setAuthTag(sealed.subarray(length));
      const text = decipher.update(sealed.subarray(0, length));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      return plain(text);
    },
  };
}
