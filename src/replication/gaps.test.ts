import { describe, expect, it } from "vitest";
import { TokenBucket } from "./bucket.ts";
import { GAPS_MAX, Gaps } from "./gaps.ts";
import { SyncSession } from "./sync.ts";
import { ReplayWindow } from "./window.ts";

const early = () => 0;

describe("gaps", () => {
  it("open when a change set is jumped over, and close when it comes", () => {
    const gaps = new Gaps(early);
    gaps.reset(10);
    gaps.arrived(11, 11, 0);
    gaps.arrived(14, 14, 0);
    expect([gaps.count, gaps.missing, gaps.contiguous, gaps.highest]).toEqual([1, 2, 11, 14]);
    gaps.arrived(13, 13, 0);
    expect([gaps.missing, gaps.contiguous]).toEqual([1, 11]);
    gaps.arrived(12, 12, 0);
    expect([gaps.count, gaps.contiguous]).toEqual([0, 14]);
  });

  it("never set the newest back for a late one", () => {
    const gaps = new Gaps(early);
    gaps.arrived(5, 5, 0);
    gaps.arrived(2, 2, 0);
    expect(gaps.highest).toBe(5);
  });

  it("are split by a repair of their middle", () => {
    const gaps = new Gaps(early);
    gaps.announced(10, 0);
    gaps.arrived(4, 6, 0);
    expect(gaps.takeDue(5, 9).map(({ from, to }) => [from, to])).toEqual([
      [1, 3],
      [7, 10],
    ]);
  });

  it("are asked for after the time of reordering, then ever less often", () => {
    const gaps = new Gaps(early);
    gaps.announced(1, 1000);
    const asked: number[] = [];
    for (let ms = 1000; ms < 3000; ms++) if (gaps.takeDue(ms, 9).length > 0) asked.push(ms - 1000);
    expect(asked).toEqual([5, 65, 185, 425, 905, 1865]);
  });

  it("keep silent while somebody else's question covers them", () => {
    const gaps = new Gaps(early);
    gaps.announced(3, 0);
    gaps.askedByOther(1, 3, 4);
    expect(gaps.nextAtMs()).toBe(64);
    gaps.askedByOther(2, 3, 70);
    expect(gaps.nextAtMs()).toBe(64);
  });

  it("are hopeless when there are too many", () => {
    const gaps = new Gaps(early);
    for (let i = 1; i <= GAPS_MAX; i++) gaps.arrived(i * 2, i * 2, 0);
    expect(gaps.hopeless).toBe(false);
    gaps.arrived(1000, 1000, 0);
    expect(gaps.hopeless).toBe(true);
    gaps.closeUpTo(1000);
    expect([gaps.count, gaps.hopeless]).toEqual([0, false]);
  });
});

describe("the replay window", () => {
  it("takes each number once, in any order, and none from before its start", () => {
    const window = new ReplayWindow(100);
    expect([99, 100, 100, 105, 103, 103, 105].map((pn) => window.accept(pn))).toEqual([
      false,
      true,
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it("forgets what it can no longer tell", () => {
    const window = new ReplayWindow(1);
    window.accept(1);
    window.accept(5000);
    expect([2952, 2953, 4999, 5000, 2 ** 40, 5001].map((pn) => window.accept(pn))).toEqual([
      false,
      true,
      true,
      false,
      true,
      false,
    ]);
  });
});

describe("a snapshot", () => {
  it("asks for what it lacks until all was seen as of its beginning", () => {
    const sync = new SyncSession(10, [{ from: 0, count: 10 }], 50, 0);
    expect(sync.ask(0)).toMatchObject({ round: 1, window: 16, units: [{ from: 0, count: 10 }] });
    expect(sync.ask(1)).toBeUndefined();
    sync.cover({ from: 0, to: 4, asOf: 50, round: 1, toCome: 2 }, 2);
    sync.cover({ from: 4, to: 6, asOf: 49, round: 1, toCome: 1 }, 3);
    sync.cover({ from: 6, to: 9, asOf: 51, round: 1, toCome: 0 }, 4);
    expect(sync.ask(4)).toMatchObject({
      round: 2,
      window: 32,
      units: [
        { from: 4, count: 2 },
        { from: 9, count: 1 },
      ],
    });
    sync.cover({ from: 4, to: 10, asOf: 51, round: 2, toCome: 0 }, 5);
    expect(sync.done).toBe(true);
    expect(sync.ask(99)).toBeUndefined();
  });

  it("is asked for ever less often of a source that never answers with what it announced", () => {
    const asks = (asOf: number) => {
      const session = new SyncSession(10, [{ from: 0, count: 10 }], 100, 0);
      let count = 0;
      for (let ms = 0; ms < 10_000 && !session.done; ms++) {
        const asked = session.ask(ms);
        if (!asked) continue;
        count++;
        session.cover({ from: 0, to: 10, asOf, round: asked.round, toCome: 0 }, ms);
      }
      return count;
    };
    expect(asks(100)).toBe(1);
    // 60, 120, 240, 480 ms, then each second.
    expect(asks(99)).toBeLessThan(17);
  });

  it("is patient with a source that is silent", () => {
    const sync = new SyncSession(1, [{ from: 0, count: 1 }], 1, 0);
    const asked: number[] = [];
    for (let ms = 0; ms < 5_000; ms++) if (sync.ask(ms)) asked.push(ms);
    expect(asked.length).toBeLessThan(15);
    expect(asked.at(-1)! - asked.at(-2)!).toBe(1000);
  });
});

describe("a budget", () => {
  it("fills while nothing is sent, no further than a burst", () => {
    const bucket = new TokenBucket(1000, 500);
    expect([bucket.take(500, 0), bucket.take(1, 0), bucket.take(100, 100), bucket.take(1, 100)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([bucket.take(501, 99_999), bucket.take(500, 99_999)]).toEqual([false, true]);
  });
});
