import { describe, expect, it } from "vitest";
import { Serials } from "./serial.ts";

const TOP = 2 ** 32 - 1;
const DAY_MS = 24 * 3_600_000;

describe("serials of rights", () => {
  it("of a mesh that is far ahead are believed by an AP that has just started", () => {
    const serials = new Serials();
    expect(serials.hear(3_000_000_000, 0, 59_999)).toBe(true);
    expect(serials.next()).toBe(3_000_000_001);
  });

  it("are not believed later, when no mesh came so far meanwhile", () => {
    const serials = new Serials();
    expect(serials.hear(TOP, 0, 60_000)).toBe(false);
    expect(serials.hear(2 ** 24, 0, 60_000)).toBe(true);
    expect(serials.hear(2 ** 24 + 1, 0, 60_000)).toBe(false);
    expect(serials.hear(2 ** 24 + 4_096, 0, 61_000)).toBe(true);
    expect(serials.newest).toBe(2 ** 24 + 4_096);
  });

  it("need more than eleven days to the last, whatever is said", () => {
    const serials = new Serials();
    let days = 0;
    for (; serials.newest < TOP && days < 100; days++)
      for (let step = 2 ** 24; step >= 1; step /= 2)
        while (serials.hear(Math.min(TOP, serials.newest + step), 0, (days + 1) * DAY_MS) && serials.newest < TOP);
    expect(days).toBeGreaterThan(11);
  });

  it("stay at the last, where there is none above", () => {
    const serials = new Serials();
    serials.hear(TOP, 0, 0);
    expect([serials.next(), serials.next()]).toEqual([TOP, TOP]);
  });

  it("go on when the clock goes back", () => {
    const serials = new Serials();
    expect(serials.hear(100, 0, 100_000)).toBe(true);
    expect(serials.hear(200, 0, 90_000)).toBe(true);
  });
});
