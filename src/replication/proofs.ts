import type { KeyedHash } from "../platform/platform.ts";

/**
 * What stands behind a datagram for all: for each AP of the audience `id:16 proof:64`, then how many, in a byte. A proof is
 * SipHash of the datagram's SHA-256 under a key that only sender and receiver have. The tag would not do as what is
 * proven: who has the key of a one-time authenticator finds other messages for the same tag.
 */
const PROOF_BYTES = 8;
export const PROOF_ENTRY_BYTES = 2 + PROOF_BYTES;
export const PROOF_COUNT_BYTES = 1;
const DIGEST_BYTES = 32;

/** Proves to one AP who said something, or to us who did. */
export class Prover {
  constructor(
    readonly id: number,
    private readonly hash: KeyedHash,
  ) {}

  put(digest: Uint8Array, view: DataView, at: number): void {
    this.hash.hash(digest, DIGEST_BYTES);
    view.setUint16(at, this.id);
    view.setUint32(at + 2, this.hash.high);
    view.setUint32(at + 6, this.hash.low);
  }

  isProof(digest: Uint8Array, bytes: Uint8Array, at: number): boolean {
    this.hash.hash(digest, DIGEST_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return view.getUint32(at + 2) === this.hash.high && view.getUint32(at + 6) === this.hash.low;
  }
}

export function withProofs(sealed: Uint8Array, digest: Uint8Array, provers: readonly Prover[]): Uint8Array {
  const bytes = new Uint8Array(sealed.length + provers.length * PROOF_ENTRY_BYTES + PROOF_COUNT_BYTES);
  bytes.set(sealed);
  const view = new DataView(bytes.buffer);
  for (const [i, prover] of provers.entries()) prover.put(digest, view, sealed.length + i * PROOF_ENTRY_BYTES);
  bytes[bytes.length - 1] = provers.length;
  return bytes;
}

/** Nothing when the count lies. */
export function withoutProofs(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, Math.max(0, startOf(bytes)));
}

/** Where the entry for that AP stands. */
export function proofAt(bytes: Uint8Array, id: number): number | undefined {
  const start = startOf(bytes);
  if (start < 0) return undefined;
  for (let at = start; at < bytes.length - PROOF_COUNT_BYTES; at += PROOF_ENTRY_BYTES)
    if (((bytes[at]! << 8) | bytes[at + 1]!) === id) return at;
  return undefined;
}

function startOf(bytes: Uint8Array): number {
  return bytes.length - PROOF_COUNT_BYTES - bytes[bytes.length - 1]! * PROOF_ENTRY_BYTES;
}
