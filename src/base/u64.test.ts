import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mulHigh, mulHigh32, mulLow } from "./u64.ts";

const word = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0, 1, 0xffff, 0x10000, 0x80000000, 0xffffffff),
);

describe("64-bit products by halves", () => {
  it("equal those of BigInt", () => {
    fc.assert(
      fc.property(word, word, word, word, (aHi, aLo, bHi, bLo) => {
        const a = (BigInt(aHi) << 32n) | BigInt(aLo);
        const b = (BigInt(bHi) << 32n) | BigInt(bLo);
        const product = BigInt.asUintN(64, a * b);
        expect(BigInt(mulHigh(aHi, aLo, bHi, bLo))).toBe(product >> 32n);
        expect(BigInt(mulLow(aLo, bLo))).toBe(product & 0xffffffffn);
        expect(BigInt(mulHigh32(aLo, bLo))).toBe((BigInt(aLo) * BigInt(bLo)) >> 32n);
      }),
      { numRuns: 2000 },
    );
  });
});
