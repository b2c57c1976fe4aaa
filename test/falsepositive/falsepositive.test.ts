import { describe, expect, it } from "vitest";
import { type Geometry, parseGeometry } from "../../src/bloom/geometry.ts";
import { Permutations } from "../../src/bloom/permutation.ts";
import { falsePositiveRate, fill, measure, probesNeeded, TOLERANCE } from "./measure.ts";

const SEEDS = [0x52a1c0de, 0x0badcafe] as const;
const LOADS = [0.25, 0.5, 0.75];

/** A permutation that forgets: sixteen integers share each place, and the inverse knows one of them. */
class Forgetful extends Permutations {
  override place(subtable: number, xHi: number, xLo: number): void {
    super.place(subtable, xHi, (xLo & ~15) >>> 0);
  }
}

function ratio(geometry: Geometry, load: number, permutations?: Permutations): number {
  const filled = fill(geometry, load, SEEDS, permutations);
  const expected = falsePositiveRate(filled.live, geometry);
  return measure(filled, probesNeeded(expected)) / expected;
}

describe("a lookup of an unknown flow hits at n / 2^(z+r), within 10 %", () => {
  const geometries = [
    ["the papers' table", "3x341x6/r10/t2"],
    ["16-bit cells", "4x1024x8/r12"],
    // Remainders as short as the 16-bit ones: with 26 bits a hit in three million lookups is all there is to count.
    ["32-bit cells, remainders cut to 12 bits", "4x1024x8/r12/t6"],
  ] as const;
  const rows = geometries.flatMap(([name, text]) => LOADS.map((load) => [name, text, load] as const));

  it.each(rows)("%s (%s) at load %f", (_, text, load) => {
    const found = ratio(parseGeometry(text, "row"), load);
    expect(found).toBeGreaterThan(1 - TOLERANCE);
    expect(found).toBeLessThan(1 + TOLERANCE);
  });

  it.each(geometries)("and not when the permutation is none: %s", (_, text) => {
    const geometry = parseGeometry(text, "row");
    expect(ratio(geometry, 0.5, new Forgetful(geometry))).toBeGreaterThan(1 + TOLERANCE);
  });
});

/**
 * 26-bit remainders: the rate is below 5e-7, too rare to count. It is exact instead. Each live cell has one x (the
 * permutations are bijections) and all these differ, so of the 2^(z+r) integers exactly n hit: n / 2^(z+r) for an even x.
 * Evenness is measured on windows of the remainder: that k of its bits agree is 2^(26-k) times as frequent as that all do.
 */
describe("32-bit cells with 26-bit remainders", () => {
  const geometry = parseGeometry("4x1024x8/r26", "row");
  const WINDOW_BITS = 12;

  it.each(LOADS)("hold exactly n of the 2^36 integers at load %f", (load) => {
    const { table, live } = fill(geometry, load, SEEDS);
    const seen = new Set<number>();
    table.cells.forEach((cell, at) => {
      if (cell === 0) return;
      const { hi, lo } = table.permutations.xOf(at, cell >>> geometry.timerBits);
      expect(table.find(hi, lo)).toBe(at);
      seen.add(hi * 2 ** 32 + lo);
    });
    expect(seen.size).toBe(live);
  });

  const windows = [0, 7, 14].flatMap((low) => LOADS.map((load) => [low, load] as const));

  it.each(windows)("agree in the 12 bits from bit %i as often as even ones, at load %f", (low, load) => {
    const filled = fill(geometry, load, SEEDS);
    const expected = (filled.live * 2 ** (26 - WINDOW_BITS)) / 2 ** 36;
    const found = measureWindow(filled, low, probesNeeded(expected)) / expected;
    expect(found).toBeGreaterThan(1 - TOLERANCE);
    expect(found).toBeLessThan(1 + TOLERANCE);
  });

  /** Mean number of live cells in the buckets of an unknown x whose remainder agrees in the window. */
  function measureWindow({ table, x, keys }: ReturnType<typeof fill>, low: number, probes: number): number {
    const { subtables, buckets, bucketCells, timerBits } = geometry;
    const mask = 2 ** WINDOW_BITS - 1;
    let agreeing = 0;
    for (let i = 0; i < probes; i++) {
      const { hi, lo } = x(keys + i);
      for (let subtable = 0; subtable < subtables; subtable++) {
        table.permutations.place(subtable, hi, lo);
        const wanted = (table.permutations.remainder >>> low) & mask;
        const start = (subtable * buckets + table.permutations.bucket) * bucketCells;
        for (let at = start; at < start + bucketCells; at++) {
          const cell = table.cells[at]!;
          if (cell !== 0 && ((cell >>> (timerBits + low)) & mask) === wanted) agreeing++;
        }
      }
    }
    return agreeing / probes;
  }
});

describe("the permutations are bijections", () => {
  const rows = ["3x341x6/r10/t2", "4x32x8/r12", "4x64x8/r4", "2x12x4/r6/t3"] as const;

  function distinctPlaces(geometry: Geometry, permutations: Permutations, subtable: number): number {
    const places = new Set<number>();
    for (let x = 0; x < permutations.space; x++) {
      permutations.place(subtable, 0, x);
      places.add(permutations.bucket * 2 ** geometry.remainderBits + permutations.remainder);
    }
    return places.size;
  }

  it.each(rows)("each integer of the whole space has a place of its own: %s", (text) => {
    const geometry = parseGeometry(text, "row");
    const permutations = new Permutations(geometry);
    for (let subtable = 0; subtable < geometry.subtables; subtable++) {
      expect(distinctPlaces(geometry, permutations, subtable)).toBe(permutations.space);
    }
  });

  it("and one that forgets is found out", () => {
    const geometry = parseGeometry("4x64x8/r4", "row");
    const permutations = new Forgetful(geometry);
    expect(distinctPlaces(geometry, permutations, 0)).toBeLessThan(permutations.space);
  });
});
