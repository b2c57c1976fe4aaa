import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import type { Ed25519 } from "../platform.ts";

/** RFC 8410: what OpenSSL wants around the 32 bytes of a seed and of a public key. */
const SEED_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_HEAD = Buffer.from("302a300506032b6570032100", "hex");

export const nodeEd25519: Ed25519 = {
  publicKey(seed) {
    const der = createPublicKey(privateOf(seed)).export({ format: "der", type: "spki" });
    return new Uint8Array(der.subarray(PUBLIC_HEAD.length));
  },
  sign: (seed, message) => new Uint8Array(sign(null, message, privateOf(seed))),
  verify(publicKey, message, signature) {
    try {
      const key = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, publicKey]), format: "der", type: "spki" });
      return verify(null, message, key, signature);
    } catch {
      return false;
    }
  },
};

function privateOf(seed: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([SEED_HEAD, seed]), format: "der", type: "pkcs8" });
}
