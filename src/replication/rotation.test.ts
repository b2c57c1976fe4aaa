import { describe, expect, it } from "vitest";
import { CONSTANTS } from "../datapath/abi.ts";
import { portableCrypto } from "../platform/portable-crypto.ts";
import { fingerprintOf, type MeshKey } from "./keyring.ts";
import { Sealed } from "./sealed.ts";
import { Lab, mirrorDifferences } from "./testing/lab.ts";

const key = (slot: number, byte: number): MeshKey => ({ slot, secret: new Uint8Array(32).fill(byte) });
const OLD = key(0, 0x11);
const NEW = key(1, 0x22);
const OTHER = key(1, 0x33);
const DAY_MS = 24 * 3_600_000;
const CELLS = 100;

async function sealedLab(count: number, keysOf: (id: number) => readonly MeshKey[] = () => [OLD]): Promise<Lab> {
  const lab = new Lab(count, { sealOf: (keys) => new Sealed(keys), keysOf });
  for (let x = 1; x <= CELLS; x++) {
    const { table } = lab.ap(1).datapath.sfr;
    table.insert(0, (x * 2654435761) >>> 0, 20, CONSTANTS.OP_MAX, 1, CONSTANTS.MARK_DIRTY);
  }
  await lab.start();
  await lab.run(2_000);
  return lab;
}

const offer = (lab: Lab, id: number, ...keys: MeshKey[]) => lab.ap(id).replicator.setKeys(keys, lab.nowMs);
const slots = (lab: Lab) => lab.aps.map(({ replicator }) => replicator.rotation.slot);
const states = (lab: Lab, id: number) =>
  lab
    .ap(id)
    .replicator.rotation.status()
    .map(({ state }) => state);

/** All hear each other, and each mirror is its source. */
async function expectWhole(lab: Lab): Promise<void> {
  await lab.settle();
  for (const at of lab.aps)
    for (const of of lab.aps)
      if (at !== of) expect(mirrorDifferences(lab, at.id, of.id), `${at.id} of ${of.id}`).toBe(0);
}

describe("key rotation", () => {
  it("moves to the new key when the last neighbour shows it, and no mirror loses a cell on the way", async () => {
    const lab = await sealedLab(3);
    const clears = lab.aps.map(({ datapath }) => datapath.calls["clearMirror"]);
    let least = CELLS;
    const watch = () => {
      for (const { replicator } of lab.aps.slice(1))
        least = Math.min(least, replicator.list().find(({ id }) => id === 1)!.mirror!.used);
    };
    offer(lab, 1, OLD, NEW);
    offer(lab, 2, OLD, NEW);
    await lab.run(5_000, watch);
    expect(slots(lab)).toEqual([0, 0, 0]);
    offer(lab, 3, OLD, NEW);
    await lab.run(3_000, watch);
    expect(slots(lab)).toEqual([1, 1, 1]);
    expect(states(lab, 2)).toEqual(["accepted", "sending"]);
    await lab.run(21_000, watch);
    expect(states(lab, 2)).toEqual(["retired", "sending"]);
    for (const { id } of lab.aps) offer(lab, id, NEW);
    await lab.run(2_000, watch);
    expect(least).toBe(lab.ap(1).replicator.proxy.published.used);
    expect(lab.aps.map(({ datapath }) => datapath.calls["clearMirror"])).toEqual(clears);
    await expectWhole(lab);
  });

  it("loses a neighbour that is only given the new key", async () => {
    const lab = await sealedLab(2);
    offer(lab, 1, NEW);
    await lab.run(12_000);
    expect(lab.ap(2).replicator.list()[0]!.state).toBe("dead");
  });

  it("lets an AP that starts in between find the mesh, whichever key that has come to", async () => {
    const lab = await sealedLab(3);
    for (const { id } of lab.aps) offer(lab, id, OLD, NEW);
    await lab.run(25_000);
    expect(slots(lab)).toEqual([1, 1, 1]);
    lab.setup.keysOf = () => [OLD, NEW];
    await lab.restart(lab.ap(2));
    await lab.run(3_000);
    expect(slots(lab)).toEqual([1, 1, 1]);
    await expectWhole(lab);
  });

  it("does not wait for those that have no new key, when told so or after a day", async () => {
    for (const wait of [false, true]) {
      const lab = await sealedLab(2);
      offer(lab, 1, OLD, NEW);
      await lab.run(2_000);
      expect(slots(lab)).toEqual([0, 0]);
      if (wait) lab.nowMs += DAY_MS;
      else lab.ap(1).replicator.switchKey();
      await lab.run(10);
      expect(slots(lab)).toEqual([1, 0]);
    }
  });

  it("tells when two APs have different keys in one slot", async () => {
    const lab = await sealedLab(2, (id) => [OLD, id === 1 ? NEW : OTHER]);
    await lab.run(2_000);
    expect(slots(lab)).toEqual([0, 0]);
    expect(lab.warnings.filter((text) => text.includes("another key in slot 1"))).toHaveLength(2);
  });

  it("takes no more of a retired key, also when its file is read again", async () => {
    const lab = await sealedLab(2, () => [OLD, NEW]);
    await lab.run(25_000);
    offer(lab, 1, OLD, key(1, 0x22));
    expect(lab.ap(1).replicator.rotation.fingerprints).toEqual([0, fingerprintOf(portableCrypto, NEW.secret)]);
    expect(states(lab, 1)).toEqual(["retired", "sending"]);
  });
});

describe("an epoch", () => {
  it("ends after a day: the next has another key, and goes on with the same mirror", async () => {
    const lab = await sealedLab(2);
    const tagOf = () => lab.ap(2).replicator.list()[0]!.epochTag;
    const before = tagOf();
    const clears = lab.ap(2).datapath.calls["clearMirror"];
    lab.nowMs += DAY_MS;
    await lab.run(4_000);
    expect(tagOf()).not.toBe(before);
    expect(lab.ap(2).datapath.calls["clearMirror"]).toBe(clears);
    await expectWhole(lab);
  });

  it("says nothing when its numbers are used up, and ends long before", async () => {
    const lab = await sealedLab(2);
    const outbox = (lab.ap(1).replicator as unknown as { outbox: { pn: number; epochTag: number } }).outbox;
    const sent = () => lab.ap(1).replicator.counters.datagramsSent;
    const { epochTag } = outbox;
    outbox.pn = 2 ** 48 - 1;
    const before = sent();
    lab.ap(1).replicator.sender.announce(1);
    lab.ap(1).replicator.sender.publish(lab.nowMs);
    expect(sent()).toBe(before);
    await lab.run(300);
    expect(outbox.epochTag).not.toBe(epochTag);
    expect(outbox.pn).toBeLessThan(100);
  });
});
