import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseGeometry } from "./geometry.ts";
import { cellOfCode, codeFor, codeForSlowTicks, encodeCell, isLive, left, merge, rank } from "./timer.ts";

const WIDE = parseGeometry("4x64x8/r26", "test");
const NARROW = parseGeometry("4x64x8/r12", "test");
const SHAPES = [WIDE, NARROW, parseGeometry("4x64x8/r10/t5", "test")];

describe.each(SHAPES.map((geometry) => [geometry.text, geometry] as const))("timers of %s", (_text, geometry) => {
  const now = fc.integer({ min: 0, max: 100_000 });
  const code = fc
    .tuple(fc.boolean(), fc.integer({ min: 1, max: geometry.liveMax }))
    .map(([slow, ticks]) => ((slow ? 1 : 0) << geometry.tickBits) | ticks);

  it("a cell lives exactly the ticks of its code, and is known as passed until the slack is over", () => {
    fc.assert(
      fc.property(now, code, (tick, wanted) => {
        const modulus = geometry.modulus;
        const cell = cellOfCode(5, wanted, tick % modulus, tick % modulus, geometry);
        const ticks = wanted & modulus;
        for (let later = 0; later < modulus - geometry.liveMax + ticks; later++) {
          const at = (tick + later) % modulus;
          expect(isLive(cell, at, at, geometry)).toBe(later <= ticks);
        }
      }),
    );
  });

  it("the rank of a fresh cell is its code", () => {
    fc.assert(
      fc.property(now, now, code, (fast, slow, wanted) => {
        const [f, s] = [fast % geometry.modulus, slow % geometry.modulus];
        expect(rank(cellOfCode(1, wanted, f, s, geometry), f, s, geometry)).toBe(wanted);
      }),
    );
  });

  it("a merge is never shorter than either, whatever the phase of the slow tick", () => {
    const slowCode = (ticks: number) => (1 << geometry.tickBits) | ticks;
    /** Least and most seconds that a rank may stand for. */
    const seconds = (r: number) => {
      const ticks = r & geometry.modulus;
      const tickMs = r >> geometry.tickBits ? geometry.slowTickMs : geometry.fastTickMs;
      return { least: (ticks * tickMs) / 1000, most: ((ticks + 1) * tickMs) / 1000 };
    };
    for (let a = 0; a <= slowCode(geometry.liveMax); a++) {
      if ((a & geometry.modulus) > geometry.liveMax) continue;
      for (let b = 1; b <= slowCode(geometry.liveMax); b++) {
        if ((b & geometry.modulus) > geometry.liveMax || (b & geometry.modulus) === 0) continue;
        const merged = merge(a, b, geometry);
        expect(merged).toBeGreaterThanOrEqual(a);
        expect(seconds(merged).least).toBeGreaterThanOrEqual(seconds(b).least);
      }
    }
  });

  it("a free cell is not live, even for remainder 0", () => {
    for (let tick = 0; tick < geometry.modulus; tick++) expect(isLive(0, tick, tick, geometry)).toBe(false);
  });
});

describe("codes", () => {
  it.each([
    [10, 1, 1],
    [30, 3, 1],
    [180, 18, 3],
    [240, 24, 4],
    [600, 32 + 2, 8 + 1],
    [7440, 32 + 22, 8 + 4],
    [7441, 32 + 22, 0],
    [8500, 32 + 25, 0],
    [8501, 0, 0],
  ])("%i s is %i in 32-bit cells and %i in 16-bit cells (0: no code)", (lifetimeS, wide, narrow) => {
    expect(codeFor(lifetimeS, WIDE)).toBe(wide);
    expect(codeFor(lifetimeS, NARROW)).toBe(narrow);
  });

  it("slow ticks have codes up to the most that lives", () => {
    expect(codeForSlowTicks(2, WIDE)).toBe(34);
    expect(codeForSlowTicks(26, WIDE)).toBe(0);
  });

  it("encodes absolute and modulo ticks alike", () => {
    expect(encodeCell(3, false, 31 * 7 + 4, WIDE)).toBe(encodeCell(3, false, 4, WIDE));
    expect(left(5, 30, WIDE)).toBe(5);
  });
});
