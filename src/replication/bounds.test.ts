import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { WHOLE } from "../proxy/phase.ts";
import { GAPS_MAX } from "./gaps.ts";
import { mirrorBytes } from "./mirror-slots.ts";
import { Lab, mirrorDifferences } from "./testing/lab.ts";

const NEIGHBOURS_MAX = 32;
/** The model's kernel has so many. */
const MIRRORS = 8;

function touch(lab: Lab, id: number): void {
  const { table } = lab.ap(id).datapath.sfr;
  const x = () => (Math.floor(1 + lab.random() * 300) * 2654435761) >>> 0;
  table.insert(0, x(), (1 << lab.geometry.tickBits) | 20, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
  table.drop(0, x(), CONSTANTS.MARK_DIRTY);
}

const mirrored = (lab: Lab, at: number) =>
  lab
    .ap(at)
    .replicator.list()
    .filter(({ mirror }) => mirror)
    .map(({ id }) => id);

describe("memory", () => {
  it("is bounded with more neighbours than are remembered, a third of all datagrams lost", async () => {
    const lab = new Lab(NEIGHBOURS_MAX + 3, { geometry: "4x16x8/r26" });
    lab.faults = { loss: 0.3, duplication: 0.1, delayMs: 1, jitterMs: 10 };
    await lab.start();
    const { replicator, datapath } = lab.ap(1);
    const most = { neighbours: 0, gaps: 0, mirrors: 0 };
    await lab.run(1_200, (nowMs) => {
      if (nowMs % 4 === 0) for (const id of [1, 2, 3, 4]) touch(lab, id);
      if (nowMs % 50 !== 0) return;
      const list = replicator.list();
      most.neighbours = Math.max(most.neighbours, list.length);
      most.gaps = Math.max(most.gaps, ...list.map(({ gaps }) => gaps.count));
      most.mirrors = Math.max(most.mirrors, mirrored(lab, 1).length);
    });
    expect(most.neighbours).toBe(NEIGHBOURS_MAX);
    expect(most.mirrors).toBe(Math.min(MIRRORS, datapath.hello.mirrors));
    expect(most.gaps).toBeGreaterThan(0);
    expect(most.gaps).toBeLessThanOrEqual(2 * GAPS_MAX + 1);
  });

  it("for mirrors is a setting: who gets none is served by handover", async () => {
    const { geometry } = new Lab(0);
    const lab = new Lab(3, { options: { memoryBytes: 1.5 * mirrorBytes(geometry) } });
    await lab.start();
    await lab.run(2_000);
    expect(mirrored(lab, 1)).toHaveLength(1);
    expect(
      lab
        .ap(1)
        .replicator.list()
        .every(({ sync, believed }) => believed && !sync),
    ).toBe(true);
  });

  it("goes to the neighbour that clients roam to and from most", async () => {
    const { geometry } = new Lab(0);
    const lab = new Lab(3, { options: { memoryBytes: 1.5 * mirrorBytes(geometry) } });
    await lab.start();
    await lab.run(2_000);
    for (let i = 0; i < 100; i++) for (const id of [2, 3]) touch(lab, id);
    await lab.run(500);
    const [holder] = mirrored(lab, 1);
    const other = lab
      .ap(1)
      .replicator.list()
      .find(({ id }) => id !== holder)!;
    other.roams = 3;
    await lab.run(2_000);
    expect(mirrored(lab, 1)).toEqual([holder]);
    other.roams = 4;
    await lab.run(2_500);
    expect(mirrored(lab, 1)).toEqual([other.id]);
    expect(mirrorDifferences(lab, 1, other.id)).toBe(0);
  });

  it("leaves the mirror of who is gone, while there is something in it, and an AP that came back its former table", async () => {
    const { geometry } = new Lab(0);
    const lab = new Lab(3, { options: { memoryBytes: 2.5 * mirrorBytes(geometry) } });
    await lab.start();
    await lab.run(2_000);
    for (let i = 0; i < 100; i++) for (const id of [2, 3]) touch(lab, id);
    await lab.run(500);
    expect(mirrored(lab, 1)).toEqual([2, 3]);
    for (const id of [2, 3]) lab.ap(id).running = false;
    await lab.run(11_000);
    await lab.start([lab.add(3, 4711n)]);
    await lab.run(2_000);
    const [, third] = lab.ap(1).replicator.list();
    expect(mirrored(lab, 1)).toEqual([2]);
    expect(third!.orphans).toHaveLength(1);
    // By then it has been given back.
    await lab.run(15_000);
    expect(mirrored(lab, 1)).toEqual([2, 3]);
    expect(mirrorDifferences(lab, 1, 3)).toBe(0);
    expect(third!.orphans).toEqual([]);
  });

  it("takes nothing of the old table's clock for a new one's, when the mirror went to another meanwhile", async () => {
    const { geometry } = new Lab(0);
    const lab = new Lab(3, { options: { memoryBytes: 1.5 * mirrorBytes(geometry) } });
    // The table of before has had many ticks more.
    lab.aps[1] = { ...lab.ap(2), phaseMs: 600_000 };
    await lab.start([lab.ap(1), lab.ap(2)]);
    await lab.run(2_000);
    expect(mirrored(lab, 1)).toEqual([2]);
    lab.ap(2).running = false;
    await lab.run(11_000);
    await lab.start([lab.ap(3)]);
    await lab.run(2_000);
    expect(mirrored(lab, 1)).toEqual([3]);
    await lab.start([lab.add(2, 4711n)]);
    await lab.run(2_000);
    const { phases, hello } = lab
      .ap(1)
      .replicator.list()
      .find(({ id }) => id === 2)!;
    expect(phases.ofSource(lab.nowMs, hello!).fast).toBeLessThan(2 * WHOLE);
  });
});
