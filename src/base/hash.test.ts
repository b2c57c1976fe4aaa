import fc from "fast-check";
import { describe, expect, it } from "vitest";
import XXH from "xxhashjs";
import { xxh32Words, xxh32WordsReversed } from "./hash.ts";

function reference(words: readonly number[], seed: number): number {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => {
    bytes.writeUInt32LE(word >>> 0, i * 4);
  });
  return XXH.h32(bytes, seed).toNumber() >>> 0;
}

const word = fc.integer({ min: 0, max: 0xffffffff });

describe("xxh32 of words", () => {
  it("equals the reference for every length up to 40 words", () => {
    for (let length = 0; length <= 40; length++) {
      const words = Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0);
      for (const seed of [0, 1, 0x80000000, 0xffffffff]) expect(xxh32Words(words, seed)).toBe(reference(words, seed));
    }
  });

  it("equals the reference for any words and seed, in both orders", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 24 }), word, (words, seed) => {
        expect(xxh32Words(words, seed)).toBe(reference(words, seed));
        expect(xxh32WordsReversed(words, seed)).toBe(reference([...words].reverse(), seed));
      }),
    );
  });

  it("hashes only the first `count` words of a longer buffer", () => {
    const words = Uint32Array.from([1, 2, 3, 4, 5, 6, 7, 99, 98]);
    expect(xxh32Words(words, 7, 7)).toBe(reference([1, 2, 3, 4, 5, 6, 7], 7));
    expect(xxh32WordsReversed(words, 7, 7)).toBe(reference([7, 6, 5, 4, 3, 2, 1], 7));
  });
});
