import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { statusOf } from "./neighbour-status.ts";
import { type Ap, Lab, mirrorDifferences, unpublished } from "./testing/lab.ts";

/** Inserts, refreshes and frees at random, as traffic would. */
function churn(lab: Lab, ap: Ap, changes: number): void {
  const { table } = ap.datapath.sfr;
  const { random } = lab;
  for (let i = 0; i < changes; i++) {
    const xHi = 0;
    const xLo = Math.floor(random() * 3000) * 1234577;
    const slot = 1 + Math.floor(random() * 5);
    const slow = random() < 0.5 ? 1 << lab.geometry.tickBits : 0;
    if (random() < 0.3) table.drop(xHi, xLo >>> 0, CONSTANTS.MARK_DIRTY);
    else
      table.insert(
        xHi,
        xLo >>> 0,
        slow | (1 + Math.floor(random() * lab.geometry.liveMax)),
        CONSTANTS.OP_MAX,
        slot,
        CONSTANTS.MARK_DIRTY,
      );
  }
}

describe("mirrors", () => {
  it.each([
    ["a clean network", { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 }],
    ["reordering and duplicates", { loss: 0, duplication: 0.2, delayMs: 1, jitterMs: 20 }],
    ["20 % loss, reordering, duplicates", { loss: 0.2, duplication: 0.1, delayMs: 1, jitterMs: 10 }],
  ])("equal what their source published once all is quiet: %s", async (_name, faults) => {
    for (let seed = 1; seed <= 8; seed++) {
      const lab = new Lab(3, { seed });
      lab.faults = faults;
      await lab.start();
      await lab.run(8_000, (nowMs) => {
        if (nowMs % 20 === 0) for (const ap of lab.aps) churn(lab, ap, 5);
      });
      await lab.run(8_000);
      await lab.settle();
      for (const at of [1, 2, 3]) {
        expect(unpublished(lab, at)).toBe(0);
        for (const of of [1, 2, 3])
          if (of !== at) expect(mirrorDifferences(lab, at, of), `seed ${seed}: ${of} at ${at}`).toBe(0);
        const status = lab
          .ap(at)
          .replicator.list()
          .map((n) => statusOf(n, lab.nowMs));
        expect(status.map((s) => [s.gaps, s.syncing])).toEqual([
          [0, false],
          [0, false],
        ]);
      }
    }
  });
});
