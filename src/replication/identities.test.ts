import { describe, expect, it } from "vitest";
import { nodeCrypto } from "../platform/node/crypto.ts";
import { FLOWS, meshOf, open, speak } from "./testing/flows.ts";
import { identitiesAmong, membersOf } from "./testing/identities.ts";
import { type Lab, mirrorDifferences } from "./testing/lab.ts";

const PAIRED = { crypto: nodeCrypto, identitiesOf: identitiesAmong(1, 2, 3) };

/** All hear each other, and each mirror is its source. */
async function expectWhole(lab: Lab, ids = lab.aps.map(({ id }) => id)): Promise<void> {
  await lab.settle();
  for (const at of ids)
    for (const of of ids) if (at !== of) expect(mirrorDifferences(lab, at, of), `${at} of ${of}`).toBe(0);
}

const believes = (lab: Lab, id: number) =>
  lab
    .ap(id)
    .replicator.list()
    .filter(({ believed, state }) => believed && state === "alive")
    .map((neighbour) => neighbour.id)
    .sort();

describe("a mesh with identities", () => {
  it("meets, mirrors and hands over, with nothing denied", async () => {
    const lab = await meshOf(3, PAIRED);
    await open(lab, lab.ap(1));
    for (const id of [2, 3, 1, 2]) {
      expect(await speak(lab, lab.ap(id))).toBe(0);
      await lab.run(500);
    }
    await lab.run(500);
    await expectWhole(lab);
    expect(lab.ap(2).replicator.proxy.roam.counters.handoversTaken).toBeGreaterThan(0);
    for (const { replicator } of lab.aps) expect(replicator.counters.datagramsDropped["forged"] ?? 0).toBe(0);
  });

  it("does so over a link that loses, doubles and reorders", async () => {
    const lab = await meshOf(3, { ...PAIRED, seed: 7 });
    lab.faults = { loss: 0.2, duplication: 0.1, delayMs: 1, jitterMs: 8 };
    await open(lab, lab.ap(1));
    await lab.run(3_000);
    expect(await speak(lab, lab.ap(2), 0, FLOWS)).toBe(0);
    lab.faults = { loss: 0, duplication: 0, delayMs: 1, jitterMs: 0 };
    await lab.run(5_000);
    await expectWhole(lab);
  });

  it("goes on after the restart of one", async () => {
    const lab = await meshOf(3, PAIRED);
    await open(lab, lab.ap(1));
    await lab.restart(lab.ap(2));
    await lab.run(3_000);
    await expectWhole(lab);
    expect(await speak(lab, lab.ap(2))).toBe(0);
  });

  it("forgets who is taken off the list at once, and loses nothing of the others", async () => {
    const lab = await meshOf(3, PAIRED);
    await open(lab, lab.ap(1));
    for (const id of [1, 2]) lab.ap(id).replicator.setMembers(membersOf(1, 2), lab.nowMs);
    await lab.run(3_000);
    expect(believes(lab, 1)).toEqual([2]);
    expect(believes(lab, 2)).toEqual([1]);
    expect(lab.ap(1).replicator.counters.datagramsDropped["no member"]).toBeGreaterThan(0);
    await expectWhole(lab, [1, 2]);
    expect(await speak(lab, lab.ap(2))).toBe(0);
  });

  it("takes in who comes onto the list, and asks nothing anew of those that were there", async () => {
    const lab = await meshOf(3, { ...PAIRED, identitiesOf: identitiesAmong(1, 2) });
    await open(lab, lab.ap(1));
    expect(believes(lab, 1)).toEqual([2]);
    const before = lab.ap(1).replicator.counters.snapshotsDone;
    for (const { replicator } of lab.aps) replicator.setMembers(membersOf(1, 2, 3), lab.nowMs);
    await lab.run(3_000);
    expect(believes(lab, 3)).toEqual([1, 2]);
    expect(lab.ap(1).replicator.counters.snapshotsDone - before).toBe(1);
    await expectWhole(lab);
    expect(await speak(lab, lab.ap(3))).toBe(0);
  });
});
