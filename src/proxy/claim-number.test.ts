import { describe, expect, it } from "vitest";
import { isAbove, numberAbove } from "./claim-number.ts";

const LAST = 2 ** 32 - 1;
const NUMBERS = [1, 2, 1_000, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, LAST - 1, LAST];

describe("numbers of claims", () => {
  it("have one above each, also above the last", () => {
    for (const n of [0, ...NUMBERS]) {
      const next = numberAbove(n);
      expect(next, `above ${n}`).toBeGreaterThan(0);
      expect([isAbove(next, n), isAbove(n, next)], `${next} above ${n}`).toEqual([true, false]);
    }
  });

  it("are above what they follow by less than half of all, also across the last", () => {
    for (const by of [1, 2, 1_000, 2 ** 31 - 1]) {
      for (const n of NUMBERS) {
        const later = (n + by) % 2 ** 32;
        if (later !== 0) expect(isAbove(later, n), `${n} + ${by}`).toBe(true);
      }
    }
  });

  it("have one order, the same whoever compares", () => {
    for (const a of NUMBERS)
      for (const b of NUMBERS)
        expect(Number(isAbove(a, b)) + Number(isAbove(b, a)), `${a}, ${b}`).toBe(a === b ? 0 : 1);
  });

  it("are above that of a client that nobody claimed", () => {
    for (const n of NUMBERS) expect([isAbove(n, 0), isAbove(0, n)], `${n}`).toEqual([true, false]);
  });
});
