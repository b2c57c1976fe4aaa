import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseGeometry } from "./geometry.ts";
import { Mixer, Permutations } from "./permutation.ts";

const TEXTS = [
  "4x1024x8/r26",
  "4x131072x8/r26",
  "4x32x8/r12",
  "4x64x8/r4",
  "3x341x6/r10/t2",
  "2x1000003x2/r20",
  "1x7x3/r1",
  "4x64x8/r26",
];

/** x as a number: spaces go up to 2^43. */
const value = (hi: number, lo: number) => hi * 2 ** 32 + lo;

describe.each(TEXTS)("the permutations of %s", (text) => {
  const geometry = parseGeometry(text, "test");
  const permutations = new Permutations(geometry);
  const { space } = permutations;
  const x = fc.integer({ min: 0, max: Math.min(space - 1, Number.MAX_SAFE_INTEGER) });

  it("can be inverted in every subtable", () => {
    fc.assert(
      fc.property(x, fc.integer({ min: 0, max: geometry.subtables - 1 }), (wanted, subtable) => {
        permutations.place(subtable, Math.floor(wanted / 2 ** 32), (wanted % 2 ** 32) >>> 0);
        const { bucket, remainder } = permutations;
        expect(bucket).toBeLessThan(geometry.buckets);
        expect(remainder).toBeLessThan(2 ** geometry.remainderBits);
        const coordinate = (subtable * geometry.buckets + bucket) * geometry.bucketCells;
        const { hi, lo } = permutations.xOf(coordinate, remainder);
        expect(value(hi, lo)).toBe(wanted);
      }),
    );
  });

  it("agree with plain arithmetic", () => {
    fc.assert(
      fc.property(x, fc.integer({ min: 0, max: geometry.subtables - 1 }), (wanted, subtable) => {
        const y = (permutations.multipliers[subtable]! * BigInt(wanted)) % BigInt(space);
        permutations.place(subtable, Math.floor(wanted / 2 ** 32), (wanted % 2 ** 32) >>> 0);
        expect(permutations.bucket).toBe(Number(y >> BigInt(geometry.remainderBits)));
        expect(permutations.remainder).toBe(Number(y & ((1n << BigInt(geometry.remainderBits)) - 1n)));
      }),
    );
  });

  it("bring any 64-bit mix into the space", () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(word, word, (hi, lo) => {
        const mix = (BigInt(hi) << 32n) | BigInt(lo);
        const bits = permutations.spaceBits;
        const wanted = bits < 0 ? mix % BigInt(space) : mix >> BigInt(64 - bits);
        expect(BigInt(value(permutations.reduceHi(hi, lo), permutations.reduceLo(hi, lo)))).toBe(wanted);
      }),
    );
  });
});

describe("the multipliers", () => {
  it("differ from subtable to subtable in every space the kernel takes", () => {
    for (let z = 5; z <= 17; z++) {
      for (const r of [12, 26]) {
        const { multipliers } = new Permutations(parseGeometry(`4x${2 ** z}x8/r${r}`, "test"));
        expect(new Set(multipliers).size).toBe(4);
      }
    }
  });
});

describe("the mixer", () => {
  it("agrees with 64-bit arithmetic", () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    const mixer = new Mixer(new Permutations(parseGeometry("4x1024x8/r26", "test")));
    fc.assert(
      fc.property(word, word, fc.integer({ min: 0, max: 127 }), (h1, h2, s) => {
        const t = (BigInt(h2) << 32n) | BigInt(h1);
        const mixed = BigInt.asUintN(
          64,
          (t ^ BigInt.asUintN(64, BigInt(s) * 0x9e3779b97f4a7c15n)) * 0xd6e8feb86659fd93n,
        );
        mixer.mix(h1, h2, s);
        expect(BigInt(value(mixer.xHi, mixer.xLo))).toBe(mixed >> 28n);
      }),
    );
  });
});
