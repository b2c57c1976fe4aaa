import { BloomFilter } from "bloom-filters";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { xxh32Words, xxh32WordsReversed } from "../base/hash.ts";
import { AclFilter, buildFilter, probeBits, sizeFilter } from "./filter.ts";
import type { AclKey } from "./keys.ts";

const SEEDS = [11, 22, 33, 44] as const;
const words = fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 3, maxLength: 6 });

function key(...w: number[]): AclKey {
  return { words: w, direction: 0, template: 0 };
}

/** The specification's arithmetic, in BigInt. */
function probesBySpecification(w: readonly number[], bits: number, probes: number, seed: number): number[] {
  const low = 0xffffffffn;
  const h1 = BigInt(xxh32Words(w, SEEDS[2]));
  const h2 = BigInt(xxh32WordsReversed(w, SEEDS[3]));
  const a = ((h1 ^ BigInt(seed)) * 0x9e3779b1n) & low;
  const b = (((h2 + BigInt(seed)) * 0x85ebca77n) & low) | 1n;
  return Array.from({ length: probes }, (_, i) => Number((((a + BigInt(i) * b) & low) * BigInt(bits)) >> 32n));
}

describe("probeBits", () => {
  it("is the kernel's arithmetic for every key, size and seed", () => {
    const size = fc.integer({ min: 1, max: 2 ** 21 }).map((n) => n * 64);
    const seed = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(words, size, fc.integer({ min: 1, max: 16 }), seed, (w, bits, probes, s) => {
        const ours = probeBits(xxh32Words(w, SEEDS[2]), xxh32WordsReversed(w, SEEDS[3]), bits, probes, s);
        expect(ours).toEqual(probesBySpecification(w, bits, probes, s));
      }),
    );
  });
});

describe("AclFilter", () => {
  it("is the package's filter, with our bits", () => {
    const filter = new AclFilter(640, 10, 77, SEEDS);
    expect(filter).toBeInstanceOf(BloomFilter);
    filter.addKey([1, 2, 3]);
    const bytes = filter.bytes();
    const set = [...Array(640).keys()].filter((i) => bytes[i >> 3]! & (1 << (i & 7)));
    expect(set).toEqual([...new Set(probesBySpecification([1, 2, 3], 640, 10, 77))].sort((x, y) => x - y));
  });

  it("would set other bits without our hashing", () => {
    const plain = new BloomFilter(640, 10);
    plain.add(Uint32Array.of(1, 2, 3).buffer);
    const ours = new AclFilter(640, 10, 77, SEEDS);
    ours.addKey([1, 2, 3]);
    expect(plain._filter.array).not.toEqual(ours.bytes());
  });

  it("holds every key that was added", () => {
    fc.assert(
      fc.property(fc.array(words, { minLength: 1, maxLength: 50 }), (all) => {
        const filter = new AclFilter(sizeFilter(all.length, 0.001).bits, 10, 5, SEEDS);
        for (const w of all) filter.addKey(w);
        return all.every((w) => filter.hasKey(w));
      }),
    );
  });
});

describe("sizeFilter", () => {
  it.each([
    [1, 0.001],
    [10, 0.001],
    [100, 0.001],
    [1000, 0.001],
    [1000, 0.01],
    [5000, 0.0001],
  ])("keeps %d keys at a rate of %d", (count, rate) => {
    const keys = Array.from({ length: count }, (_, i) => key(1, i, 443));
    const content = buildFilter(keys, rate, 9, SEEDS);
    const filter = new AclFilter(content.bits, content.probes, 9, SEEDS);
    filter._filter.array.set(content.data);
    let wrong = 0;
    const asked = 100_000;
    for (let i = 0; i < asked; i++) if (filter.hasKey([2, i, 443])) wrong++;
    expect(wrong / asked).toBeLessThan(rate * 1.5 + 3 / asked);
    expect(content.bits % 64).toBe(0);
    expect(content.data.length).toBe(content.bits / 8);
  });

  it("spends the classic 14.4 bits on a key at 0.1 %", () => {
    expect(sizeFilter(1000, 0.001)).toEqual({ bits: 14400, probes: 10 });
  });
});
