import { describe, expect, it } from "vitest";
import { parseGeometry } from "../bloom/geometry.ts";
import { lcg } from "../replication/testing/lab.ts";
import { adoptedCode, PhaseClock } from "./phase.ts";
import { Ticks, unwrapTick } from "./ticks.ts";

const geometry = parseGeometry("4x64x8/r26", "test");
const SLOW = 1 << geometry.tickBits;

describe("ticks", () => {
  it.each([1, 4, 5, 6, 26, 31, 32, 57, 62, 93, 1000])("a jump of %i frees what passed and nothing else", (jump) => {
    for (let left = 0; left <= geometry.liveMax; left++) {
      const ticks = new Ticks(geometry);
      ticks.set(500, 90);
      let cell = (7 << geometry.timerBits) | ticks.timer(0, left);
      ticks.advance(500 + jump, 90, () => {
        if (ticks.left(cell) < 0) cell = 0;
      });
      expect(cell !== 0, `left ${left}`).toBe(left >= jump);
      if (cell !== 0) expect(ticks.left(cell)).toBe(left - jump);
    }
  });

  it("set in one step brings the dead back", () => {
    const ticks = new Ticks(geometry);
    const cell = ticks.timer(0, 3);
    ticks.set(31, 0);
    expect(ticks.left(cell)).toBe(3);
  });

  it("are known from their low bits, near what was known", () => {
    expect(unwrapTick(0x02, 0x1fe)).toBe(0x202);
    expect(unwrapTick(0xfe, 0x202)).toBe(0x1fe);
    expect(unwrapTick(0x02, 0x202)).toBe(0x202);
  });
});

describe("adoption", () => {
  it("never outlives what is left at the source, and costs at most a tick while it has two", () => {
    const tickMs = geometry.slowTickMs;
    for (let left = 0; left <= 25; left++) {
      for (let sourceMs = 0; sourceMs < tickMs; sourceMs += 17_000) {
        for (let ownMs = 0; ownMs < tickMs; ownMs += 13_000) {
          const [source, own] = [new PhaseClock(geometry), new PhaseClock(geometry)];
          source.slowBegan(-sourceMs);
          own.slowBegan(-ownMs);
          const code = adoptedCode(
            SLOW | left,
            { fast: 0, slow: source.atLatest(true, 0) },
            { fast: 0, slow: own.atEarliest(true, 0) },
            geometry,
          );
          const remains = (left + 1) * tickMs - sourceMs;
          const inSlow = ((code & 31) + 1) * tickMs - ownMs;
          const inFast = ((code & 31) + 1) * geometry.fastTickMs;
          const granted = code < 0 ? 0 : code & SLOW ? inSlow : inFast;
          expect(granted).toBeLessThanOrEqual(remains);
          // Of its last slow tick it keeps what fast ones can say, and only less than three of those are nothing.
          const most = Math.min((geometry.liveMax + 1) * geometry.fastTickMs, remains - 2 * geometry.fastTickMs);
          if ((code & SLOW) === 0 || code < 0) expect(granted).toBeGreaterThanOrEqual(Math.max(0, most));
          else expect(remains - granted).toBeLessThanOrEqual(tickMs * 1.01);
        }
      }
    }
  });

  /** What an idle flow's two hours and four minutes become, in ms, of those that began and roamed at any time. */
  function leastAfter(roams: number, adoptions: number): number {
    const { slowTickMs: tickMs, modulus } = geometry;
    const full = Math.min(geometry.liveMax, Math.ceil(7_440_000 / tickMs) + adoptions);
    const random = lcg(roams);
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20_000; i++) {
      // Of each AP: how far its present tick had gone when the flow's last packet came.
      let phaseMs = random() * tickMs;
      let endsMs = (full + 1) * tickMs - phaseMs;
      for (let roam = 1, nowMs = 0; roam <= roams; roam++) {
        nowMs += (random() * 2 * 7_000_000) / roams / 2;
        const ownMs = random() * tickMs;
        const gone = (ms: number) => (((ms + nowMs) % tickMs) / tickMs) * 256;
        const left = Math.floor((endsMs - nowMs) / tickMs);
        const source = { fast: 0, slow: Math.min(255, Math.ceil(gone(phaseMs))) };
        const code = adoptedCode(SLOW | left, source, { fast: 0, slow: Math.floor(gone(ownMs)) }, geometry);
        phaseMs = ownMs;
        endsMs = nowMs + ((code & modulus) + 1) * tickMs - (gone(ownMs) / 256) * tickMs;
      }
      least = Math.min(least, endsMs);
    }
    return least;
  }

  it("by three new APs leaves a flow the time for a keepalive every two hours", () => {
    for (const roams of [0, 1, 2, 3]) expect(leastAfter(roams, 3)).toBeGreaterThan(7_440_000);
    // Without ticks for it, it dies before.
    expect(leastAfter(3, 0)).toBeLessThan(7_200_000);
  });

  it("from a source that fell silent takes off the ticks that nobody told of", () => {
    const source = new PhaseClock(geometry);
    source.set(0, 0, { fast: 70, slow: 3 }, 1_000);
    const own = { fast: 0, slow: 0 };
    const later = 1_000 + 2 * geometry.fastTickMs;
    const taken = (ticks: { fast: number; slow: number }) =>
      adoptedCode(20, source.ofSource(later, ticks), own, geometry);
    expect(taken({ fast: 70, slow: 3 })).toBe(18);
    expect(taken({ fast: 72, slow: 3 })).toBe(20);
    // Without them a mirror that stands still grants what its source no longer has.
    expect(adoptedCode(20, { fast: source.atLatest(false, later), slow: 0 }, own, geometry)).toBe(19);
  });

  it("is not stretched by a hello that comes late", () => {
    const source = new PhaseClock(geometry);
    source.set(128, 0, { fast: 70, slow: 3 }, 1_000);
    const before = source.ofSource(5_000, { fast: 70, slow: 3 });
    // Said at 2,000, when 154/256 of the tick had gone by, and held up since.
    source.set(154, 0, { fast: 70, slow: 3 }, 5_000);
    expect(source.ofSource(5_000, { fast: 70, slow: 3 }).fast - before.fast).toBeGreaterThanOrEqual(-1);
  });

  it("with phases unknown assumes the worst on both sides", () => {
    const unknown = new PhaseClock(geometry);
    expect([unknown.atLatest(true, 0), unknown.atEarliest(true, 0)]).toEqual([255, 0]);
  });
});
