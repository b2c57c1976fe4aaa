import { sha256 } from "@noble/hashes/sha2.js";
import type { AclFilter } from "./acl.ts";

/** The name of a filter: the first 64 bits of SHA-256 over `bits seed probes out in data`. */
export function digestOf({ bits, seed, probes, out, in: into, data }: Omit<AclFilter, "id">): Uint8Array {
  const bytes = new Uint8Array(13 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bits);
  view.setUint32(4, seed);
  view.setUint8(8, probes);
  view.setUint16(9, out);
  view.setUint16(11, into);
  bytes.set(data, 13);
  return sha256(bytes).slice(0, 8);
}
