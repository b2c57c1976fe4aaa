import { describe, expect, it } from "vitest";
import { parseMac } from "../base/mac.ts";
import { RoamHistory } from "./roam-history.ts";

const mac = parseMac("02:00:00:00:00:01", "test");

describe("RoamHistory", () => {
  it("measures from the first frame to the last of what was owed, once", () => {
    const history = new RoamHistory();
    history.came(mac, 3, [2], 1_000);
    history.took(mac, 3, 7);
    history.complete(mac, 3, "handover", 1_012);
    history.complete(mac, 3, "mirror", 1_100);
    expect(history.list()).toEqual([{ mac, atMs: 1_000, kind: "came", aps: [2], gapMs: 12, cells: 7, by: "handover" }]);
    const { bounds, counts, sum } = history.gapsMs;
    expect(counts[bounds.indexOf(20)]).toBe(1);
    expect(counts.reduce((total, count) => total + count)).toBe(1);
    expect(sum).toBe(12);
  });

  it("keeps one line for a claim whose holders become known one after the other", () => {
    const history = new RoamHistory();
    history.came(mac, 3, [2], 0);
    history.came(mac, 3, [2, 4], 5);
    expect(history.list()).toMatchObject([{ aps: [2, 4], atMs: 0, gapMs: null }]);
  });

  it("counts nothing for a client that nobody held, and nothing of another claim", () => {
    const history = new RoamHistory();
    history.came(mac, 1, [], 0);
    history.came(mac, 2, [2], 0);
    history.complete(mac, 1, "handover", 10);
    expect(history.list()).toMatchObject([{ gapMs: null }]);
  });

  it("puts what is longer than all steps into the last count", () => {
    const history = new RoamHistory();
    history.came(mac, 1, [2], 0);
    history.complete(mac, 1, "handover", 60_000);
    expect(history.gapsMs.counts.at(-1)).toBe(1);
  });

  it("keeps the newest 64", () => {
    const history = new RoamHistory();
    for (let n = 1; n <= 70; n++) history.left(mac, n, 2, n);
    expect(history.list()).toHaveLength(64);
    expect(history.list()[0]!.atMs).toBe(7);
  });
});
