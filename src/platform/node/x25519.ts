import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import type { X25519 } from "../platform.ts";

/** RFC 8410: what OpenSSL wants around the 32 bytes of a secret and of a public key. */
const SECRET_HEAD = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_HEAD = Buffer.from("302a300506032b656e032100", "hex");

export const nodeX25519: X25519 = {
  publicKey(secret) {
    const der = createPublicKey(privateOf(secret)).export({ format: "der", type: "spki" });
    return new Uint8Array(der.subarray(PUBLIC_HEAD.length));
  },
  shared(secret, publicKey) {
    const key = createPublicKey({ key: Buffer.concat([PUBLIC_HEAD, publicKey]), format: "der", type: "spki" });
    try {
      return new Uint8Array(diffieHellman({ privateKey: privateOf(secret), publicKey: key }));
    } catch {
      return undefined;
    }
  },
};

function privateOf(secret: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([SECRET_HEAD, secret]), format: "der", type: "pkcs8" });
}
