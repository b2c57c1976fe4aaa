import { expect, it } from "vitest";
import { parseGeometry } from "../bloom/geometry.ts";
import { SourceClock } from "./source-clock.ts";

const TICK_MS = 10_000;

function clock(): SourceClock {
  return new SourceClock(parseGeometry("4x32x8/r26", "test"));
}

it("gains nothing when ticks come as ours do", () => {
  const one = clock();
  expect(one.gainedMs).toBeNull();
  one.heard({ fast: 7, fastPhase: 0 }, 500);
  one.heard({ fast: 9, fastPhase: 64 }, 500 + 2.25 * TICK_MS);
  expect(one.gainedMs).toBe(0);
});

it("falls behind by as long as the ticks stand still, and counts anew with another table", () => {
  const one = clock();
  one.heard({ fast: 7, fastPhase: 128 }, 0);
  one.heard({ fast: 7, fastPhase: 128 }, 3 * TICK_MS);
  expect(one.gainedMs).toBe(-3 * TICK_MS);
  one.begin();
  expect(one.gainedMs).toBeNull();
});

it("believes no phase that its source does not know", () => {
  const one = clock();
  one.heard({ fast: 7, fastPhase: 255 }, 0);
  expect(one.gainedMs).toBeNull();
});
