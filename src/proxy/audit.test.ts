import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { meshOf, open } from "../replication/testing/flows.ts";
import { Lab, mirrorDifferences } from "../replication/testing/lab.ts";

const { OP_MAX, MARK_DIRTY, MARK_HELD } = CONSTANTS;
const HOLD_MS = 200;
/** A table of 2,048 cells is seen in four slices, each looked at until nothing in it is suspect. */
const WHOLE_MS = 12_000;

function insert(lab: Lab, x: number, mark: number): void {
  const { table } = lab.ap(1).datapath.sfr;
  table.insert(0, (x * 2654435761) >>> 0, (1 << lab.geometry.tickBits) | 20, OP_MAX, 1, mark);
}

async function pair(holdMs = HOLD_MS): Promise<Lab> {
  const lab = new Lab(2, { holdMs: HOLD_MS, options: { holdMs } });
  await lab.start();
  await lab.run(2_000);
  return lab;
}

const found = (lab: Lab) => lab.ap(1).replicator.proxy.counters.unpublishedCells;

/** States come, are held back, superseded or published, all the time; looked at more often than ever in use. */
async function traffic(lab: Lab): Promise<void> {
  await lab.run(WHOLE_MS, (nowMs) => {
    if (nowMs % 90 === 0) lab.ap(1).replicator.proxy.age(nowMs);
    if (nowMs % 20 === 0) insert(lab, nowMs % 900, nowMs % 40 === 0 ? MARK_HELD : MARK_DIRTY);
    if (nowMs % 50 === 0) lab.ap(1).datapath.sfr.table.drop(0, ((nowMs % 700) * 2654435761) >>> 0, MARK_DIRTY);
  });
}

describe("the audit of what was published", () => {
  it("finds nothing while states are held back, superseded and published", async () => {
    const lab = await pair();
    await traffic(lab);
    expect(found(lab)).toBe(0);
    await lab.run(1_000);
    expect(mirrorDifferences(lab, 2, 1)).toBe(0);
  });

  it("finds nothing in states that were superseded before they were due", async () => {
    const lab = await meshOf(2, { holdMs: HOLD_MS, options: { holdMs: HOLD_MS } });
    await open(lab, lab.ap(1), 50);
    const { published } = lab.ap(1).replicator.proxy;
    expect(published.used, "the handshakes of 50 connections").toBeLessThan(lab.ap(1).datapath.sfr.table.used);
    await lab.run(WHOLE_MS);
    expect(found(lab)).toBe(0);
  });

  it("counts a cell that was reported and then forgotten here", async () => {
    const lab = await pair();
    const { own } = lab.ap(1).replicator.proxy;
    const note = own.note.bind(own);
    own.note = (...cells) => {
      note(...cells);
      own.take(own.refreshes);
    };
    insert(lab, 1, MARK_DIRTY);
    await lab.run(100);
    own.note = note;
    await lab.run(WHOLE_MS);
    expect(found(lab)).toBe(1);
  });

  it("counts a cell that the datapath was to report, and did not, and publishes it", async () => {
    const lab = await pair();
    for (let x = 1; x <= 5; x++) insert(lab, x, MARK_DIRTY);
    lab.ap(1).datapath.sfr.table.dirty.fill(0);
    await lab.run(1_000);
    expect(lab.ap(1).replicator.proxy.published.used).toBe(0);
    await lab.run(WHOLE_MS);
    expect(found(lab)).toBe(5);
    expect(lab.ap(1).replicator.proxy.published.used).toBe(5);
    expect(lab.ap(2).replicator.list()[0]!.mirror!.used).toBe(5);
    expect(lab.warnings.filter((text) => text.includes("was not published in time"))).toHaveLength(1);
    await lab.run(WHOLE_MS);
    expect(found(lab)).toBe(5);
  });

  it("would take for forgotten what is held back, if it did not know for how long", async () => {
    const lab = await pair(-10_000);
    await traffic(lab);
    expect(found(lab)).toBeGreaterThan(0);
  });
});
