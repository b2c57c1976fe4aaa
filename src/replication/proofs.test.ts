import { describe, expect, it } from "vitest";
import { portableCrypto } from "../platform/portable-crypto.ts";
import { PROOF_COUNT_BYTES, PROOF_ENTRY_BYTES, Prover, proofAt, withoutProofs, withProofs } from "./proofs.ts";

const SEALED = Uint8Array.from({ length: 60 }, (_, i) => i);
const DIGEST = portableCrypto.sha256(SEALED);
const proverOf = (id: number) => new Prover(id, portableCrypto.sipHash(new Uint8Array(16).fill(id)));
const bytes = withProofs(SEALED, DIGEST, [2, 3, 500].map(proverOf));
const isProof = (id: number, of: Uint8Array) => {
  const at = proofAt(of, id);
  return at !== undefined && proverOf(id).isProof(portableCrypto.sha256(withoutProofs(of)), of, at);
};

describe("proofs", () => {
  it("stand behind what was sealed, one for each AP", () => {
    expect(bytes).toHaveLength(SEALED.length + 3 * PROOF_ENTRY_BYTES + PROOF_COUNT_BYTES);
    expect(withoutProofs(bytes)).toEqual(SEALED);
    expect([2, 3, 500, 4].map((id) => isProof(id, bytes))).toEqual([true, true, true, false]);
  });

  it("prove every bit of it, and each its own AP's alone", () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bent = bytes.slice();
      bent[bit >> 3]! ^= 1 << (bit & 7);
      const isOfOther = bit >> 3 >= SEALED.length + PROOF_ENTRY_BYTES && bit >> 3 < bytes.length - PROOF_COUNT_BYTES;
      expect(isProof(2, bent), `bit ${bit}`).toBe(isOfOther);
    }
  });

  it("are none where the count lies, or nothing is there", () => {
    for (const count of [4, 7, 255]) {
      const lying = bytes.slice();
      lying[lying.length - 1] = count;
      expect(isProof(2, lying)).toBe(false);
    }
    expect(withoutProofs(new Uint8Array(0))).toEqual(new Uint8Array(0));
    expect(proofAt(new Uint8Array(0), 2)).toBeUndefined();
  });
});
