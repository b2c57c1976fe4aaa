import { describe, expect, it } from "vitest";
import { nodeCrypto } from "../platform/node/crypto.ts";
import { nodeX25519 } from "../platform/node/x25519.ts";
import type { MeshKey } from "./keyring.ts";
import { Sealed } from "./sealed.ts";
import { CLIENT, FLOWS, meshOf, open, pass, speak } from "./testing/flows.ts";
import { identitiesAmong, identitiesOf, membersOf, secretOf } from "./testing/identities.ts";
import { type Lab, type LabOptions, mirrorDifferences } from "./testing/lab.ts";

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

  it("moves to a new mesh key, and takes nothing under the old one any more", async () => {
    const [OLD, NEW] = [0, 1].map((slot) => ({ slot, secret: new Uint8Array(32).fill(0x11 + slot) })) as [
      MeshKey,
      MeshKey,
    ];
    const lab = await meshOf(3, { ...PAIRED, keysOf: () => [OLD] });
    await open(lab, lab.ap(1));
    const clears = lab.aps.map(({ datapath }) => datapath.calls["clearMirror"]);
    for (const { replicator } of lab.aps) replicator.setKeys([OLD, NEW], lab.nowMs);
    await lab.run(3_000);
    expect(lab.aps.map(({ replicator }) => replicator.rotation.slot)).toEqual([1, 1, 1]);
    await lab.run(21_000);
    for (const { replicator } of lab.aps) replicator.setKeys([NEW], lab.nowMs);
    await lab.run(3_000);
    await expectWhole(lab);
    expect(lab.aps.map(({ datapath }) => datapath.calls["clearMirror"])).toEqual(clears);
    expect(await speak(lab, lab.ap(2))).toBe(0);
  });

  it("hears one that was replaced under its number by its new key alone", async () => {
    const lab = await meshOf(3, PAIRED);
    const replaced = { id: 3, publicKey: nodeX25519.publicKey(secretOf(33)) };
    for (const id of [1, 2]) lab.ap(id).replicator.setMembers([...membersOf(1, 2), replaced], lab.nowMs);
    await lab.run(2_000);
    expect(believes(lab, 1)).toEqual([2]);
    Object.assign(lab.setup, { identitiesOf: () => identitiesOf(secretOf(33), [...membersOf(1, 2), replaced]) });
    await lab.restart(lab.ap(3));
    await lab.run(2_000);
    expect([believes(lab, 1), believes(lab, 3)]).toEqual([
      [2, 3],
      [1, 2],
    ]);
    await expectWhole(lab);
  });

  it("finds a client whose AP is out of earshot, and believes that AP before it hands anything over", async () => {
    const inRow = (from: number, to: number) => Math.abs(from - to) === 1;
    const lab = await meshOf(5, { crypto: nodeCrypto, identitiesOf: identitiesAmong(1, 2, 3, 4, 5), hears: inRow });
    await open(lab, lab.ap(1));
    expect(pass(lab.ap(5), 0, "A>")).toBe(1);
    await lab.run(600);
    expect(await speak(lab, lab.ap(5))).toBe(0);
    expect(lab.ap(1).replicator.proxy.contexts.get(CLIENT)).toMatchObject({ here: false, ap: 5 });
  });

  it("believes nobody, and is believed by nobody, without a list, or with none in common", async () => {
    const lab = await meshOf(3, { ...PAIRED, identitiesOf: (id) => identitiesAmong(...(id === 3 ? [] : [1, 2]))(id) });
    expect([1, 2, 3].map((id) => believes(lab, id))).toEqual([[2], [1], []]);
  });
});

/** Bytes that all say: while a client opens flows and roams, and in ten seconds of rest. */
async function cost(setup: LabOptions): Promise<{ busy: number; rest: number; datagrams: number }> {
  const lab = await meshOf(3, { crypto: nodeCrypto, ...setup });
  const sent = () => lab.aps.reduce((sum, { replicator }) => sum + replicator.counters.bytesSent, 0);
  const before = sent();
  await open(lab, lab.ap(1));
  expect(await speak(lab, lab.ap(2))).toBe(0);
  await lab.run(1_000);
  const busy = sent();
  await lab.run(10_000);
  const datagrams = lab.aps.reduce((sum, { replicator }) => sum + replicator.counters.datagramsSent, 0);
  return { busy: busy - before, rest: sent() - busy, datagrams };
}

describe("what identities cost", () => {
  it("is some bytes a neighbour and datagram for all, and not one datagram more", async () => {
    const [off, on] = [await cost({ sealOf: (keys) => new Sealed(keys) }), await cost(PAIRED)];
    const more = (a: number, b: number) => `${a} bytes, with identities ${b} (${(b / a).toFixed(2)} x)`;
    console.log(
      `3 APs: 200 flows opened, and roamed: ${more(off.busy, on.busy)}; 10 s of rest: ${more(off.rest, on.rest)}`,
    );
    expect(on.datagrams).toBeLessThan(off.datagrams * 1.02);
    expect(on.busy).toBeLessThan(off.busy * 1.15);
    expect(on.rest).toBeLessThan(off.rest * 1.3);
  });
});
